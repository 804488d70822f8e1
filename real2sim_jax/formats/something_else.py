"""Bounding boxes annotated by people, in the layout of Something-Else (Materzynska et al., CVPR 2020).

A folder holds one or more `*.json` (video id -> list of frames, each with `name` "ID/0001.jpg" and `labels`, each with
`box2d` and `gt_annotation`), and optionally `actions.csv` (video_id, action; also width, height, fps) and `phases.csv`
(video_id, action_id, approach, action, leave; 1-based inclusive ranges, "-" where absent).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from real2sim_jax.core.actions import ACTIONS_BY_CLASS, IMITATIONS, Action, action_named
from real2sim_jax.core.clock import CONTROL_HZ
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.text import whole_number
from real2sim_jax.data.artefacts import read_csv, read_json
from real2sim_jax.data.limits import check_box, check_rate, check_size
from real2sim_jax.data.types import BoxTrack
from real2sim_jax.geometry.cameras import IMAGE_SIZE_PX
from real2sim_jax.perception.boxes import FrameBoxes, assemble_boxes
from real2sim_jax.perception.contact import contact_from_boxes, contact_in_phase, holds_on

LABELS = {"object hand": 0, "hand": 0, "object 0": 1, "object 1": 2}
"""Something-Else's label -> body axis: its object 0 is the one that the hand moves."""


@dataclass(frozen=True)
class VideoNotes:
    """What the CSV files say of one video."""

    action: Action
    acting_frames: tuple[int, int] | None = None
    """First and last frame of the action phase, 1-based."""
    size_px: tuple[int, int] | None = None
    dt: float | None = None


def read_tracks(
    folder: str | Path,
    videos: Sequence[str] | None = None,
    action: Action | None = None,
    *,
    use_phases: bool = True,
    dt: float = 1.0 / CONTROL_HZ,
) -> tuple[dict[str, tuple[Action, BoxTrack]], dict[str, str]]:
    """Read the box tracks of videos, and say which could not be used and why.

    Args:
        folder: annotations in the layout above.
        videos: ids to read; all that `actions.csv` lists (with this action, if one is named) when None.
        action: the only one to read; needed for videos that neither CSV assigns one. Any video can be imitated.
        use_phases: take the action phase from `phases.csv`; otherwise, and where it has none, infer it from motion.
        dt: s between frames, unless `actions.csv` has a column fps.

    Returns:
        tracks by video id, each with its action, and reasons by video id for the videos skipped.

    Raises:
        UserError: the folder, a file or an asked-for video is missing or malformed, or no video is usable.
    """
    folder = Path(folder)
    annotations = _read_boxes(folder)
    notes = _read_notes(folder, action)
    chosen = _choose(annotations, notes, videos, action, folder)
    tracks: dict[str, tuple[Action, BoxTrack]] = {}
    skipped: dict[str, str] = {}
    for video in chosen:
        try:
            note = notes.get(video) or VideoNotes(_action_of(video, action, folder))
            note = note if use_phases else replace(note, acting_frames=None)
            tracks[video] = note.action, track_from_frames(annotations[video], note, dt)
        except UserError as error:
            skipped[video] = str(error)
    if not tracks:
        raise UserError(f"{folder}: none of {len(chosen)} videos is usable; {_first(skipped)}")
    return tracks, skipped


def track_from_frames(frames: Any, note: VideoNotes, dt: float = 1.0 / CONTROL_HZ) -> BoxTrack:
    """Turn one video's annotated frames into a BoxTrack; UserError says why it cannot be used."""
    dt = note.dt or dt
    check_rate(1.0 / dt if dt > 0 else float("nan"))
    listed = _frame_boxes(frames)
    size = note.size_px or _size_of(listed)
    check_size(size)
    _check_boxes(listed, size)
    boxes, seen = assemble_boxes(listed, note.action.bodies, size)
    if not seen[:, 1].any():
        raise UserError("no box of the object that the hand moves (label 'object 0'); annotate it in some frames")
    if note.action.has_anchor and not seen[:, 2].any():
        raise UserError("no box of the object that stays (label 'object 1'); annotate it in some frames")
    phase = note.acting_frames
    holding = holds_on(note.action, boxes, seen, np.asarray(size, float))
    if phase is not None and phase[0] <= len(boxes):
        span = phase[0] - 1, min(phase[1], len(boxes))
        touching, acting = contact_in_phase(boxes, seen, *span, holding, arrives_held=note.action.starts_held)
    else:
        touching, acting = contact_from_boxes(boxes, seen, np.asarray(size, float), holding)
    valid = np.ones(len(boxes), bool)
    size_px = np.asarray(size, np.float32)
    return BoxTrack(boxes, seen, touching, acting, valid, np.float32(dt), size_px)  # type: ignore[arg-type]


