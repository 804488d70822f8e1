"""Things and hands cut out anew by a model that takes boxes and points, where it agrees with what was found."""

from typing import Protocol

import cv2
import numpy as np

from real2sim_jax.perception.appearance import FIRST_OBJECT, SCENE
from real2sim_jax.perception.hands import HandSeed
from real2sim_jax.perception.things import MIN_OF_BOX, ObjectLabels, cut_out

AGREE = 0.5
"""A thing that is cut out anew is the same thing when their masks have this IoU; a hand covers this share of it."""
WIDER = 0.1
"""What is cut out reaches beyond its box by at most this share of its sides: boxes of masks are tight."""


class Cutter(Protocol):
    """Anything that cuts things out of pictures."""

    def __call__(
        self, image: np.ndarray, box: np.ndarray, inside: np.ndarray | None = None, outside: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the mask (H, W) bool of what a box (4,) px is drawn around; inside, outside (N, 2) px are points."""
        ...


def cut_again(things: ObjectLabels, image: np.ndarray, cutter: Cutter) -> None:
    """Replace the things of an image (H, W, 3) RGB by what a cutter makes of their boxes and middles."""
    old = {label: things.labels == label for label in range(FIRST_OBJECT, things.count)}
    old = {label: mask for label, mask in old.items() if mask.any()}
    middles = {label: _middle(mask) for label, mask in old.items()}
    new = {label: _agreed(image, label, old, middles, cutter) for label in old}
    things.labels[:] = SCENE
    # What lies on something is smaller than that.
    for label in sorted(new, key=lambda label: -int(new[label].sum())):
        things.labels[new[label]] = label


def cut_box(
    image: np.ndarray, box: tuple[float, float, float, float], cutter: Cutter | None, network: bool
) -> np.ndarray:
    """Return the mask (H, W) bool of what the user drew a box px around, never empty; GrabCut's without a cutter."""
    if cutter is not None:
        limits = _window(np.asarray(box, float), image.shape[:2], 0.0)
        mask = cutter(image, np.asarray(box, float)) & limits
        if mask.sum() > MIN_OF_BOX * limits.sum():
            return mask
    return cut_out(image, box, network)


def cut_hand(image: np.ndarray, seed: HandSeed, cutter: Cutter | None) -> np.ndarray:
    """Return a hand (H, W) bool: what a cutter makes of its landmarks, or what is drawn around those."""
    drawn = seed.mask(image.shape[:2])
    if cutter is None or not drawn.any():
        return drawn
    box = _box(drawn)
    mask = cutter(image, box, seed.points) & _window(box, drawn.shape, WIDER)
    return mask if (mask & drawn).sum() > AGREE * drawn.sum() else drawn


def cut_hand_box(image: np.ndarray, box: tuple[float, float, float, float], cutter: Cutter | None) -> np.ndarray:
    """Return a hand (H, W) bool that the user drew a box px around: all of the box without a cutter."""
    inside = _window(np.asarray(box, float), image.shape[:2], 0.0)
    mask = inside if cutter is None else cutter(image, np.asarray(box, float)) & inside
    return mask if mask.sum() > MIN_OF_BOX * inside.sum() else inside


def _agreed(
    image: np.ndarray, label: int, old: dict[int, np.ndarray], middles: dict[int, np.ndarray], cutter: Cutter
) -> np.ndarray:
    """The new mask of a thing, or the old one where it is of something else."""
    mask = old[label]
    window = _window(_box(mask), mask.shape, WIDER)
    others = [point for other, point in middles.items() if other != label and window[int(point[1]), int(point[0])]]
    new = cutter(image, _box(mask), middles[label][None], np.reshape(others, (-1, 2))) & window
    return new if (new & mask).sum() > AGREE * (new | mask).sum() else mask


def _middle(mask: np.ndarray) -> np.ndarray:
    """The point (2,) px of a mask that is furthest from its rim."""
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(np.argmax(depth), depth.shape)
    return np.array([column, row], float)


def _box(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(mask)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], float)


def _window(box: np.ndarray, shape: tuple[int, ...], wider: float) -> np.ndarray:
    """The inside (H, W) bool of a box px that is widened by a share of its sides."""
    margin = wider * np.tile(box[2:] - box[:2], 2) * (-1, -1, 1, 1)
    x1, y1, x2, y2 = np.maximum(np.round(box + margin), 0).astype(int)
    inside = np.zeros(shape, bool)
    inside[y1:y2, x1:x2] = True
    return inside
