"""The things of a clip, and which of them change their place: what is cut out at one end and not there at others."""

from dataclasses import dataclass

import cv2
import numpy as np

from real2sim_jax.perception.embedded import EmbeddedClip
from real2sim_jax.perception.masks import box_around, deepest, mask_iou
from real2sim_jax.perception.promptable import Cut
from real2sim_jax.perception.saliency import saliency
from real2sim_jax.perception.scene import parts_of

MOMENTS = 5
"""Frames that are compared with one another."""
MOST_POINTS = 10
"""Places that are asked about for one reason in one frame."""
MOST_TOUCHED = 40
"""The same among the places that a hand touches."""
GRID_SHARE = 0.04
"""Distance of these places, of the image's width."""
MIN_DEPTH_PX = 3.0
MIN_SHARE, MAX_SHARE = 0.0005, 0.3
"""Smallest and largest thing, of the image."""
REACH_SHARE = 0.03
"""What a hand moves it touches where it rests: it is nearer to the hand's way than this share of the image's width."""
FREE_SHARE = 0.7
"""At least this share of a thing is not hand."""
MIN_QUALITY = 0.8
SAME = 0.5
"""Masks of one frame with this IoU are of one thing."""
MIN_CHANGED = 0.7
"""What is cut out because it has changed has done so at more than this share: it is not the table, nor a neighbour."""
CHANGED_SHARE = 0.25
"""Where another moment shows something else at more than this share of a thing, the thing is not there."""


@dataclass(frozen=True, eq=False)
class Thing:
    """What the model cuts out of one frame."""

    frame: int
    mask: np.ndarray
    """(H, W) bool."""
    changed: float
    """Share of what the other end of the clip shows of it that is something else there."""
    rests: bool
    """Whether all other moments show the same there."""

    @property
    def left(self) -> bool:
        """Whether it is not there at the other end."""
        return self.changed > CHANGED_SHARE


def find_things(clip: EmbeddedClip, hands: np.ndarray) -> list[Thing]:
    """Return the things of the first and the last frame; hands (T, H, W) bool."""
    moments = [int(t) for t in np.unique(np.linspace(0, len(clip) - 1, MOMENTS).astype(int))]
    ends = moments[0], moments[-1]
    return [
        _thing(clip, t, mask, sum(ends) - t, [other for other in moments if other != t], hands)
        for t in ends
        for mask in _things_at(clip, t, moments, hands)
    ]


def _thing(clip: EmbeddedClip, t: int, mask: np.ndarray, end: int, others: list[int], hands: np.ndarray) -> Thing:
    # What a hand hides is taken to be there still.
    share = {other: changed_share(clip, t, mask, other, hands) or 0.0 for other in others}
    return Thing(t, mask, share[end], max(share.values()) <= CHANGED_SHARE)


def cut_things(clip: EmbeddedClip, t: int, region: np.ndarray, taken: np.ndarray, count: int) -> list[np.ndarray]:
    """Return masks (H, W) bool of what a frame shows at the deepest places of a region (H, W) bool, each once.

    taken (H, W) bool: pixels that belong to no thing.
    """
    left, found = (region & ~taken).astype(np.uint8), []
    spread = round(0.5 * GRID_SHARE * clip.shape[1])
    for _ in range(count):
        column, row, depth = deepest(left)
        if depth < MIN_DEPTH_PX:
            break
        cut = clip.cut(t, np.array([[column, row]], float))
        cv2.circle(left, (column, row), spread, 0, -1)
        left[cut.mask & (cut.mask.mean() < MAX_SHARE)] = 0
        if _may_be_thing(cut, taken):
            found.append(cut.mask & ~taken)
    return _each_once(found)


def cut_changes(clip: EmbeddedClip, t: int, differs: np.ndarray, taken: np.ndarray, count: int) -> list[np.ndarray]:
    """Return masks (H, W) bool of what a frame shows where it differs (H, W) bool from another: each part in its box.

    A point alone on a toy in a basket asks for the basket too; the box around what has changed does not.
    """
    cuts = []
    for part in parts_of(differs & ~taken, MIN_SHARE)[:count]:
        column, row, _ = deepest(part)
        cuts.append(clip.cut(t, np.array([[column, row]], float), box=box_around(part)))
    cuts = [cut for cut in cuts if _may_be_thing(cut, taken) and differs[cut.mask].mean() > MIN_CHANGED]
    return _each_once([cut.mask & ~taken for cut in cuts])


def _may_be_thing(cut: Cut, taken: np.ndarray) -> bool:
    """Whether a cut is sure, neither a speck nor the table, and not mostly something that is taken (H, W) bool."""
    size = float(cut.mask.sum())
    fits = MIN_SHARE * taken.size < size < MAX_SHARE * taken.size and cut.quality > MIN_QUALITY
    return bool(fits and (cut.mask & ~taken).sum() > FREE_SHARE * size)


def _each_once(masks: list[np.ndarray]) -> list[np.ndarray]:
    kept: list[np.ndarray] = []
    for mask in masks:
        if all(mask_iou(mask, other) < SAME for other in kept):
            kept.append(mask)
    return kept


def _things_at(clip: EmbeddedClip, t: int, moments: list[int], hands: np.ndarray) -> list[np.ndarray]:
    """What stands out in a frame, and what is there where it differs from other moments."""
    near = np.ones((7, 7), np.uint8)
    differs = np.zeros(clip.shape, bool)
    for other in moments:
        if other != t:
            hidden = cv2.dilate(hands[other].astype(np.uint8), near) > 0
            differs |= clip.clip.changed_since(other, t) & ~hidden
    shown = saliency(clip.clip.frames[t])
    found = cut_things(clip, t, differs, hands[t], MOST_POINTS)
    found += cut_changes(clip, t, differs, hands[t], MOST_POINTS)
    reach = 2 * round(REACH_SHARE * clip.shape[1]) + 1
    way = np.asarray(hands.any(axis=0), np.uint8)
    touched = cv2.dilate(way, np.ones((reach, reach), np.uint8)) > 0
    touched &= ~np.any([hands[t], *found], axis=0)
    found += cut_things(clip, t, touched, hands[t], MOST_TOUCHED)
    if shown is not None:
        found += cut_things(clip, t, shown > 0.5, hands[t], MOST_POINTS)
    return _each_once(found)


def changed_share(clip: EmbeddedClip, t: int, mask: np.ndarray, other: int, hands: np.ndarray) -> float | None:
    """Return the share of a mask's pixels (H, W) bool that another moment does not show; None where hands hide most."""
    open_ = mask & ~hands[other] & clip.clip.shown[other]
    if open_.sum() < (1.0 - FREE_SHARE) * mask.sum():
        return None
    return float(clip.clip.changed_since(other, t)[open_].mean())
