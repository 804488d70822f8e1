"""A folder of state files, ours or another system's, judged video by video: success rules, plausibility, agreement."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from real2sim_jax.benchmarks.reconstruction import PUBLISHED_SUCCESSES, PUBLISHED_VIDEOS, failures_of, summary
from real2sim_jax.core.actions import ACTIONS, Action, action_named
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import load, read_columns, read_csv, read_json
from real2sim_jax.data.types import ANCHOR, MOVED, BoxTrack, CuboidTrack
from real2sim_jax.fitting.quality import BODY_NAMES, measures
from real2sim_jax.formats.published_states import read_states

LOOSE = ("hover_m", "sink_m")
"""Measures of frames in which nothing holds the moved object; other system's files may not say which those are."""


@dataclass(frozen=True)
class Judgement:
    """One video."""

    action: Action
    broken: list[str]
    """Rules that it breaks; none when it shows its action."""
    measures: dict[str, float]
    """As from `quality.measures`; those of LOOSE are absent when no frame is known to be without touch."""
    iou: dict[str, float]
    """Mean IoU by body, where a track.npz lies beside the states."""


@dataclass(frozen=True)
class TrackEvaluation:
    """A folder."""

    videos: dict[str, Judgement]
    refused: dict[str, str]
    """Why a video was not judged."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """What lies beside a video's states and was not used, and why; under "" what belongs to no video."""

    def table(self) -> dict[str, tuple[int, int, int, int]]:
        """Successes, videos and the published system's successes and videos, by action, and their sums under "all"."""
        broken = {video: judged.broken for video, judged in self.videos.items()}
        ours = summary(broken, {video: judged.action for video, judged in self.videos.items()})
        published = {name: (done, PUBLISHED_VIDEOS) for name, done in PUBLISHED_SUCCESSES.items()}
        rows = {name: (*row, *published.get(name, (0, 0))) for name, row in ours.items() if name != "all"}
        theirs, their_videos = (sum(row[i] for row in rows.values()) for i in (2, 3))
        return rows | {"all": (*ours["all"], theirs, their_videos)}

    def extremes(self) -> dict[str, tuple[float, str]]:
        """The worst of each measure over the videos, and the video that has it."""
        worst: dict[str, tuple[float, str]] = {}
        for name in dict.fromkeys(name for judged in self.videos.values() for name in judged.measures):
            held = [(judged.measures[name], v) for v, judged in self.videos.items() if name in judged.measures]
            worst[name] = min(held) if name == "size_min_m" else max(held)
        return worst

    def iou_medians(self) -> dict[str, float]:
        """Median over the videos of the IoU of each body; empty when no video has one."""
        bodies = {name: [j.iou[name] for j in self.videos.values() if name in j.iou] for name in BODY_NAMES.values()}
        return {name: median(values) for name, values in bodies.items() if values}

    def as_json(self) -> dict[str, Any]:
        """Everything as plain JSON."""
        names = ("successes", "videos", "published_successes", "published_videos")
        return {
            "table": {name: dict(zip(names, row, strict=True)) for name, row in self.table().items()},
            "plausibility": {name: {"value": v, "video": video} for name, (v, video) in self.extremes().items()},
            "iou_medians": self.iou_medians(),
            "videos": {video: _plain(judged) for video, judged in self.videos.items()},
            "refused": self.refused,
            "notes": self.notes,
        }


def evaluate_states(
    folder: str | Path,
    actions: str | Path | None = None,
    *,
    published_camera: bool = False,
    own: Action | None = None,
) -> TrackEvaluation:
    """Judge every state file below a folder.

    Files are ID.csv or ID/states.csv. The action of a video is what `actions`, a CSV (video_id, action), says, else
    what a quality.json beside the file says, else the name of the nearest folder that is called like an action.
    own: an action that the package does not know, for videos of that name, or of none. published_camera: see
    `read_states`. UserError when no video can be judged.
    """
    known = {row["video_id"]: row["action"] for row in read_csv(actions, ["video_id", "action"])} if actions else {}
    if not Path(folder).is_dir():
        raise UserError(f"{folder}: expected a folder of state files (ID.csv or ID/states.csv), found none")
    files, others = _state_files(Path(folder), known)
    if not files:
        raise UserError(f"{folder}: expected state files (ID.csv or ID/states.csv), found none")
    videos, refused, notes = {}, {}, {"": _left_out(files, others, known)}
    for name, path in _named(files, Path(folder)).items():
        notes[name] = []
        try:
            videos[name] = _judge(path, _action_of(path, known, own, notes[name]), published_camera, notes[name])
        except UserError as error:
            refused[name] = str(error)
        except OSError as error:
            refused[name] = f"{path}: {error.strerror or error}"
    if not videos:
        raise UserError(
            f"none of {len(refused)} state files could be judged; {next(iter(refused.values()), 'none was given')}"
        )
    return TrackEvaluation(videos, refused, {video: lines for video, lines in notes.items() if lines})


