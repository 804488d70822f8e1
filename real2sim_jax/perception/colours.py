"""Densities of colours: of what a thing looks like, and of a known still picture seen again.

All are densities over 8-bit Lab, so that they can be compared with each other.
"""

from dataclasses import dataclass

import cv2
import numpy as np

STEPS = np.array([8, 4, 4])
"""Width of a bin in L, a, b: lightness changes more with light than hue does."""
BINS = tuple(256 // STEPS)
SPREAD = (1.5, 1.0, 1.0)
"""Blur of a histogram, in bins."""
ANY_COLOUR = 1.0 / 256**2 / 64
"""Density of a colour of which nothing is known: L is anything, a and b keep to the middle of their range."""
MAX_NOISE = np.array([7.0, 3.5, 3.5])
MIN_NOISE = np.array([3.0, 1.5, 1.5])
"""Deviation of a still picture's L, a, b seen again, beyond a pixel's shift; between these it is measured."""
SHADE = 35.0
"""How much darker in L a shadow makes what it falls on."""
SHADE_SHARE = 0.2
MIN_PIXELS = 20
SKIN_HUE = (148.0, 150.0)
SKIN_SPREAD = 8.0
"""Usual a and b of skin, for videos in which no landmark is found."""


def lab_of(image: np.ndarray) -> np.ndarray:
    """Return an RGB image (H, W, 3) uint8 in 8-bit Lab."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2LAB)


@dataclass(frozen=True)
class ColourModel:
    """Density of a thing's colours: a blurred histogram."""

    table: np.ndarray

    @classmethod
    def of(cls, pixels: np.ndarray, weight: np.ndarray | None = None) -> "ColourModel":
        """Make the model of Lab pixels (N, 3) uint8; of too few, any colour is as likely."""
        if len(pixels) < MIN_PIXELS:
            return cls(np.full(BINS, ANY_COLOUR, np.float32))
        index = np.ravel_multi_index(tuple((pixels // STEPS).T), BINS)
        table = np.bincount(index, weight, int(np.prod(BINS))).reshape(BINS)
        for axis, spread in enumerate(SPREAD):
            table = _blurred(table, axis, spread)
        density = table / table.sum() / np.prod(STEPS)
        return cls((0.95 * density + 0.05 * ANY_COLOUR).astype(np.float32))

    @classmethod
    def skin(cls) -> "ColourModel":
        """Make a model of skin in general."""
        middles = [(np.arange(bins) + 0.5) * step for bins, step in zip(BINS, STEPS, strict=True)]
        apart = [((middle - hue) / SKIN_SPREAD) ** 2 for middle, hue in zip(middles[1:], SKIN_HUE, strict=True)]
        hue = np.exp(-0.5 * (apart[0][:, None] + apart[1][None]))
        table = np.broadcast_to(hue / hue.sum() / np.prod(STEPS) / BINS[0], BINS)
        return cls((0.9 * table + 0.1 * ANY_COLOUR).astype(np.float32))

    def mixed(self, other: "ColourModel", share: float) -> "ColourModel":
        """Return the model of which a share is another one."""
        return ColourModel((1.0 - share) * self.table + share * other.table)

    def density(self, lab: np.ndarray) -> np.ndarray:
        """Return the density (H, W) of the colours of an image (H, W, 3) Lab."""
        return self.table[lab[..., 0] // STEPS[0], lab[..., 1] // STEPS[1], lab[..., 2] // STEPS[2]]


class BackgroundModel:
    """A still picture that is seen again, but for noise, a pixel's shift, and shadows."""

    def __init__(self, lab: np.ndarray, known: np.ndarray, noise: np.ndarray = MAX_NOISE):
        self.known = known
        self.noise = noise
        square = np.ones((3, 3), np.uint8)
        self._lab = lab.astype(np.float32)
        self._low, self._high = (change(lab, square).astype(np.float32) for change in (cv2.erode, cv2.dilate))

    def density(self, lab: np.ndarray) -> np.ndarray:
        """Return the density (H, W) of an image's colours where it shows the plate; 0 where that is not known."""
        image = lab.astype(np.float32)
        image -= self._exposure(image)
        apart = self._apart(image) / self.noise
        hue = apart[..., 1] ** 2 + apart[..., 2] ** 2
        lit = np.exp(-0.5 * (hue + apart[..., 0] ** 2)) / np.prod(self.noise)
        darker = np.maximum(self._low[..., 0] - image[..., 0], 0.0) / SHADE
        shaded = np.exp(-0.5 * (hue + darker**2)) * (image[..., 0] < self._high[..., 0])
        shaded /= self.noise[1] * self.noise[2] * SHADE
        mixed = ((1.0 - SHADE_SHARE) * lit + SHADE_SHARE * shaded) / (2.0 * np.pi) ** 1.5
        return np.where(self.known, mixed, 0.0).astype(np.float32)

    def noise_in(self, lab: np.ndarray) -> np.ndarray:
        """Return the deviation (3,) of an image that shows the plate at most of its pixels."""
        image = lab.astype(np.float32)
        apart = self._apart(image - self._exposure(image))[self.known]
        # The median of what a pixel's shift does not explain; a camera's exposure changes unevenly, so twice of it.
        return np.clip(2.0 * np.median(apart, axis=0), MIN_NOISE, MAX_NOISE)

    def _apart(self, image: np.ndarray) -> np.ndarray:
        """How far colours are from all that the plate shows within a pixel."""
        return np.maximum(np.maximum(self._low - image, image - self._high), 0.0)

    def _exposure(self, image: np.ndarray) -> np.ndarray:
        """How much brighter or warmer all of the image is than the plate: cameras adapt when a hand comes in."""
        apart = (image - self._lab)[::4, ::4][self.known[::4, ::4]]
        return np.clip(np.median(apart, axis=0), -25.0, 25.0) if len(apart) else np.zeros(3, np.float32)


def likeness(a: ColourModel, b: ColourModel) -> float:
    """Return the Bhattacharyya coefficient of two models: 1 for the same colours, 0 for none in common."""
    return float(np.sqrt(a.table * b.table).sum() / np.sqrt(a.table.sum() * b.table.sum()))


def _blurred(table: np.ndarray, axis: int, spread: float) -> np.ndarray:
    steps = np.arange(table.shape[axis])
    weights = np.exp(-0.5 * ((steps[:, None] - steps[None]) / spread) ** 2)
    return np.moveaxis(np.tensordot(weights / weights.sum(axis=0), table, (1, axis)), 0, axis)
