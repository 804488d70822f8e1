"""When the hand holds or pushes the object: from annotated phases, or from the boxes' overlap and motion alone."""

import numpy as np

from real2sim_jax.perception.boxes import gap
from real2sim_jax.types import ANCHOR, HAND, MOVED

NEAR_FRACTION = 0.03
"""Boxes closer than this fraction of the image width may touch."""
MOVING_FRACTION = 0.006
"""An object that moves by more than this fraction of the image width per frame is moved by something."""


def contact_in_phase(
    boxes: np.ndarray, seen: np.ndarray, start: int, stop: int, holds_on: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return touching and acting, (T,) bool, for an action phase of frames start..stop - 1.

    The contact is the part of the phase from the first to the last frame in which the boxes of hand and object overlap;
    all of it when they never do. holds_on: the object stays in the hand after the phase.
    """
    frames = np.arange(len(boxes))
    acting = (frames >= start) & (frames < stop)
    meets = acting & seen[:, HAND] & seen[:, MOVED] & (gap(boxes[:, HAND], boxes[:, MOVED]) <= 0.0)
    touching = _span(meets) if meets.any() else acting.copy()
    return (touching | (frames >= stop) if holds_on else touching), acting


def contact_from_boxes(boxes: np.ndarray, seen: np.ndarray, image_size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return touching and acting, (T,) bool, from boxes (T, B, 4) px alone.

    The action is the span of frames in which the object moves (beyond what the anchor, if any, moves with a shaken
    camera) while a hand is near; with no such frame the contact is unknown: the boxes' overlap, and every frame acts.
    """
    width = float(image_size[0])
    near = seen[:, HAND] & seen[:, MOVED] & (gap(boxes[:, HAND], boxes[:, MOVED]) <= NEAR_FRACTION * width)
    moving = seen[:, MOVED] & (_speed(boxes, seen) > MOVING_FRACTION * width)
    both = moving & (near if (moving & near).any() else np.ones_like(near))
    if not both.any():
        return near, np.ones(len(boxes), bool)
    span = _span(both)
    return span, span


def _speed(boxes: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Motion (T,) px per frame of the moved object over a window of five frames, relative to the anchor."""
    centre = _filled(boxes[:, MOVED], seen[:, MOVED])
    if boxes.shape[1] > ANCHOR and seen[:, ANCHOR].mean() > 0.8:
        centre = centre - _filled(boxes[:, ANCHOR], seen[:, ANCHOR])
    half = min(2, max(1, (len(boxes) - 1) // 2))
    padded = np.concatenate([np.repeat(centre[:1], half, 0), centre, np.repeat(centre[-1:], half, 0)])
    return np.linalg.norm(padded[2 * half :] - padded[: -2 * half], axis=-1) / (2 * half)


def _filled(boxes: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Centres (T, 2) px with the holes interpolated."""
    frames = np.flatnonzero(seen)
    centres = 0.5 * (boxes[:, :2] + boxes[:, 2:])
    return np.stack([np.interp(np.arange(len(boxes)), frames, centres[frames, axis]) for axis in range(2)], axis=-1)


def _span(mask: np.ndarray) -> np.ndarray:
    """Fill a mask from its first to its last frame."""
    where = np.flatnonzero(mask)
    frames = np.arange(len(mask))
    return (frames >= where[0]) & (frames <= where[-1])
