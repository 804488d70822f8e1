"""How a hand-held camera moved, estimated from the background, and its removal.

Each frame is registered to a key frame, an earlier one that shows much of the same, so that errors do not add up and a
camera that comes back is known again. Corners spread evenly over the image propose similarities (RANSAC, Fischler and
Bolles, 1981, on the tracks of Lucas and Kanade, 1981): from the frame before, from the key frame, and none at all. What
most of the key frame speaks for, and most widely, is taken: a hand before a wall without texture has most of the
corners, but the wall's few edges lie around it.
"""

from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter

import cv2
import numpy as np

from real2sim_jax.core.errors import UserError

CELLS = (10, 6)
CORNERS_A_CELL = 5
MIN_CORNERS = 12
MIN_QUALITY = 1e-6
"""Eigenvalue below which a corner is noise."""
AGREE_PX = 1.5
WINDOW_PX = 11
MIN_STD = 4.0
"""Grey levels by which a window must vary to tell anything."""
MIN_TOLD = 0.05
"""Share of a cell that must tell anything."""
ALIKE = 0.7
"""Correlation of two windows that show the same."""
BETTER = 1.1
"""By so much more speaks for another answer that is not as good otherwise: a camera that is not on a stand."""
KEY_SHARE = 0.7
"""A frame that shows less of its key frame than this becomes a key frame itself."""
MIN_SHARE = 0.4
"""What every frame shows is at least this much of the picture."""
GRID = 40
"""Points along each side of the picture that tell how much of it is shown."""
MAX_SCALE = 1.5
STEADY_PX = 1.5
"""A drift below this is none: what is not moved needs no resampling."""


@dataclass(frozen=True)
class _Key:
    """A frame that others are registered to."""

    grey: np.ndarray
    matrix: np.ndarray
    """(3, 3), from its pixels to the first frame's."""


def drift_of(frames: np.ndarray) -> np.ndarray:
    """Return (T, 2, 3) similarities that take pixels of each frame (T, H, W, 3) to those of the one in the middle.

    That is the frame whose corners are nearest to those of all others, so that what they all show lies in its picture.
    UserError when the camera moves so far that too little of that stays in view.
    """
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    total = _registered(greys)
    corners = _corners(frames.shape[2], frames.shape[1])
    placed = np.einsum("tij,cj->tci", total[:, :2], corners)
    apart = np.linalg.norm(placed[:, None] - placed[None], axis=-1).max(axis=-1)
    if apart[0].max() < STEADY_PX:
        return np.tile(np.eye(2, 3), (len(frames), 1, 1))
    middle = int(np.argmin(apart.max(axis=1)))
    drift = np.linalg.inv(total[middle]) @ total
    share = _share_of_all(drift, greys[0].shape)
    scale = np.sqrt(np.abs(np.linalg.det(drift[:, :2, :2])))
    if share < MIN_SHARE or scale.max() > MAX_SCALE or scale.min() < 1 / MAX_SCALE:
        raise UserError(
            f"the camera moves: all frames together show only {share:.0%} of the picture, and things in it"
            f" {scale.max() / scale.min():.1f} times as large at one time as at another; keep them in view, or put the"
            " camera on something"
        )
    return drift[:, :2]


