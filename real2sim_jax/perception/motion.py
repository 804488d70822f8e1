"""How a thing moves through a clip, told by its masks: how far from home, and whether with another thing."""

import cv2
import numpy as np

from real2sim_jax.perception.masks import centre

MIN_MOTION = 0.03
"""A thing that moves by less than this share of the image's diagonal rests."""
TOUCH_SHARE = 0.02
"""Hand and thing touch when they are closer than this share of the image's width."""
MIN_FRAMES = 2
"""What moves is away from its place in at least this many frames."""
ALONGSIDE = 0.3
"""Parts of one thing keep together: their motions differ by less than this share."""
MIN_SHOWN = 0.1
"""A thing is seen where more than this share of what it was at home shows."""


def distances_from(key: int, masks: np.ndarray, path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how far masks (T, H, W) bool are from the key frame's, (T,) of the diagonal, and where they are seen.

    path (T, 2) px: their middles. A thing that is half hidden has not moved: what shows of it is where it was. Not seen
    is a distance of 0.
    """
    home = masks[key]
    diagonal = float(np.hypot(*home.shape))
    wide = cv2.dilate(home.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    seen = np.array([mask.sum() > MIN_SHOWN * home.sum() for mask in masks])
    distances = np.zeros(len(masks))
    for t in np.flatnonzero(seen):
        off = (masks[t] & ~wide).sum() / masks[t].sum()
        distances[t] = off * np.linalg.norm(path[t] - path[key]) / diagonal
    return distances, seen


def motion_of(distances: np.ndarray) -> float:
    """Return how far a thing goes for at least MIN_FRAMES of its distances (T,)."""
    return float(np.sort(distances)[-min(MIN_FRAMES, len(distances))])


def path_of(masks: np.ndarray) -> np.ndarray:
    """Return the middles (T, 2) px of masks (T, H, W) bool, NaN where they are empty."""
    return np.stack([centre(mask) for mask in masks])


def goes_along(path: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two paths (T, 2) px keep together, in at least MIN_FRAMES frames that have both."""
    both = np.isfinite(path).all(axis=1) & np.isfinite(other).all(axis=1)
    if both.sum() < MIN_FRAMES:
        return False
    span = np.linalg.norm(np.ptp(path[both], axis=0))
    return bool(np.linalg.norm(np.ptp((path - other)[both], axis=0)) < ALONGSIDE * span)
