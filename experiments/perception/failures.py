"""Where `auto` fails: made-up clips of what it cannot do, the masks that it makes of them, and what helps.

    python -m experiments.perception.failures [--out FOLDER] [--only NAME ...]

Run from the repository's root. Each clip is segmented as it is and with what helps, and compared with its truth; a
picture of both goes to FOLDER. The numbers and pictures of docs/own_videos.md are these.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from real2sim_jax.core.clock import CONTROL_HZ
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import replacing
from real2sim_jax.perception.drift import unstabilise
from real2sim_jax.perception.prompts import read_hints
from real2sim_jax.perception.segmentation import segmenter_named
from real2sim_jax.perception.video import Video
from real2sim_jax.robot.options import Parser
from real2sim_jax.stages.console import Console
from real2sim_jax.viewers.masks import coloured
from tests.perception import scenes
from tests.perception.scenes import HEIGHT, SKIN, WIDTH, Scene

FRAMES, PACE = 36, 0.8
HAND, MOVED = 1, 2
SHOWN = (4, 14, 20)
"""Frames of a picture: before the touch, in the middle, near the end of the motion."""
QUALITY = 75
MIN_PX = 150
"""A body of fewer true pixels is no measure of IoU."""
BOX = "moved=62,102,100,138@0"


@dataclass(frozen=True)
class TrainingBenchmark:
    """A clip that is hard, and what makes it easier."""

    scene: Callable[[], Scene]
    remedy: str
    prompts: Sequence[str] = ()
    """Given as the remedy."""
    better: Callable[[], Scene] | None = None
    """The clip as it should have been filmed, where that is the remedy."""


def main() -> int:
    options = parse()
    console, rows = Console(), []
    for name in options.only or TRIALS:
        trial = TRIALS[name]
        with console.status(name):
            hard = trial.scene()
            easy = hard if trial.better is None else trial.better()
            found = [segmented(hard), segmented(easy, trial.prompts)]
        save_picture(options.out / f"fails_{name.replace(' ', '_')}.jpg", (hard, easy), found)
        rows += [(name, *row(hard, found[0])), (f"  {trial.remedy}", *row(easy, found[1]))]
    console.table("IoU with the truth, mean over frames", ("clip", "hand", "moved", "says"), rows)
    console.say(f"written to {options.out}")
    return 0


def parse() -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder of the pictures")
    parser.add_argument("--only", nargs="*", choices=list(TRIALS), help="some of the clips")
    return parser.parse_args()


def pushed(hidden_arm: bool = False) -> Scene:
    return scenes.push(frames=FRAMES, pace=PACE, arm=not hidden_arm)


def transparent() -> Scene:
    """Glass: what is behind it shows through, but for its rim and a highlight."""
    scene, bare = pushed(), scenes.render([], None, FRAMES)
    frames = scene.frames.astype(np.float32)
    for image, behind, labels in zip(frames, bare.frames.astype(np.float32), scene.labels, strict=True):
        glass = labels == MOVED
        rim = glass & (cv2.erode(glass.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
        image[glass] = 0.95 * behind[glass] + 0.05 * 255.0
        image[rim] = 0.6 * behind[rim] + 0.4 * 255.0
    return Scene(frames.astype(np.uint8), scene.labels)


def fingers_only() -> Scene:
    """Two fingers that come in from above; neither palm nor arm shows."""
    scene, (way, withdrawn) = pushed(hidden_arm=True), path()
    frames, labels = scene.frames.copy(), scene.labels.copy()
    for t, (place, away) in enumerate(zip(way, withdrawn, strict=True)):
        fingers = np.zeros((HEIGHT, WIDTH), np.uint8)
        for side in (-26, -17):
            tip = np.array([place[0] + side, place[1] + 4 - 150 * away])
            cv2.line(fingers, np.round(tip).astype(int).tolist(), np.round(tip - (30, 200)).astype(int).tolist(), 1, 6)
        paint(frames[t], fingers.astype(np.float32), np.array(SKIN))
        labels[t][fingers > 0] = HAND
    return Scene(frames, labels)


def dark_and_blurred() -> Scene:
    """A gloved hand in the dark, in the colour of the wall and smeared by a slow shutter."""
    scene, bare = pushed(), pushed(hidden_arm=True)
    frames = bare.frames.copy()
    for t, labels in enumerate(scene.labels):
        shadow = cv2.blur((labels == HAND).astype(np.float32), (31, 5))
        paint(frames[t], shadow, np.array([112, 122, 128]))
    noise = np.random.default_rng(0).normal(0.0, 3.0, frames.shape)
    return Scene(np.clip(0.3 * frames + noise, 0, 255).astype(np.uint8), scene.labels)


def path() -> tuple[np.ndarray, np.ndarray]:
    """Where the pushed box is (T, 2), and how far the hand has withdrawn (T,): the motion of `scenes.push`."""
    t = np.arange(FRAMES) / PACE
    way = scenes.line((100, 120), (230, 120), scenes.smooth((t - 14) / 14))
    return way, 1 - scenes.smooth(t / 13) + scenes.smooth((t - 29) / 10)


def paint(image: np.ndarray, share: np.ndarray, colour: np.ndarray) -> None:
    """Mix a colour into an image (H, W, 3) uint8 by a share (H, W)."""
    image[:] = (1.0 - share[..., None]) * image + share[..., None] * colour


TRIALS = {
    "transparent": TrainingBenchmark(transparent, "with a box drawn around it", prompts=(BOX,)),
    "fingers only": TrainingBenchmark(fingers_only, "with the hand and its arm in view", better=pushed),
    "dark hand": TrainingBenchmark(dark_and_blurred, "in light, unlike the wall", better=pushed),
}


def segmented(scene: Scene, prompts: Sequence[str] = ()) -> np.ndarray | str:
    """Labels (T, H, W) of `auto` as the camera saw them, or why there are none."""
    video = Video(scene.frames, 1.0 / CONTROL_HZ, (WIDTH, HEIGHT))
    try:
        found = segmenter_named("auto")(video, read_hints(prompts).prompts, lambda share, text: None)
    except UserError as error:
        return str(error)
    return unstabilise(found.labels, found.drift)


def row(scene: Scene, found: np.ndarray | str) -> tuple[str, str, str]:
    if isinstance(found, str):
        return "-", "-", found
    return agreement(scene, found, HAND), agreement(scene, found, MOVED), ""


def agreement(scene: Scene, found: np.ndarray, body: int) -> str:
    truth = scene.labels == body
    measured = truth.sum(axis=(1, 2)) > MIN_PX
    return f"{scenes.iou(found[measured] == body, truth[measured]).mean():.2f}"


def save_picture(path: Path, clips: Sequence[Scene], found: Sequence[np.ndarray | str]) -> None:
    """Three frames of the clip as it is above, as it should be below, each with its masks where there are any."""
    strips = [
        np.concatenate([drawn(clip.frames[t], masks, t) for t in SHOWN], axis=1)
        for clip, masks in zip(clips, found, strict=True)
    ]
    gap = np.full((6, strips[0].shape[1], 3), 255, np.uint8)
    picture = np.concatenate([strips[0], gap, strips[1]])
    with replacing(path) as temporary:
        data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
        temporary.write_bytes(data.tobytes())


def drawn(frame: np.ndarray, masks: np.ndarray | str, t: int) -> np.ndarray:
    picture = frame if isinstance(masks, str) else coloured(frame, masks[t])
    return np.pad(picture, ((0, 0), (0, 6), (0, 0)), constant_values=255)


if __name__ == "__main__":
    sys.exit(main())
