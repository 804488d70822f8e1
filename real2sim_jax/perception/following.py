"""One thing, followed through an embedded clip: each frame's mask is cut out anew, so that errors do not add up.

Dense flow says where the thing should be; the model is asked there in several ways, and the answer is taken that agrees
best with where it should be, with its colours and with its size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from real2sim_jax.perception.colours import ColourModel
from real2sim_jax.perception.embedded import NO_POINTS, EmbeddedClip
from real2sim_jax.perception.masks import box_around, edge_of, inner_points, mask_iou
from real2sim_jax.perception.promptable import Cut

SURE = 0.8
"""Agreement from which no second question is asked."""
LOST = 0.3
"""Agreement below which the thing is not in this frame."""
MIN_PX = 15
MARGIN_PX = 3.0
EDGE_PX = 3
OTHERS = 4
"""Every so many pixels of all else tell its colours."""
STILL = 8.0
"""Grey levels by which two frames differ anywhere, in the mean over 5 x 5 px, are no motion."""
PLACES = 5
QUESTIONS = 2 * (2 + PLACES)
"""Single points that are asked about where one question with all of them is not sure."""
LEARNT = 0.1
"""Share by which a sure frame changes what is known of size and colours."""


@dataclass(eq=False)
class Track:
    """A thing in all frames."""

    masks: np.ndarray
    """(T, H, W) bool, empty where it is not seen."""
    agreement: np.ndarray
    """(T,) in [0, 1]: how well each mask agrees with where the thing should be, its colours and its size."""


@dataclass
class Looks:
    """What a thing looks like: its colours where it was pointed out and of late, those of all else, and its size."""

    first: ColourModel
    late: ColourModel
    others: ColourModel
    area: float
    usual: float
    """How likely its own pixels are of it, by their colours."""

    @classmethod
    def of(cls, lab: np.ndarray, mask: np.ndarray) -> "Looks":
        """Take them from a frame (H, W, 3) Lab and the thing's mask in it."""
        colours, others = ColourModel.of(lab[mask]), ColourModel.of(lab[~mask][::OTHERS])
        return cls(colours, colours, others, float(mask.sum()), _likely(lab[mask], colours, others))

    def agreement(self, lab: np.ndarray, cut: Cut, expected: np.ndarray, free: np.ndarray) -> float:
        """Return how well what was cut out is this thing, expected at a mask (H, W) bool.

        free (H, W) bool: where a frame could show it.
        """
        area = float(cut.mask.sum())
        if area < MIN_PX:
            return 0.0
        pixels = lab[cut.mask]
        likely = max(_likely(pixels, colours, self.others) for colours in (self.first, self.late))
        alike = min(1.0, likely / self.usual)
        # What is partly hidden, or outside the picture, is smaller than it was.
        size = 1.0 if area < self.area and at_border(cut.mask, free) else min(area, self.area) / max(area, self.area)
        return alike**2 * size**0.5 * 0.5 * (1.0 + mask_iou(cut.mask, expected)) * min(1.0, cut.quality)

    def learn(self, lab: np.ndarray, mask: np.ndarray) -> None:
        """Adapt to a frame that is sure: light and distance change."""
        self.late = self.late.mixed(ColourModel.of(lab[mask]), LEARNT)
        self.area += LEARNT * (float(mask.sum()) - self.area)


def _likely(pixels: np.ndarray, colours: ColourModel, others: ColourModel) -> float:
    """The mean probability that Lab pixels (N, 3) are of a thing rather than of all else."""
    own, else_ = (model.density(pixels) for model in (colours, others))
    return float((own / (own + else_)).mean())


def at_border(mask: np.ndarray, free: np.ndarray) -> bool:
    """Return whether a mask (H, W) bool comes to the border of where it could be seen (H, W) bool."""
    return bool((mask & edge_of(free | mask, EDGE_PX)).any())


