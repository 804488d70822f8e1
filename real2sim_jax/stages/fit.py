"""The fit stage: from a source of observed tracks to a folder of fitted videos."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from real2sim_jax.config.fitting import FitConfig
from real2sim_jax.core.actions import Action
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import file_hash, load_if_same, plain, save
from real2sim_jax.data.types import BoxTrack, CuboidTrack, MaskTrack
from real2sim_jax.evaluation.report import FitReport, make_fit_report, save_fit_report, saved_loss_curve
from real2sim_jax.fitting.fit import fit_tracks
from real2sim_jax.formats.published_states import write_states
from real2sim_jax.formats.something_else import read_tracks
from real2sim_jax.perception.boxes import boxes_of_masks
from real2sim_jax.perception.mask_tracks import for_action
from real2sim_jax.stages.console import Console
from real2sim_jax.stages.segment import FILM, Videos, segment_stage
from real2sim_jax.synthetic.scenes import synthetic_tracks
from real2sim_jax.viewers.contact_sheet import Tile, save_contact_sheet
from real2sim_jax.viewers.film import read_film
from real2sim_jax.viewers.fit import save_fit_gif
from real2sim_jax.viewers.plots import save_loss_curves

SYNTHETIC_COUNT = 6

Tracks = dict[str, tuple[Action, BoxTrack]]
Observed = Mapping[str, tuple[Action, BoxTrack | MaskTrack]]


@dataclass(frozen=True)
class AnnotatedTracks:
    """Annotated boxes in the layout of Something-Else."""

    folder: Path
    videos: Sequence[str] | None = None
    """Ids of those to use; all when absent."""
    use_phases: bool = True
    """Take the action's frames from phases.csv where it has them."""


@dataclass(frozen=True)
class SyntheticScenes:
    """Made-up videos of an action, whose truth is known."""

    seed: int = 0


Source = AnnotatedTracks | SyntheticScenes | Videos
"""Where demonstrations come from."""


@dataclass(frozen=True)
class Fits:
    """The videos of a fit stage."""

    tracks: dict[str, tuple[Action, CuboidTrack]]
    skipped: dict[str, str]
    """Why a video has no track."""
    reports: dict[str, FitReport]


def read_source(
    source: AnnotatedTracks | SyntheticScenes, action: Action | None
) -> tuple[Tracks, dict[str, str], dict[str, CuboidTrack]]:
    """Return the observed tracks by video id, the reasons for those skipped, and the truth where it is known.

    UserError when no track is left.
    """
    if isinstance(source, AnnotatedTracks):
        tracks, skipped = _read_annotated(source, action)
        return tracks, skipped, {}
    if action is None:
        raise UserError("expected --tracks FOLDER, --video FILE or --action NAME; got none")
    scenes = synthetic_tracks(action, SYNTHETIC_COUNT, source.seed)
    named = {f"synthetic{source.seed}_{i}": scene for i, scene in enumerate(scenes)}
    observed = {name: (action, boxes) for name, (boxes, _) in named.items()}
    return observed, {}, {name: truth for name, (_, truth) in named.items()}


def _read_annotated(source: AnnotatedTracks, action: Action | None) -> tuple[Tracks, dict[str, str]]:
    tracks, skipped = read_tracks(source.folder, source.videos, action, use_phases=source.use_phases)
    skipped |= {video: why for video, (shown, _) in tracks.items() if (why := _refusal(video, shown, action))}
    tracks = {video: pair for video, pair in tracks.items() if video not in skipped}
    if not tracks:
        raise UserError(f"{source.folder}: no usable video; {next(f'{v}: {why}' for v, why in skipped.items())}")
    return tracks, skipped


def _read_clips(clips: Videos, action: Action | None, out: Path, console: Console) -> tuple[Observed, dict[str, str]]:
    """Segment video files into folders below `out`; return their masks by video id and why others were skipped."""
    if action is None:
        raise UserError("expected --action NAME with --video: what the videos show")
    segments = segment_stage(clips, out, console)
    tracks, skipped = {}, dict(segments.skipped)
    for video, track in segments.tracks.items():
        try:
            tracks[video] = action, for_action(track, action, clips.hints.contacts)
        except UserError as error:
            skipped[video] = str(error)
    if not tracks:
        raise UserError(f"no usable video; {next(f'{video}: {why}' for video, why in skipped.items())}")
    return tracks, skipped