def _read_boxes(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise UserError(f"{folder}: expected a folder with box annotations (*.json), found nothing there")
    files = sorted(folder.glob("*.json"))
    if not files:
        raise UserError(f"{folder}: expected box annotations (*.json in the Something-Else layout), found none")
    annotations: dict[str, Any] = {}
    for file in files:
        content = read_json(file)
        if not isinstance(content, dict):
            raise UserError(f"{file}: expected an object 'video id -> frames', got a {type(content).__name__}")
        annotations |= content
    if not annotations:
        raise UserError(f"{folder}: the annotation files name no video; add 'video id -> frames'")
    return annotations


def _read_notes(folder: Path, action: Action | None) -> dict[str, VideoNotes]:
    """Join actions.csv and phases.csv; a video of phases.csv alone gets its action from the class id there."""
    phases = _read_phases(folder / "phases.csv")
    listed = read_csv(folder / "actions.csv", ["video_id", "action"]) if (folder / "actions.csv").exists() else []
    notes = {row["video_id"]: _note_of_row(row, folder / "actions.csv", action) for row in listed}
    for video, (class_id, span) in phases.items():
        if video in notes:
            notes[video] = replace(notes[video], acting_frames=span)
        elif action is not None or class_id in ACTIONS_BY_CLASS:
            notes[video] = VideoNotes(action or ACTIONS_BY_CLASS[class_id], span)
    return notes


def _note_of_row(row: Mapping[str, str], path: Path, action: Action | None) -> VideoNotes:
    texts = {name: row.get(name, "").strip() for name in ("width", "height", "fps")}
    try:
        width, height, rate = (_positive(name, text) if text else None for name, text in texts.items())
        if (width is None) != (height is None):
            raise UserError("expected both width and height, or neither")
        if width is not None and height is not None:
            check_size((width, height))
        if rate is not None:
            check_rate(rate)
        size = None if width is None or height is None else (round(width), round(height))
        name = row["action"].strip()
        # A name may be that of a user's own action, which the package does not know.
        wanted = action if action is not None and action.name in (name, *IMITATIONS) else None
        return VideoNotes(wanted or action_named(name), size_px=size, dt=1.0 / rate if rate else None)
    except UserError as error:
        raise UserError(f"{path}: video {row['video_id']}: {error}") from error


def _positive(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not (np.isfinite(value) and value > 0):
        raise UserError(f"{name}: expected a positive number, got {text!r}")
    return value


def _read_phases(path: Path) -> dict[str, tuple[int, tuple[int, int] | None]]:
    if not path.exists():
        return {}
    phases = {}
    for row in read_csv(path, ["video_id", "action"]):
        try:
            class_id = row.get("action_id", "").strip()
            phases[row["video_id"]] = whole_number(class_id) if class_id not in ("-", "") else -1, _span(row["action"])
        except UserError as error:
            raise UserError(f"{path}: video {row['video_id']}: {error}") from error
    return phases


def _span(text: str) -> tuple[int, int] | None:
    if text.strip() in ("-", ""):
        return None
    first, dash, last = (part.strip() for part in text.partition("-"))
    span = (whole_number(first), whole_number(last)) if dash else (0, 0)
    if not 1 <= span[0] <= span[1]:
        raise UserError(f"expected frames as FIRST-LAST, 1-based, or '-', got {text!r}")
    return span


def _choose(
    annotations: Mapping[str, Any],
    notes: Mapping[str, VideoNotes],
    videos: Sequence[str] | None,
    action: Action | None,
    folder: Path,
) -> list[str]:
    if videos is not None and not videos:
        raise UserError(f"{folder}: expected at least one video, got an empty choice; it has {_some(annotations)}")
    if videos is not None:
        unknown = [video for video in videos if video not in annotations]
        if unknown:
            raise UserError(f"{folder}: no boxes of video {unknown[0]!r}; it has {_some(annotations)}")
        return list(dict.fromkeys(videos))
    listing = folder / "actions.csv"
    listed = [row["video_id"] for row in read_csv(listing, ["video_id", "action"])] if listing.exists() else None
    known = [video for video in (annotations if listed is None else listed) if video in annotations]
    chosen = [video for video in known if action is None or video not in notes or notes[video].action == action]
    if not chosen:
        wanted = f"of action {action.name}" if action else "listed in actions.csv"
        raise UserError(f"{folder}: no video {wanted} has boxes; it has {_some(annotations)}")
    return chosen


def _action_of(video: str, action: Action | None, folder: Path) -> Action:
    if action is None:
        raise UserError(f"{folder}: the action of video {video} is not known; name it or list it in actions.csv")
    return action


def _frame_boxes(frames: Any) -> list[FrameBoxes]:
    """Return (body, box) pairs by frame, in the order of the frames' numbers; absent frames are empty."""
    if not isinstance(frames, list) or not frames:
        raise UserError("expected a list of annotated frames, got none")
    numbered: dict[int, FrameBoxes] = {}
    for place, frame in enumerate(frames, start=1):
        try:
            number = _number_of(str(frame.get("name", "")), place)
            pairs = [_label(label) for label in frame["labels"]]
        except UserError as error:
            raise UserError(f"frame {place}: {error}") from error
        # What stands where a number, a text or a mapping should can be anything, of any size and depth.
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise UserError(f"frame {place}: expected labels with box2d x1 y1 x2 y2 and gt_annotation") from error
        numbered[number] = [pair for pair in pairs if pair is not None]
    first, last = min(1, *numbered), max(numbered)
    if last - first > 20 * len(numbered) + 200:
        raise UserError(f"frames are numbered up to {last} but only {len(numbered)} are annotated; check the names")
    return [numbered.get(number, []) for number in range(first, last + 1)]


def _number_of(name: str, place: int) -> int:
    """The frame's number in a name such as ID/0001.jpg, its place in the list where the name has none."""
    stem = name.rpartition(".")[0]
    digits = stem[len(stem.rstrip("0123456789")) :]
    return whole_number(digits) if digits else place


def _check_boxes(frames: Sequence[FrameBoxes], size_px: tuple[int, int]) -> None:
    for number, frame in enumerate(frames, start=1):
        for _, box in frame:
            try:
                check_box(box, size_px)
            except UserError as error:
                raise UserError(f"frame {number}: {error}") from error


def _label(label: Mapping[str, Any]) -> tuple[int, np.ndarray] | None:
    body = LABELS.get(str(label["gt_annotation"]).strip().lower())
    if body is None:
        return None
    box = np.array([float(label["box2d"][side]) for side in ("x1", "y1", "x2", "y2")])
    return body, box


def _size_of(frames: Sequence[FrameBoxes]) -> tuple[int, int]:
    """No image size is published: the usual one, unless a box reaches beyond it, by 1e9 px at most."""
    boxes = np.array([box for frame in frames for _, box in frame if np.isfinite(box).all()]).reshape(-1, 4)
    reach = np.ceil(boxes[:, 2:].max(axis=0, initial=0.0)).clip(max=1e9).astype(int)
    return max(IMAGE_SIZE_PX[0], int(reach[0])), max(IMAGE_SIZE_PX[1], int(reach[1]))


def _some(names: Mapping[str, Any]) -> str:
    first = ", ".join(list(names)[:5])
    return f"{len(names)} videos: {first}{', ...' if len(names) > 5 else ''}"


def _first(skipped: Mapping[str, str]) -> str:
    video, reason = next(iter(skipped.items()))
    return f"video {video}: {reason}"
