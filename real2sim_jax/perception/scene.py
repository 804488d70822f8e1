"""A steadied clip, its still pictures, and what changed between them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from real2sim_jax.perception.colours import ANY_COLOUR, BackgroundModel, lab_of
from real2sim_jax.perception.drift import stabilise

CLEAR_PX = 3
"""The background is learnt at least this far from anything else."""
MIN_SIGHTINGS = 3
ROWS_AT_ONCE = 16
NOISE_LOOKS = 9


@dataclass(frozen=True)
class Clip:
    """A video as the tracker needs it, steadied."""

    frames: np.ndarray
    """(T, H, W, 3) uint8 RGB."""
    labs: np.ndarray
    """The same in 8-bit Lab."""
    greys: np.ndarray
    """(T, H, W) uint8."""
    shown: np.ndarray
    """(T, H, W) bool: the drifting camera saw this pixel."""
    _plates: dict[int, BackgroundModel] = field(default_factory=dict, repr=False, compare=False)
    """Those that were asked for: each is compared with frames from all of the clip."""
    _changes: dict[tuple[int, int], np.ndarray] = field(default_factory=dict, repr=False, compare=False)
    """What `changed` found between a frame's plate and another frame."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.frames.shape[1], self.frames.shape[2]

    def plate(self, t: int) -> BackgroundModel:
        """Return a frame as a still picture, as unsure as frames from all of the clip make it."""
        if t not in self._plates:
            self._plates[t] = self._plate(t)
        return self._plates[t]

    def changed_since(self, key: int, t: int) -> np.ndarray:
        """Return (H, W) bool where a frame does not show what the key frame shows, both known there."""
        if (key, t) not in self._changes:
            self._changes[key, t] = changed(self, self.plate(key), t)
        return self._changes[key, t]

    def _plate(self, t: int) -> BackgroundModel:
        plain = BackgroundModel(self.labs[t], self.shown[t])
        others = np.linspace(0, len(self.labs) - 1, NOISE_LOOKS).astype(int)
        noise = np.median([plain.noise_in(self.labs[n]) for n in others if n != t], axis=0)
        return BackgroundModel(self.labs[t], self.shown[t], noise)


def make_clip(frames: np.ndarray, drift: np.ndarray) -> Clip:
    """Steady the frames (T, H, W, 3) uint8 RGB of a camera that drifted (T, 2, 3)."""
    still = stabilise(frames, drift)
    shown = stabilise(np.full(frames.shape[:3], 255, np.uint8), drift, cv2.INTER_NEAREST) > 0
    labs = np.stack([lab_of(frame) for frame in still])
    greys = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in still])
    return Clip(still, labs, greys, shown)


def background_model(clip: Clip, labels: np.ndarray, noise: np.ndarray) -> BackgroundModel:
    """Return the background (label 0): each pixel's median over the frames in which nothing is on or near it."""
    near = np.ones((2 * CLEAR_PX + 1,) * 2, np.uint8)
    free = np.stack([cv2.dilate((found > 0).astype(np.uint8), near) == 0 for found in labels]) & clip.shown
    count = free.sum(axis=0)
    colour = np.zeros((*clip.shape, 3), np.uint8)
    for top in range(0, len(colour), ROWS_AT_ONCE):
        rows = np.s_[top : top + ROWS_AT_ONCE]
        # What is not free sorts behind all that is.
        stack = np.where(free[:, rows, :, None], clip.labs[:, rows], np.int16(256))
        stack.sort(axis=0)
        middle = np.maximum(count[rows] - 1, 0) // 2
        colour[rows] = np.take_along_axis(stack, middle[None, :, :, None], axis=0)[0].clip(0, 255)
    return BackgroundModel(colour, count >= MIN_SIGHTINGS, noise)


def changed(clip: Clip, plate: BackgroundModel, t: int) -> np.ndarray:
    """Return (H, W) bool where a frame does not show what a still picture shows, both known there."""
    differs = (plate.density(clip.labs[t]) < ANY_COLOUR) & plate.known & clip.shown[t]
    return cv2.morphologyEx(differs.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0


def left_behind(clip: Clip, key: int, labels: np.ndarray, hand: int) -> np.ndarray:
    """Return (H, W) bool: pixels of the key frame that most frames far from it do not show, though nothing is on them.

    They belong to what moved. A frame counts for a pixel where its label is the background, or the key frame's.
    """
    plate = clip.plate(key)
    differs, sightings = np.zeros(clip.shape), np.zeros(clip.shape)
    for t in _other_end(labels, key, hand):
        free = ((labels[t] == 0) | (labels[t] == labels[key])) & clip.shown[t]
        differs += changed(clip, plate, t) & free
        sightings += free
    # A hand that the key frame shows leaves its place, but it is no thing.
    gone = (sightings >= 2) & (differs > 0.6 * sightings) & (labels[key] != hand)
    return cv2.morphologyEx(gone.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0


def _other_end(labels: np.ndarray, key: int, hand: int) -> Sequence[int]:
    """The third of the frames that is furthest from the key frame, beyond the first sight of a hand."""
    seen = np.flatnonzero((labels == hand).any(axis=(1, 2)))
    count = len(labels)
    forward = key < count / 2
    if len(seen) == 0:
        return []
    first = seen[0] if forward else seen[-1]
    reach = max(2, (count - first if forward else first + 1) // 3)
    return range(count - reach, count) if forward else range(reach)


def parts_of(mask: np.ndarray, least: float) -> list[np.ndarray]:
    """Return the connected parts (H, W) bool of a mask that are larger than a share of the image, largest first."""
    parts, areas = numbered_parts(mask)
    order = sorted(range(1, len(areas)), key=lambda part: -areas[part])
    return [parts == part for part in order if areas[part] > least * mask.size]


def numbered_parts(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number (H, W) of the part of a mask that each pixel belongs to, 0 outside, and the areas of all."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return np.asarray(parts, np.intp), np.asarray(stats)[:, cv2.CC_STAT_AREA]