def _refusal(video: str, shown: Action, wanted: Action | None) -> str | None:
    """Why a video cannot be used besides its boxes; its id names a folder of ours."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", video) or re.fullmatch(r"seed\d+", video):
        return "expected an id of letters, digits, '_', '-' and '.' that is not called seedN; rename the video"
    if wanted is not None and shown.name != wanted.name:
        return f"shows {shown.name}, expected {wanted.name}"
    return None


def fit_stage(
    source: Source, action: Action | None, out: Path, console: Console, config: FitConfig | None = None
) -> Fits:
    """Fit every video of a source; write boxes.npz, track.npz, states.csv, fit.gif and quality.json below out/VIDEO.

    Video files get masks.npz instead of boxes.npz, synthetic videos truth.npz too; contact_sheet.png and
    loss_curves.png show all videos. A video whose boxes or masks, action and configuration have not changed is not
    fitted again. UserError when no video can be fitted.
    """
    if isinstance(source, Videos):
        return _fit(*_read_clips(source, action, out, console), out, console, config or FitConfig())
    tracks, skipped, truth = read_source(source, action)
    for video, track in truth.items():
        save(out / video / "truth.npz", track)
    return fit_observed(tracks, skipped, out, console, config)


def fit_observed(
    observed: Observed, skipped: Mapping[str, str], out: Path, console: Console, config: FitConfig | None = None
) -> Fits:
    """Fit observed tracks as `fit_stage` does; `skipped` says why other videos have none.

    UserError when no video can be fitted.
    """
    for video, (_, track) in observed.items():
        save(out / video / f"{_name(track)}.npz", track)
    return _fit(observed, skipped, out, console, config or FitConfig())


def _fit(observed: Observed, skipped: Mapping[str, str], out: Path, console: Console, config: FitConfig) -> Fits:
    """Fit tracks whose boxes.npz or masks.npz, with what they were made from, lie in their folders."""
    made_from = {v: _made_from(out / v, shown, track, config) for v, (shown, track) in observed.items()}
    done = {video: track for video in observed if (track := _fresh(out / video, made_from[video], console))}
    boxes = {v: boxes_of_masks(t) if isinstance(t, MaskTrack) else t for v, (_, t) in observed.items()}
    curves = {video: saved_loss_curve(out / video / "quality.json", console.say) for video in done}
    missing = {video: pair for video, pair in observed.items() if video not in done}
    if missing:
        with console.status(f"fitting {len(missing)} videos") as update:
            result = fit_tracks(missing, config, update)
            update("drawing")
            for video, track in result.tracks.items():
                _write_fit(out / video, boxes[video], track, made_from[video])
        done, curves = done | result.tracks, curves | result.curves
        skipped = {**skipped, **result.failures}
    fitted = {video: (shown, done[video]) for video, (shown, _) in observed.items() if video in done}
    if not fitted:
        raise UserError(
            f"none of {len(skipped)} videos could be fitted; {next(iter(skipped.values()), 'none was given')}"
        )
    reports = {v: make_fit_report(track, shown, boxes[v], curves.get(v)) for v, (shown, track) in fitted.items()}
    fits = Fits(fitted, dict(skipped), reports)
    _write_overview(out, fits, boxes)
    return fits


def _fresh(folder: Path, made_from: Mapping[str, Any], console: Console) -> CuboidTrack | None:
    return load_if_same(folder, ("track.npz", "states.csv", "fit.gif"), CuboidTrack, made_from, console.say)


def _name(observed: BoxTrack | MaskTrack) -> str:
    return "masks" if isinstance(observed, MaskTrack) else "boxes"


def _made_from(folder: Path, action: Action, observed: BoxTrack | MaskTrack, config: FitConfig) -> dict[str, Any]:
    """What a track depends on, as in its header."""
    parent = _name(observed)
    return {
        "config": {"action": action.name, **plain(config)},
        "parents": {parent: file_hash(folder / f"{parent}.npz")},
    }


def _write_fit(folder: Path, observed: BoxTrack, track: CuboidTrack, made_from: Mapping[str, Any]) -> None:
    write_states(folder / "states.csv", track)
    film = _film_of(folder)
    save_fit_gif(folder / "fit.gif", observed, track, film and read_film(film, len(track.valid)))
    save(folder / "track.npz", track, **made_from)


def _film_of(folder: Path) -> Path | None:
    """A video's steadied film, None where there is none."""
    return folder / FILM if (folder / FILM).is_file() else None


def _write_overview(out: Path, fits: Fits, observed: Mapping[str, BoxTrack]) -> None:
    tiles = []
    for video, report in fits.reports.items():
        save_fit_report(out / video / "quality.json", report)
        tiles.append(Tile(video, observed[video], fits.tracks[video][1], report, _film_of(out / video)))
    save_contact_sheet(out / "contact_sheet.png", tiles, fits.skipped)
    curves = {video: np.asarray(r.loss_curve) for video, r in fits.reports.items() if r.loss_curve}
    if curves:
        save_loss_curves(out / "loss_curves.png", curves)
