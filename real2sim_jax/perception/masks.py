"""Masks of pictures: how two of them lie to each other, their inside, their border, and where flow takes them."""

import cv2
import numpy as np


def mask_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Return the overlap of two masks (H, W) bool over their union; 0 where both are empty."""
    union = float((a | b).sum())
    return float((a & b).sum()) / union if union else 0.0


def touching(thing: np.ndarray, hand: np.ndarray, reach_px: float) -> bool:
    """Return whether two masks (H, W) bool come closer than `reach_px`."""
    if not thing.any() or not hand.any():
        return False
    reach = 2 * max(1, round(reach_px)) + 1
    return bool((cv2.dilate(hand.astype(np.uint8), np.ones((reach, reach), np.uint8)).astype(bool) & thing).any())


def centre(mask: np.ndarray) -> np.ndarray:
    """Return the middle (2,) px x y of a mask (H, W) bool, NaN where it is empty."""
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean(), rows.mean()]) if len(rows) else np.full(2, np.nan)


def box_around(mask: np.ndarray, margin_px: float = 0.0) -> np.ndarray:
    """Return the box (4,) px around a mask (H, W) bool, wider by a margin within the picture."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float) + margin_px * np.array([-1, -1, 1, 1])
    return np.clip(box, 0, np.tile(np.array(mask.shape[::-1]) - 1.0, 2))


def deepest(mask: np.ndarray) -> tuple[int, int, float]:
    """Return column, row and depth px of the point of a mask (H, W) uint8 or bool that is furthest from its rim."""
    depth = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(np.argmax(depth), depth.shape)
    return int(column), int(row), float(depth[row, column])


def inner_points(mask: np.ndarray, count: int) -> np.ndarray:
    """Return up to `count` points (N, 2) px of a mask (H, W) bool, each as deep in what the others leave as can be."""
    left, found = mask.astype(np.uint8), []
    for _ in range(count):
        column, row, depth = deepest(left)
        if depth < 1.0:
            break
        found.append((float(column), float(row)))
        cv2.circle(left, (column, row), max(2, round(1.5 * depth)), 0, -1)
    return np.array(found).reshape(-1, 2)


def edge_of(shown: np.ndarray, width_px: int) -> np.ndarray:
    """Return what lies within so many px of the border of a region (H, W) bool, or outside of it; (H, W) bool."""
    kernel = np.ones((2 * width_px + 1,) * 2, np.uint8)
    inner = cv2.erode(np.pad(shown.astype(np.uint8), width_px), kernel)
    return inner[width_px:-width_px, width_px:-width_px] == 0


def flowed(layer: np.ndarray, flow: np.ndarray, border: int = cv2.BORDER_CONSTANT) -> np.ndarray:
    """Return a layer (H, W) float32 read where a flow (H, W, 2) px leads to; `border` is OpenCV's name of a border."""
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return cv2.remap(layer, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=border)
