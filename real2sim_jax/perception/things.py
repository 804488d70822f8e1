"""Things in the key frame: what stands out, what was left behind, and what the user drew boxes around."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from real2sim_jax.perception.appearance import FIRST_OBJECT, SCENE
from real2sim_jax.perception.boxes import box_iou
from real2sim_jax.perception.prompts import Prompt
from real2sim_jax.perception.saliency import saliency, saliency_around
from real2sim_jax.perception.scene import parts_of

Progress = Callable[[float, str], None]
"""Called with the share that is done and what is being done."""
MAX_THINGS = 10
MIN_THING = 0.001
MAX_OF_IMAGE = 0.4
"""What stands out on more of the image than this is the background."""
SAME_SHARE = 0.6
"""What was left behind is a whole thing when it covers this share of it, and a part of it otherwise."""
INSIDE_SHARE = 0.3
SAME_BOX = 0.6
"""A thing is what a box is drawn around when their boxes overlap by this IoU."""
MIN_OF_BOX = 0.05
"""What is cut out of a box covers at least this share of it."""
GRABCUT_ROUNDS = 4
MARGIN = 0.25


@dataclass(frozen=True)
class Found:
    """Which pixel shows which body, as the camera of the first frame would see it, and how that was decided."""

    labels: np.ndarray
    """(T, H, W) uint8: 0 none of the bodies, else 1 + its place on the body axis (hand 1, moved 2, anchor 3)."""
    drift: np.ndarray
    """(T, 2, 3): similarities from the pixels of each frame to those of the first."""
    notes: list[str]
    """Why it is so, in lines for people."""
    tips: dict[int, np.ndarray]
    """Finger tips (5, 2) px by frame, where landmarks were found."""
    others: np.ndarray | None = None
    """(T, H, W) uint8: what else was followed, numbered from 1, and 0; None where nothing else is followed."""


@dataclass
class ObjectLabels:
    """The things of a key frame."""

    labels: np.ndarray
    """(H, W) uint8: SCENE, or FIRST_OBJECT and on."""
    count: int = FIRST_OBJECT
    """One more than the largest label."""

    def __post_init__(self):
        self.parents: dict[int, int] = {}

    def add(self, mask: np.ndarray) -> int:
        """Give a mask (H, W) bool a label of its own; what it covers loses these pixels."""
        label, self.count = self.count, self.count + 1
        self.labels[mask] = label
        return label


def standing_out(image: np.ndarray) -> ObjectLabels | None:
    """Return the parts that stand out in an image (H, W, 3) RGB; None where the network is not installed."""
    shown = saliency(image)
    if shown is None:
        return None
    things = ObjectLabels(np.zeros(image.shape[:2], np.uint8))
    for part in parts_of(shown > 0.5, MIN_THING)[:MAX_THINGS]:
        if part.mean() < MAX_OF_IMAGE:
            things.add(part)
    return things


def add_left_behind(things: ObjectLabels, left: np.ndarray) -> None:
    """Correct the things by what is no longer where it was (H, W) bool: whole things, parts of things, new things."""
    for part in parts_of(left, MIN_THING)[:MAX_THINGS]:
        sizes = np.bincount(things.labels[part], minlength=things.count)
        sizes[SCENE] = 0
        label = int(sizes.argmax())
        if sizes[label] > SAME_SHARE * (things.labels == label).sum() and sizes[label] > INSIDE_SHARE * part.sum():
            things.labels[part & (things.labels == SCENE)] = label
        elif part.mean() < MAX_OF_IMAGE:
            inside = sizes[label] > INSIDE_SHARE * part.sum()
            new = things.add(part)
            if inside:
                things.parents[new] = label


def cut_out(image: np.ndarray, box: tuple[float, float, float, float], use_network: bool) -> np.ndarray:
    """Return the mask (H, W) bool of what a box px is drawn around: GrabCut (Rother et al., 2004), and what stands out.

    Never empty: where both find nothing it is the middle of the box.
    """
    height, width = image.shape[:2]
    x1, y1 = max(0, round(box[0])), max(0, round(box[1]))
    x2, y2 = min(width, max(x1 + 3, round(box[2]))), min(height, max(y1 + 3, round(box[3])))
    inside = np.zeros((height, width), bool)
    inside[y1:y2, x1:x2] = True
    found = saliency_around(image, inside) if use_network else None
    start = np.where(inside, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    if found is not None:
        window, shown = found
        start[window][(shown < 0.2) & inside[window]] = cv2.GC_PR_BGD
    mask = _grabcut(image, start, (x1, y1, x2, y2)) & inside
    if mask.sum() < MIN_OF_BOX * inside.sum():
        mask = np.zeros_like(inside)
        mask[(3 * y1 + y2) // 4 : (y1 + 3 * y2) // 4 + 1, (3 * x1 + x2) // 4 : (x1 + 3 * x2) // 4 + 1] = True
    return mask


def inside_box(shape: tuple[int, int], box: tuple[float, float, float, float]) -> np.ndarray:
    """Return the pixels (H, W) bool of a picture that a box px holds."""
    x1, y1, x2, y2 = (max(0, round(value)) for value in box)
    inside = np.zeros(shape, bool)
    inside[y1:y2, x1:x2] = True
    return inside


def _grabcut(image: np.ndarray, start: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """GrabCut in a window around the box: the rest of the picture says little of what is around the thing."""
    x1, y1, x2, y2 = box
    margin_x, margin_y = 8 + round(MARGIN * (x2 - x1)), 8 + round(MARGIN * (y2 - y1))
    window = np.s_[max(0, y1 - margin_y) : y2 + margin_y, max(0, x1 - margin_x) : x2 + margin_x]
    state = np.ascontiguousarray(start[window])
    mask = np.zeros(start.shape, bool)
    if not (np.any(state == cv2.GC_PR_FGD) and np.any(state == cv2.GC_BGD)):
        return start == cv2.GC_PR_FGD
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    pixels = np.ascontiguousarray(image[window][..., ::-1])
    cv2.grabCut(pixels, state, None, *models, GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    mask[window] = (state == cv2.GC_FGD) | (state == cv2.GC_PR_FGD)
    return mask


def thing_at(labels: np.ndarray, prompt: Prompt) -> int | None:
    """Return the label in labels (H, W) whose own box is the prompt's, roughly; None where there is none."""
    wanted = np.asarray(prompt.box)
    best, found = SAME_BOX, None
    for label in range(FIRST_OBJECT, int(labels.max()) + 1):
        rows, columns = np.nonzero(labels == label)
        if len(rows):
            box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            iou = float(box_iou(box, wanted))
            best, found = (iou, label) if iou > best else (best, found)
    return found