def _state_files(folder: Path, known: dict[str, str]) -> tuple[list[Path], list[Path]]:
    """State files below a folder, and other CSV files.

    State files may be damaged, so a name is enough; one of any other name must begin like a state file.
    """
    files, others = [], []
    for path in sorted(folder.rglob("*.csv")):
        is_named = path.stem == "states" or path.stem.isdigit() or path.stem in known
        (files if is_named or _begins_with_a_camera(path) else others).append(path)
    return files, others


def _left_out(files: list[Path], others: list[Path], known: dict[str, str]) -> list[str]:
    """A line for each: CSV files that hold no states, and listed videos that have none."""
    absent = sorted(known.keys() - {_id(path) for path in files})
    found = {"hold no states": [str(path) for path in others], "are listed and have no states": absent}
    return [f"{len(names)} {text}: {_some(names)}" for text, names in found.items() if names]


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _begins_with_a_camera(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b"cdis" in file.read(64)
    except OSError:
        return False


def _id(path: Path) -> str:
    return path.parent.name if path.stem == "states" else path.stem


def _named(files: list[Path], folder: Path) -> dict[str, Path]:
    """Files by video id, or by their path where two have one id."""
    count = Counter(_id(path) for path in files)
    return {_id(p) if count[_id(p)] == 1 else str(p.relative_to(folder)): p for p in files}


def _action_of(path: Path, known: dict[str, str], own: Action | None, notes: list[str]) -> Action:
    video, beside = _id(path), path.with_name("quality.json")
    folders = (part for part in reversed(path.resolve().parts[:-1]) if part in ACTIONS)
    name = known.get(video) or _noted_action(beside, notes) or next(folders, None)
    if own is not None and name in (None, own.name):
        return own
    if name is None:
        raise UserError(f"{path}: the action of video {video} is not known; list it in a CSV (video_id, action)")
    return action_named(name.strip())


def _noted_action(path: Path, notes: list[str]) -> str | None:
    if not path.is_file():
        return None
    try:
        content = read_json(path)
    except UserError as error:
        notes.append(f"not used: {error}")
        return None
    name = content.get("action") if isinstance(content, dict) else None
    if not isinstance(name, str):
        notes.append(f"not used: {path} names no action")
        return None
    return name


def _judge(path: Path, action: Action, published_camera: bool, notes: list[str]) -> Judgement:
    track = read_states(path, published_camera=published_camera)
    if action.has_anchor and track.position.shape[1] <= ANCHOR:
        raise UserError(f"{path}: expected two objects for {action.name}, got one; check the video's action")
    track, seen, iou = _with_what_lies_beside(track, path, notes)
    unknown = read_columns(path, ["touch"])["touch"] < 0.0
    track = track.replace(touching=np.asarray(track.touching) | unknown)  # type: ignore[attr-defined]
    return judge(track, action, seen, iou)


def judge(track: CuboidTrack, action: Action, seen: np.ndarray, iou: dict[str, float]) -> Judgement:
    """Return the judgement of one track; seen (T, B) bool, touch counts where it is possible."""
    facts = measures(track, seen[:, : action.bodies], np.asarray(track.valid, bool))
    told = not np.asarray(track.touching).all()
    return Judgement(
        action, failures_of(track, action), {n: v for n, v in facts.items() if told or n not in LOOSE}, iou
    )


def _with_what_lies_beside(
    track: CuboidTrack, path: Path, notes: list[str]
) -> tuple[CuboidTrack, np.ndarray, dict[str, float]]:
    """Return the track at its own rate, seen (T, B) bool and IoU by body: without files of ours 12 Hz, all, none."""
    seen, iou = np.ones(np.asarray(track.position).shape[:2], bool), {}
    ours = beside(path.with_name("track.npz"), CuboidTrack, seen.shape, notes)
    if ours is not None:
        track = track.replace(dt=np.float32(ours.dt))  # type: ignore[attr-defined]
        iou = {b: float(ours.quality[f"iou_{b}"]) for b in BODY_NAMES.values() if f"iou_{b}" in ours.quality}
        boxes = beside(path.with_name("boxes.npz"), BoxTrack, seen.shape, notes)
        if boxes is not None and np.asarray(boxes.seen)[:, MOVED].any():
            seen = np.asarray(boxes.seen, bool)
    return track, seen, iou


def beside(path: Path, kind: Any, shape: tuple[int, ...], notes: list[str]) -> Any:
    """Return what lies beside states of `shape` frames and bodies, None where there is nothing good.

    notes: gets a line where there is something damaged or of another shape.
    """
    if not path.is_file():
        return None
    try:
        found = load(path, kind)
    except UserError as error:
        notes.append(f"not used: {error}")
        return None
    own = np.shape(found.position if kind is CuboidTrack else found.boxes)[:2]
    if own != shape:
        notes.append(f"not used: {path}: (frames, bodies) are {own} there and {shape} in the states")
        return None
    return found


def _plain(judged: Judgement) -> dict[str, Any]:
    success = not judged.broken
    facts = {"broken_rules": judged.broken, "measures": judged.measures, "iou": judged.iou}
    return {"action": judged.action.name, "success": success, **facts}