def stabilise(images: np.ndarray, drift: np.ndarray, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
    """Return images (T, H, W[, C]) as the camera of the middle frame would have seen them; 0 where it saw nothing."""
    size = images.shape[2], images.shape[1]
    if np.allclose(drift, np.eye(2, 3)):
        return images
    moved = [
        cv2.warpAffine(image, matrix, size, flags=interpolation) for image, matrix in zip(images, drift, strict=True)
    ]
    return np.stack(moved)


def unstabilise(images: np.ndarray, drift: np.ndarray, interpolation: int = cv2.INTER_NEAREST) -> np.ndarray:
    """Undo `stabilise`: images (T, H, W[, C]) of the steady camera as the moving one saw them."""
    return stabilise(images, np.stack([cv2.invertAffineTransform(matrix) for matrix in drift]), interpolation)


def _registered(greys: list[np.ndarray]) -> np.ndarray:
    """Similarities (T, 3, 3) from the pixels of each picture to those of the first one."""
    total, keys = [np.eye(3)], [_Key(greys[0], np.eye(3))]
    for before, grey in pairwise(greys):
        key = max(keys, key=lambda one: _share_shown(np.linalg.inv(one.matrix) @ total[-1], grey.shape))
        # From here on in the key frame's pixels.
        still = np.linalg.inv(key.matrix) @ total[-1]
        matrix = _best(still, before, grey, key.grey)
        total.append(key.matrix @ matrix)
        if _share_shown(matrix, grey.shape) < KEY_SHARE:
            keys.append(_Key(grey, total[-1]))
    stand, moves = (
        sum(_evidence(grey, matrix, greys[0]) for grey, matrix in zip(greys, matrices, strict=True))
        for matrices in ([np.eye(3)] * len(greys), total)
    )
    return np.stack(total) if moves > BETTER * stand else np.tile(np.eye(3), (len(greys), 1, 1))


def _best(still: np.ndarray, before: np.ndarray, grey: np.ndarray, key: np.ndarray) -> np.ndarray:
    """The similarity (3, 3) to a key frame that most speaks for; `still` is that of the frame before."""
    # Before a camera on a stand the frame before is where the key frame is.
    moved_already = [] if np.array_equal(still, np.eye(3)) else [still]
    guesses = [np.eye(3), *moved_already, still @ _between(grey, before)]
    evidence, guess = max(((_evidence(grey, one, key), one) for one in guesses), key=itemgetter(0))
    moved = cv2.warpAffine(grey, guess[:2], (key.shape[1], key.shape[0]), borderMode=cv2.BORDER_REPLICATE)
    closer = _between(moved, key) @ guess
    # Windows agree within a pixel or two; corners tell parts of one.
    return closer if BETTER * _evidence(grey, closer, key) > evidence else guess


def _evidence(grey: np.ndarray, matrix: np.ndarray, key: np.ndarray) -> float:
    """How much speaks for a matrix (3, 3) that takes a frame's pixels to those of a key frame.

    The number of cells that agree times the sum of their squared distances from their middle, as they tell shift, and
    turn and scale: the background lies around what moves, and so weighs more than it.
    """
    moved = cv2.warpAffine(grey, matrix[:2], (key.shape[1], key.shape[0]))
    shown = cv2.warpAffine(np.full_like(grey, 255), matrix[:2], (key.shape[1], key.shape[0])) == 255
    alike, told = _alike(moved, key)
    told &= shown
    cells = [cell for cell in _cells(key.shape) if told[cell].mean() > MIN_TOLD]
    if not cells:
        return 0.0
    shares = np.array([alike[cell][told[cell]].mean() for cell in cells])
    count = float(shares.sum())
    middles = np.array([[columns.start + columns.stop, rows.start + rows.stop] for rows, columns in cells]) / 2.0
    middle = shares @ middles / max(count, 1e-9)
    return count * float(shares @ np.square(middles - middle).sum(axis=1))


def _alike(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where windows of two pictures show the same, and where they tell anything, (H, W) bool each."""
    mean = lambda image: cv2.blur(image, (WINDOW_PX, WINDOW_PX))  # noqa: E731
    a, b = a.astype(np.float32), b.astype(np.float32)
    at, bt = mean(a), mean(b)
    va, vb = mean(a * a) - at * at, mean(b * b) - bt * bt
    together = mean(a * b) - at * bt
    return together > ALIKE * np.sqrt(np.maximum(va * vb, 1e-6)), np.maximum(va, vb) > MIN_STD**2


def _share_shown(matrix: np.ndarray, shape: tuple[int, ...]) -> float:
    """How much of a picture a frame shows that a matrix (3, 3) takes to it."""
    return _share_of_all(matrix[None], shape)


def _share_of_all(matrices: np.ndarray, shape: tuple[int, ...]) -> float:
    """How much of a picture all frames show that matrices (T, 3, 3) take to it, told by points on a grid."""
    size = np.array(shape[1::-1], float)
    shares = (np.arange(GRID) + 0.5) / GRID
    points = np.stack([*(size[:, None] * np.array(np.meshgrid(shares, shares)).reshape(2, -1)), np.ones(GRID**2)])
    there = (np.linalg.inv(matrices) @ points)[:, :2]
    return float(((there >= 0.0) & (there <= size[:, None])).all(axis=(0, 1)).mean())


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
    found = []
    for rows, columns in _cells(grey.shape):
        cell = quality[rows, columns]
        best = np.argpartition(cell, -CORNERS_A_CELL, axis=None)[-CORNERS_A_CELL:]
        y, x = np.unravel_index(best, cell.shape)
        strong = cell[y, x] > MIN_QUALITY
        found.append(np.stack([x[strong] + columns.start, y[strong] + rows.start], axis=-1))
    return np.concatenate(found).astype(np.float32)[:, None]


def _cells(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Rows and columns of each cell of a picture."""
    rows = np.linspace(0, shape[0], CELLS[1] + 1).astype(int)
    columns = np.linspace(0, shape[1], CELLS[0] + 1).astype(int)
    return [(slice(*row), slice(*column)) for row in pairwise(rows) for column in pairwise(columns)]


def _corners(width: int, height: int) -> np.ndarray:
    return np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], float)
