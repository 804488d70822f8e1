"""How a hand-held camera drifted, estimated from the background, and its removal.

Corners spread evenly over the image are followed from frame to frame; most of them lie on the background, so that the
similarity that most of them agree on is the camera's. Source: RANSAC (Fischler and Bolles, 1981) on the tracks of Lucas
and Kanade (1981).
"""

from itertools import pairwise

import cv2
import numpy as np

from real2sim_jax.core.errors import UserError

CELLS = (10, 6)
CORNERS_A_CELL = 5
MIN_CORNERS = 12
MIN_QUALITY = 1e-6
"""Eigenvalue below which a corner is noise."""
AGREE_PX = 1.5
MAX_SHIFT = 0.2
"""A camera whose picture moves by more than this share of its width is moving, not drifting."""
MAX_SCALE = 1.25
STEADY_PX = 1.5
"""A drift below this is none: what is not moved needs no resampling."""


def drift_of(frames: np.ndarray) -> np.ndarray:
    """Return (T, 2, 3) similarities that take pixels of each frame (T, H, W, 3) to those of the first one.

    UserError when the camera moves further than a drift.
    """
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    total = [np.eye(3)]
    for before, after in pairwise(greys):
        total.append(total[-1] @ _between(after, before))
    drift = np.stack(total)[:, :2]
    corners = _corners(frames.shape[2], frames.shape[1])
    shift = np.linalg.norm(drift @ corners.T - corners[:, :2].T, axis=1).max()
    scale = np.sqrt(np.abs(np.linalg.det(drift[:, :, :2])))
    if shift > MAX_SHIFT * frames.shape[2] or scale.max() > MAX_SCALE or scale.min() < 1 / MAX_SCALE:
        raise UserError(
            f"the camera moves (the background by {shift / frames.shape[2]:.0%} of the image's width), which is not"
            " supported; put it on something"
        )
    return np.tile(np.eye(2, 3), (len(frames), 1, 1)) if shift < STEADY_PX else drift


def stabilise(images: np.ndarray, drift: np.ndarray, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
    """Return images (T, H, W[, C]) as the camera of the first would have seen them; 0 where it saw nothing."""
    size = images.shape[2], images.shape[1]
    if np.allclose(drift, np.eye(2, 3)):
        return images
    moved = [
        cv2.warpAffine(image, matrix, size, flags=interpolation) for image, matrix in zip(images, drift, strict=True)
    ]
    return np.stack(moved)


def unstabilise(images: np.ndarray, drift: np.ndarray, interpolation: int = cv2.INTER_NEAREST) -> np.ndarray:
    """Undo `steady`: images (T, H, W[, C]) of the first camera as the drifting one saw them."""
    return stabilise(images, np.stack([cv2.invertAffineTransform(matrix) for matrix in drift]), interpolation)


def _between(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The similarity (3, 3) from the pixels of one picture to those of the one before; none where nothing tells."""
    start = _spread_corners(before)
    if len(start) < MIN_CORNERS:
        return np.eye(3)
    end, found, _ = cv2.calcOpticalFlowPyrLK(before, after, start, None)  # type: ignore[call-overload]
    back, _, _ = cv2.calcOpticalFlowPyrLK(after, before, end, None)  # type: ignore[call-overload]
    sure = (found[:, 0] > 0) & (np.linalg.norm(back - start, axis=-1)[:, 0] < 0.5)
    if sure.sum() < MIN_CORNERS:
        return np.eye(3)
    matrix, _ = cv2.estimateAffinePartial2D(end[sure], start[sure], method=cv2.RANSAC, ransacReprojThreshold=AGREE_PX)
    return np.eye(3) if matrix is None else np.vstack([matrix, [0.0, 0.0, 1.0]])


def _spread_corners(grey: np.ndarray) -> np.ndarray:
    """Corners (N, 1, 2) px, a few from each cell of a grid, so that no textured thing outvotes the background."""
    quality = cv2.cornerMinEigenVal(grey, 5)
    quality *= quality == cv2.dilate(quality, np.ones((5, 5)))
    height, width = grey.shape
    rows = np.linspace(0, height, CELLS[1] + 1).astype(int)
    columns = np.linspace(0, width, CELLS[0] + 1).astype(int)
    found = []
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            cell = quality[top:bottom, left:right]
            best = np.argsort(cell, axis=None)[-CORNERS_A_CELL:]
            y, x = np.unravel_index(best, cell.shape)
            strong = cell[y, x] > MIN_QUALITY
            found.append(np.stack([x[strong] + left, y[strong] + top], axis=-1))
    return np.concatenate(found).astype(np.float32)[:, None]


def _corners(width: int, height: int) -> np.ndarray:
    return np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], float)
