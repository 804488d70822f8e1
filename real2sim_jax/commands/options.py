"""Options, checks and conversions that several commands share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from real2sim_jax.config.fitting import FitConfig
from real2sim_jax.config.learning import DemonstrationConfig, TrainConfig
from real2sim_jax.config.tree import BenchmarkConfig, SegmentConfig, base
from real2sim_jax.core.errors import UserError


@dataclass(frozen=True, kw_only=True)
class SegmentOptions:
    """How masks are found in video files."""

    segment: tyro.conf.OmitArgPrefixes[SegmentConfig] = field(default_factory=lambda: base().segment)
    config: Path | None = None
    """TOML file of settings that differ from the defaults, as `real2sim config` prints them."""


@dataclass(frozen=True, kw_only=True)
class FitOptions(SegmentOptions):
    """How cuboids are fitted."""

    fit: FitConfig = field(default_factory=lambda: base().fit)


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(FitOptions):
    """All settings from a video to a benchmarked policy."""

    demonstrate: DemonstrationConfig = field(default_factory=lambda: base().demonstrate)
    train: TrainConfig = field(default_factory=lambda: base().train)
    benchmark: tyro.conf.OmitArgPrefixes[BenchmarkConfig] = field(default_factory=lambda: base().benchmark)
    preset: str | None = None
    """Settings to begin with: default, or published (the learner of CoRL 2020, from reward alone)."""


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Where demonstrations come from: a folder of tracks, video files, or synthetic scenes where neither is given."""

    tracks: Path | None = None
    """Folder with something_else_boxes.json, actions.csv and, if there is one, phases.csv; synthetic demonstrations
    of --action when absent."""
    videos: str | None = None
    """Ids of the videos of --tracks to use, separated by commas; all that show the action when absent."""
    phases: bool = True
    """Take the action's frames from phases.csv where it has them; otherwise infer them from the boxes."""
    video: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    """A video file to use (may be repeated), instead of --tracks; it shows --action."""
    prompt: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """ROLE=x1,y1,x2,y2@FRAME, contact=FIRST-LAST or a file of such lines (may be repeated) for one --video: see
    `real2sim segment --help`."""

    def source(self, segment: SegmentConfig, seed: int) -> Any:
        """Return the input of the fit stage; UserError where options contradict each other."""
        from real2sim_jax.stages.fit import AnnotatedTracks, SyntheticScenes

        if self.video:
            if self.tracks is not None:
                raise UserError("--video and --tracks: expected one of the two")
            return videos_to_segment(self.video, segment, self.prompt)
        if self.prompt:
            raise UserError("--prompt belongs to a video; give one with --video FILE")
        if self.tracks is not None:
            return AnnotatedTracks(self.tracks, ids(self.videos), self.phases)
        if self.videos is not None:
            raise UserError("--videos chooses among the videos of --tracks FOLDER; there is none")
        return SyntheticScenes(seed)


def videos_to_segment(videos: Sequence[Path], segment: SegmentConfig, prompt: Sequence[str]) -> Any:
    """Return the segment stage's input."""
    from real2sim_jax.perception.prompts import read_hints
    from real2sim_jax.perception.segmentation import chosen_segmenter
    from real2sim_jax.stages.segment import Videos

    name = chosen_segmenter(segment.segmenter, segment.checkpoint)
    return Videos(videos, name, read_hints(prompt), segment.checkpoint)


def ids(videos: str | None) -> list[str] | None:
    """Return the ids of a list separated by commas, None where there is no list; UserError where it names nothing."""
    if videos is None:
        return None
    named = [part.strip() for part in videos.split(",") if part.strip()]
    if not named:
        raise UserError(f"expected names separated by commas, got {videos!r}; leave the option out to choose all")
    return named


def not_negative(seed: int) -> None:
    """UserError unless a seed is 0 or more, and one that jax can take."""
    if not 0 <= seed < 2**31:
        raise UserError(f"--seed {seed}: expected 0 or more, at most {2**31 - 1}")


def at_least_one(name: str, value: int) -> None:
    """UserError unless the value of an option is 1 or more, and a number of things that a machine can hold."""
    if value < 1:
        raise UserError(f"{name} {value}: expected at least 1")
    if value > 1_000_000:
        raise UserError(f"{name} {value}: expected at most 1000000")