def follow(clip: EmbeddedClip, seed: np.ndarray, t: int, taken: np.ndarray, questions: int = QUESTIONS) -> Track:
    """Return a thing's masks in all frames from the one (H, W) bool in frame t, forward and backward.

    taken (T, H, W) bool: pixels that show something else, such as the hand. questions: how often the model is asked at
    most in a frame.
    """
    track = Track(np.zeros((len(clip), *clip.shape), bool), np.zeros(len(clip)))
    track.masks[t], track.agreement[t] = seed, 1.0
    for order in (range(t + 1, len(clip)), range(t - 1, -1, -1)):
        _follow(clip, track, t, order, taken, questions)
    return track


def _follow(
    clip: EmbeddedClip, track: Track, start: int, order: Sequence[int], taken: np.ndarray, questions: int
) -> None:
    looks, before, where = Looks.of(clip.clip.labs[start], track.masks[start]), start, track.masks[start]
    for t in order:
        if where.any() and _still(clip, where | track.masks[before], before, t):
            track.masks[t], track.agreement[t] = track.masks[before], track.agreement[before]
            continue
        expected = clip.carried(where, before, t)
        cut, agreement = best_cut(clip, t, looks, expected, taken[t], questions)
        if agreement > LOST:
            track.masks[t], track.agreement[t] = cut.mask, agreement
        if agreement > SURE and not at_border(cut.mask, clip.clip.shown[t] & ~taken[t]):
            looks.learn(clip.clip.labs[t], cut.mask)
        # What is hidden goes where flow carries what hides it: a hand takes along what it holds.
        where = track.masks[t] | (expected & taken[t]) if agreement > LOST else expected
        before = t


def _still(clip: EmbeddedClip, mask: np.ndarray, before: int, t: int) -> bool:
    """Whether two frames show the same at and around a mask (H, W) bool: then there is nothing to ask."""
    x1, y1, x2, y2 = box_around(mask, 2 * MARGIN_PX).astype(int)
    window = np.s_[y1 : y2 + 1, x1 : x2 + 1]
    apart = cv2.absdiff(clip.clip.greys[t][window], clip.clip.greys[before][window])
    # A mean over few pixels sees what moves, and noise of single ones does not matter.
    return float(cv2.blur(apart, (5, 5)).max()) < STILL


def best_cut(
    clip: EmbeddedClip, t: int, looks: Looks, expected: np.ndarray, taken: np.ndarray, questions: int = QUESTIONS
) -> tuple[Cut, float]:
    """Return the best of several answers for a thing in a frame, and how well it agrees; expected (H, W) bool.

    taken (H, W) bool: pixels that show something else, as far as is known.
    """
    lab = clip.clip.labs[t]
    best, found = Cut(np.zeros(clip.shape, bool), 0.0), 0.0
    for inside, outside, box in _questions(expected, taken)[:questions]:
        cut = clip.cut(t, inside, outside, box)
        agreement = looks.agreement(lab, cut, expected, clip.clip.shown[t] & ~taken)
        if agreement > found:
            best, found = cut, agreement
        if found > SURE:
            break
    return best, found


Question = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""Points inside, points outside, and a box."""


def _questions(expected: np.ndarray, taken: np.ndarray) -> list[Question]:
    """What to ask about a thing that is expected somewhere, the likeliest to be understood first."""
    if expected.sum() < MIN_PX:
        return []
    near = np.zeros_like(taken)
    x1, y1, x2, y2 = box_around(expected, MARGIN_PX).astype(int)
    near[y1 : y2 + 1, x1 : x2 + 1] = taken[y1 : y2 + 1, x1 : x2 + 1]
    whole = _asked(expected, np.zeros_like(taken))
    return [*_asked(expected & ~taken, near), *whole] if near.any() else whole


def _asked(expected: np.ndarray, near: np.ndarray) -> list[Question]:
    if expected.sum() < MIN_PX:
        return []
    box, inside = box_around(expected, MARGIN_PX), inner_points(expected, 2)
    places = inner_points(expected, PLACES)
    return [
        (inside, inner_points(near, 1), box),
        (inside, NO_POINTS, None),
        *((p[None], NO_POINTS, None) for p in places),
    ]
