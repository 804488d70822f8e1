"""Animated pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from real2sim_jax.data.artefacts import replacing

COLOURS = 128


def save_gif(path: str | Path, frames: Sequence[np.ndarray], fps: float) -> None:
    """Write frames (H, W, 3) uint8 as an endless GIF, whole or not at all; its clock ticks in 1/100 s."""
    images = [Image.fromarray(frame) for frame in frames]
    # One palette for all frames, from a sample of them: nothing flickers and equal areas compress.
    sample = np.concatenate(frames[:: max(1, len(frames) // 8)])
    palette = Image.fromarray(sample).quantize(COLOURS, method=Image.Quantize.MEDIANCUT)
    first, *rest = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
    with replacing(path) as temporary:
        first.save(temporary, "GIF", save_all=True, append_images=rest, duration=round(100 / fps) * 10, loop=0)
