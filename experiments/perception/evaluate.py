"""How good the masks of raw videos are: against reference masks and boxes, and what they cost.

    python experiments/perception/evaluate.py [--videos FOLDER] [--out FOLDER]

FOLDER holds videos; ID_masks.npz beside ID.webm holds reference `masks` (T, H, W), 1 hand, 2 object; boxes.json holds
boxes in the layout of Something-Else. Every video is segmented by `auto` with the same settings, in a process of its
own whose time and peak memory are reported; one that cannot be, and has boxes, is segmented once more as its user would
help: told where the moved object is in the first frame, after a quarter and in the last, and the anchor in the last.
The overlays below --out are to be looked at: numbers say only half. Last comes a made-up video as long and large as a
phone's, for its time and memory.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from real2sim_jax.core.actions import action_named
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import load, read_json, write_json
from real2sim_jax.data.types import BoxTrack, MaskTrack
from real2sim_jax.formats.something_else import LABELS
from real2sim_jax.perception.boxes import box_iou, boxes_of_masks
from real2sim_jax.perception.drift import unstabilise
from real2sim_jax.perception.prompts import read_hints
from real2sim_jax.perception.video import write_video
from real2sim_jax.robot.options import Parser
from real2sim_jax.stages.console import Console
from real2sim_jax.stages.segment import Videos, segment_stage, video_id
from real2sim_jax.synthetic.films import as_filmed, film_of
from real2sim_jax.synthetic.scenes import synthetic_scenes

SUFFIXES = (".webm", ".mp4", ".mov", ".gif", ".mkv")
BODIES = ("hand", "moved", "anchor")
PHONE_S, PHONE_HZ, PHONE_PX = 30, 30, (1920, 1080)
MIN_HAND_PX = 300
"""A reference hand of fewer pixels is no measure of IoU."""


def main() -> int:
    options = parse()
    if options.one is not None:
        return one(options.one, options.out, options.prompt)
    console, found, paths = Console(), {}, [phone_clip(options.out)]
    if options.videos is None or not options.videos.is_dir():
        console.say("no folder of videos: nothing to compare with")
    else:
        paths = sorted(p for p in options.videos.iterdir() if p.suffix in SUFFIXES) + paths
    for path in paths:
        video = video_id(path)
        if segmented(path, options.out, []):
            found[video] = compared(path, options.out / video)
        elif (hints := boxes_to_tell(annotated(path))) and segmented(path, options.out / "hinted", hints):
            found[f"{video}, {len(hints)} boxes given"] = compared(path, options.out / "hinted" / video)
    rows = [row(video, measured) for video, measured in found.items()]
    columns = ("video", "hand IoU", "moved IoU", "anchor IoU", "hand where none is", "s / frame", "peak memory")
    console.table("masks, or boxes where only boxes are known", columns, rows)
    write_json(options.out / "masks.json", found)
    console.say(f"written to {options.out}: masks.json, VIDEO/masks.mp4 to appearance at")
    return 0


def parse() -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path, help="folder of videos with their references")
    parser.add_argument("--out", type=Path, default=Path("runs/masks_evaluation"), help="folder of the results")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--prompt", action="append", default=[], help=argparse.SUPPRESS)
    return parser.parse_args()


def phone_clip(out: Path) -> Path:
    """Write half a minute of 1920x1080 at 30 Hz."""
    path = out / "made_up_1080p.mp4"
    if not path.is_file():
        film = film_of(as_filmed(synthetic_scenes(action_named("push_left_to_right"), 1, 0)[0]), 0)
        chosen = np.linspace(0, len(film) - 1, PHONE_S * PHONE_HZ).astype(int)
        write_video(path, (cv2.resize(film[i], PHONE_PX) for i in chosen), PHONE_HZ)
    return path


def segmented(path: Path, out: Path, hints: list[str]) -> bool:
    """Segment one video in a process of its own; whether it could be."""
    words = [sys.executable, __file__, "--one", str(path), "--out", str(out)]
    return subprocess.run([*words, *(w for box in hints for w in ("--prompt", box))], check=False).returncode == 0


def annotated(path: Path) -> list[dict]:
    """Return the annotated frames of a video; none where nobody drew boxes."""
    boxes = path.with_name("boxes.json")
    return read_json(boxes).get(path.stem, []) if boxes.is_file() else []


def boxes_to_tell(frames: list[dict]) -> list[str]:
    """Return the boxes that a user would be asked for, the last frame's first: tracking starts there."""
    last, hints = len(frames) - 1, []
    for t, bodies in ((last, (1, 2)), (0, (1,)), (last // 4, (1,))):
        for label in frames[t]["labels"] if frames else ():
            body = LABELS[label["gt_annotation"]]
            if body in bodies:
                box = ",".join(f"{max(0.0, value):.0f}" for value in box_of(label))
                hints.append(f"{BODIES[body]}={box}@{t}")
    return hints


def box_of(label: dict) -> list[float]:
    return [label["box2d"][side] for side in ("x1", "y1", "x2", "y2")]


def one(path: Path, out: Path, prompts: list[str]) -> int:
    """Segment one video and write what that cost."""
    name = video_id(path)
    # Masks kept from an earlier run would cost nothing.
    (out / name / "masks.npz").unlink(missing_ok=True)
    start = time.perf_counter()
    try:
        found = segment_stage(Videos([path], hints=read_hints(prompts)), out, Console())
    except UserError as error:
        print(f"{path.name}: {error}", file=sys.stderr)
        return 2
    # Linux counts in kB.
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    cost = {"seconds": time.perf_counter() - start, "cpu_s": time.process_time(), "peak_memory_mb": memory_mb}
    write_json(out / name / "cost.json", {**cost, "frames": len(found.tracks[name].valid)})
    return 0


def compared(path: Path, folder: Path) -> dict[str, Any]:
    """What a video cost, and agreement with its reference masks or boxes, whichever there are."""
    cost = read_json(folder / "cost.json")
    track = load(folder / "masks.npz", MaskTrack)
    drift = np.asarray(read_json(folder / "masks.json")["drift"], float)
    # References show what the drifting camera saw.
    masks = np.stack([unstabilise(np.asarray(track.masks)[:, b].astype(np.uint8), drift) for b in range(3)], axis=1) > 0
    reference = path.with_name(f"{path.stem}_masks.npz")
    if reference.is_file():
        with np.load(reference, allow_pickle=False) as file:
            return cost | with_masks(masks, file["masks"])
    seen = boxes_of_masks(track.replace(masks=masks, seen=masks.any(axis=(2, 3))))  # type: ignore[attr-defined]
    return cost | with_boxes(seen, annotated(path))


def with_masks(masks: np.ndarray, reference: np.ndarray) -> dict[str, Any]:
    """Mean and least IoU of hand and moved object, and in how many frames without a hand there is one."""
    frames = min(len(masks), len(reference))
    masks, reference = masks[:frames], np.stack([resized(r, masks.shape[2:]) for r in reference[:frames]])
    hand, moved = reference == 1, reference == 2
    measured = hand.sum(axis=(1, 2)) > MIN_HAND_PX
    none = ~hand.any(axis=(1, 2))
    return {
        "hand": spread(iou(masks[measured, 0], hand[measured])),
        "moved": spread(iou(masks[:, 1], moved)[moved.any(axis=(1, 2))]),
        "false_hands": [int(masks[none, 0].any(axis=(1, 2)).sum()), int(none.sum())],
    }


def resized(labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return cv2.resize(labels, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)


def with_boxes(seen: BoxTrack, frames: list[dict]) -> dict[str, Any]:
    """Mean and least IoU of the boxes of each body over the annotated frames."""
    found: dict[str, list[float]] = {}
    for t, frame in enumerate(frames[: len(seen.valid)]):
        for label in frame["labels"]:
            body = LABELS[label["gt_annotation"]]
            agreement = box_iou(np.asarray(seen.boxes)[t, body], np.array(box_of(label)))
            found.setdefault(BODIES[body], []).append(float(agreement))
    return {body: spread(np.array(values)) for body, values in found.items()}


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a & b).sum(axis=(1, 2)) / np.maximum((a | b).sum(axis=(1, 2)), 1)


def spread(values: np.ndarray) -> dict[str, float] | None:
    if not len(values):
        return None
    return {"mean": float(values.mean()), "least": float(values.min()), "frames": len(values)}


def row(video: str, measured: dict[str, Any]) -> tuple[str, ...]:
    texts = []
    for body in BODIES:
        value = measured.get(body)
        texts.append(f"{value['mean']:.3f} ({value['least']:.2f})" if value else "-")
    false = measured.get("false_hands")
    cost = measured["seconds"] / measured["frames"]
    memory = f"{measured['peak_memory_mb']:.0f} MB"
    return video, *texts, f"{false[0]} / {false[1]}" if false else "-", f"{cost:.2f}", memory


if __name__ == "__main__":
    sys.exit(main())
