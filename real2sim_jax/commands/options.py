"""Checks and conversions that several commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from real2sim_jax.core.errors import UserError


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


class Model(Protocol):
    """The options of commands that find masks."""

    @property
    def segmenter(self) -> str | None: ...  # noqa: D102
    @property
    def checkpoint(self) -> Path | None: ...  # noqa: D102


class Segmentation(Model, Protocol):
    """The options of commands that segment video files."""

    @property
    def prompt(self) -> Sequence[str]: ...  # noqa: D102


def chosen_segmenter(options: Model) -> str:
    """Return the name of the segmenter: the best that there is where none is named."""
    return options.segmenter or ("sam" if options.checkpoint else "auto")


def videos_to_segment(videos: Sequence[Path], options: Segmentation) -> Any:
    """Return the segment stage's input."""
    from real2sim_jax.perception.prompts import read_hints
    from real2sim_jax.stages.segment import Videos

    return Videos(videos, chosen_segmenter(options), read_hints(options.prompt), options.checkpoint)


def video_files(videos: Sequence[Path], options: Segmentation, tracks: Path | None) -> Any:
    """Return the segment stage's input, None where no video file is given; UserError beside a folder of tracks."""
    if not videos:
        if options.prompt:
            raise UserError("--prompt belongs to a video; give one with --video FILE")
        return None
    if tracks is not None:
        raise UserError("--video and --tracks: expected one of the two")
    return videos_to_segment(videos, options)
