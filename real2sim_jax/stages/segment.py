"""The segment stage: from video files to masks, each video once for its content and settings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from real2sim_jax.core.clock import CONTROL_HZ
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import file_hash, load_if_same, plain, read_json, save, write_json
from real2sim_jax.data.types import MaskTrack
from real2sim_jax.perception import weights
from real2sim_jax.perception.contact import Contact
from real2sim_jax.perception.drift import stabilise
from real2sim_jax.perception.hands import detector_installed
from real2sim_jax.perception.mask_tracks import mask_track, summary_of
from real2sim_jax.perception.prompts import NO_HINTS, UserHints, check_hints
from real2sim_jax.perception.saliency import weights_path
from real2sim_jax.perception.segmentation import Segmenter, sam_installed, segmenter_named
from real2sim_jax.perception.things import Found, Progress
from real2sim_jax.perception.video import LONG_SIDE_PX, Video, check_is_file, read_video, write_video
from real2sim_jax.stages.console import Console
from real2sim_jax.viewers.masks import save_mask_video

METHOD = 4
"""Raised when the same settings give other masks."""
EMBEDDINGS = "embeddings"
"""Folder of what the segmenter sam keeps for later runs."""
FILM = "film.mp4"
"""The steadied frames, to draw the fit on."""


@dataclass(frozen=True)
class Videos:
    """Video files and how to segment them."""

    paths: Sequence[Path]
    segmenter: str = "auto"
    hints: UserHints = NO_HINTS
    """What the user says of the only video."""
    checkpoint: Path | None = None
    """Weights of the segmenter sam."""


@dataclass(frozen=True)
class Segments:
    """The videos of a segment stage."""

    tracks: dict[str, MaskTrack]
    skipped: dict[str, str]
    """Why a video has no masks."""
    summaries: dict[str, dict[str, Any]]
    """What masks.json says, by video."""


def segment_stage(videos: Videos, out: Path, console: Console) -> Segments:
    """Segment videos; write masks.npz, masks.json, masks.mp4 and film.mp4 below out/VIDEO.

    One that fails costs one line. UserError when the settings are wrong or no video can be segmented.
    """
    segmenter = segmenter_named(videos.segmenter, videos.checkpoint, out / EMBEDDINGS)
    settings = plain(_settings(videos))
    if videos.segmenter == "auto" and not sam_installed():
        console.say("masks by colours and motion, which are right less often than Segment Anything's: real2sim weights")
    if videos.segmenter != "boxes" and not detector_installed():
        console.say("no hand landmarks (pip install --no-deps -r requirements-perception.txt): skin in general is used")
    if (videos.hints.prompts or videos.hints.contacts) and len(videos.paths) > 1:
        raise UserError(f"--prompt belongs to one video; got {len(videos.paths)} videos")
    found = Segments({}, {}, {})
    with console.bar(len(videos.paths)) as report:
        for number, path in enumerate(videos.paths):
            name = video_id(path)
            try:
                if name in found.tracks:
                    raise UserError(f"another video is called {name} too; rename one")
                progress = lambda share, text, n=number, v=name: report(n + share, f"{v}: {text}")  # noqa: E731
                check_is_file(path)
                made_from = {"config": settings, "parents": {"video": file_hash(path)}}
                kept = _kept(out / name, made_from, console)
                found.tracks[name], found.summaries[name] = kept or _segment(
                    path, out / name, segmenter, videos.hints, made_from, progress
                )
            except UserError as error:
                found.skipped[name if name not in found.tracks else str(path)] = str(error)
    if not found.tracks:
        why = next(iter(found.skipped.values()), "none was given")
        raise UserError(f"none of {len(videos.paths)} videos could be segmented; {why}")
    return found


def video_id(path: Path) -> str:
    """Return the name of a video's folder: the file's, with what is no letter, digit, '_', '-' or '.' replaced."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", path.stem).lstrip(".") or "video"
    return f"video_{name}" if re.fullmatch(r"seed\d+", name) else name


class Masks(NamedTuple):
    """What was found in a video, and what it was found with."""

    video: Video
    found: Found
    track: MaskTrack
    contact: Contact


def masks_of(
    path: Path, segmenter: Segmenter, hints: UserHints = NO_HINTS, progress: Progress = lambda share, text: None
) -> Masks:
    """Return the masks of a video file; UserError where it cannot be read or segmented."""
    check_is_file(path)
    progress(0.0, "reading")
    video = read_video(path)
    check_hints(hints, len(video.frames), video.source_size)
    found = segmenter(video, hints.prompts, progress)
    return Masks(video, found, *mask_track(found, video, hints.contacts))


def _segment(
    path: Path, folder: Path, segmenter: Segmenter, hints: UserHints, made_from: Any, progress: Progress
) -> tuple[MaskTrack, dict[str, Any]]:
    video, found, track, contact = masks_of(path, segmenter, hints, progress)
    summary = summary_of(found, contact)
    progress(0.97, "drawing")
    times = contact.phases(), contact.touching, contact.confidence
    save_mask_video(folder / "masks.mp4", video.frames, found.labels, found.drift, *times, video.dt, found.others)
    write_video(folder / FILM, stabilise(video.frames, found.drift), 1.0 / video.dt)
    write_json(folder / "masks.json", summary)
    # Last: where it is, the others are whole.
    save(folder / "masks.npz", track, **made_from)
    return track, summary


def _settings(videos: Videos) -> dict[str, Any]:
    """What masks depend on besides the video."""
    networks = {"u2netp": weights_path() is not None, "hands": detector_installed()}
    settings = {
        "method": METHOD,
        "segmenter": videos.segmenter,
        "networks": networks,
        "prompts": videos.hints.prompts,
        "rate_hz": CONTROL_HZ,
        "long_side_px": LONG_SIDE_PX,
    }
    # What is not used leaves no trace, so that masks of before these settings are still known.
    used = {"checkpoint": file_hash(videos.checkpoint)} if videos.checkpoint else {}
    used |= {"weights": weights.HASHES} if videos.segmenter == "sam" and not videos.checkpoint else {}
    return settings | used | ({"contacts": videos.hints.contacts} if videos.hints.contacts else {})


def _kept(folder: Path, made_from: dict[str, Any], console: Console) -> tuple[MaskTrack, dict[str, Any]] | None:
    """The masks of an earlier run with the same video and settings, None where there are none: a line says why."""
    track = load_if_same(folder, ("masks.npz", "masks.json", "masks.mp4", FILM), MaskTrack, made_from, console.say)
    if track is None:
        return None
    try:
        return track, _read_summary(folder / "masks.json", len(track.valid))
    except UserError as error:
        console.say(f"made again: {error}")
        return None


def _read_summary(path: Path, frames: int) -> dict[str, Any]:
    """What masks.json says; UserError where it is damaged or of another number of frames."""
    summary = read_json(path)
    if not isinstance(summary, dict) or not isinstance(summary.get("why"), list):
        raise UserError(f"{path}: expected what `segment` wrote, got other JSON")
    for name in ("phases", "touching", "confidence"):
        if not isinstance(summary.get(name), list) or len(summary[name]) != frames:
            raise UserError(f"{path}: expected {name} of {frames} frames")
    return summary
