"""What images, boxes and rates may be: what lies beyond is a mistake of writing, and would cost memory or sense."""

import math
from collections.abc import Iterable

import numpy as np

from real2sim_jax.core.errors import UserError

LARGEST_SIDE_PX = 16384
"""Of images: four times the width of 4K; cameras and encoders stop there."""
RATES_HZ = (0.5, 1000.0)
"""Frames a second: an action of 1 s shows in no frame below, and only special cameras reach the upper end."""


def check_size(size_px: tuple[float, float]) -> None:
    """UserError unless an image's width and height px are possible."""
    if not all(1 <= side <= LARGEST_SIDE_PX for side in size_px):
        raise UserError(
            f"an image of {size_px[0]:g}x{size_px[1]:g} px; expected 1 to {LARGEST_SIDE_PX} px on each side"
        )


def check_rate(rate_hz: float) -> None:
    """UserError unless a number of frames a second is possible."""
    if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
        raise UserError(f"{rate_hz:g} frames a second; expected {RATES_HZ[0]:g} to {RATES_HZ[1]:g}")


def check_boxes(boxes: np.ndarray, size_px: np.ndarray) -> None:
    """UserError unless boxes (..., 4) px, x1 y1 x2 y2, are upright and at most one image outside the image (2,) px."""
    far = (boxes < -np.tile(size_px, 2)) | (boxes > 2.0 * np.tile(size_px, 2))
    inverted = (boxes[..., 0] > boxes[..., 2]) | (boxes[..., 1] > boxes[..., 3])
    for box in boxes[far.any(axis=-1) | inverted][:1]:
        raise UserError(f"box {box.tolist()}: expected x1 <= x2, y1 <= y2 and at most one image outside the image")


def check_box(box: Iterable[float], size_px: tuple[float, float]) -> None:
    """UserError unless a box, px x1 y1 x2 y2, is finite and at most one image outside the image."""
    sides = [float(side) for side in box]
    if not all(math.isfinite(side) for side in sides):
        raise UserError(f"a box is not finite: {sides}; correct or remove it")
    if not all(-limit <= side <= 2 * limit for side, limit in zip(sides, (*size_px, *size_px), strict=True)):
        raise UserError(
            f"a box is more than one image outside the image of {size_px[0]:g}x{size_px[1]:g} px: {sides};"
            " correct or remove it"
        )
