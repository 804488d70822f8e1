"""Which thing is moved, which hand moves it, and beside what it ends: told by motion, touch and rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from real2sim_jax.perception.colours import ColourModel, likeness
from real2sim_jax.perception.embedded import EmbeddedClip
from real2sim_jax.perception.following import Track
from real2sim_jax.perception.hand_masks import HandTrack
from real2sim_jax.perception.masks import mask_iou, touching
from real2sim_jax.perception.motion import (
    MIN_FRAMES,
    MIN_MOTION,
    TOUCH_SHARE,
    distances_from,
    goes_along,
    motion_of,
    path_of,
)
from real2sim_jax.perception.moving_things import CHANGED_SHARE, SAME, Thing, changed_share
from real2sim_jax.perception.saliency import saliency

OVERLAP = 0.3
"""What shares more than this of itself with a thing is that thing, not another one."""
PART_SHARE = 0.2
"""A part is at least this share as large as the rest."""
ALIKE = 0.7
"""Likeness of the colours of one thing at both ends."""
SIZES_APART = 0.4
"""One thing seen at both ends is at least this share as large at one as at the other."""
MIN_ANCHOR = 0.1
"""What stands out by less, for its distance, is no anchor."""
RESTING_PX = 0.3
"""A thing rests between two frames where flow is less than this at most of its pixels: 4 px a second carry nothing."""
MOST_STILL = 0.8
"""A hand that acts rests in at most this share of its frames."""
NEXT_FRAMES = 3
"""A hand that is lost and found is one hand when it is found within so many frames, where it was lost."""


@dataclass(frozen=True, eq=False)
class Mover:
    """A thing that was followed through the clip."""

    thing: Thing
    track: Track
    motion: float
    """How far it went from its place, of the image's diagonal."""
    contact: float
    """Share of the frames in which it is away from its place that a hand touches it."""
    free: float
    """1 where it rests without a hand in at least MIN_FRAMES frames, less in fewer: a sleeve never does."""

    @property
    def score(self) -> float:
        """How likely it is what the hand moves: all of that leaves its place, how far matters little."""
        moves = self.motion / (self.motion + MIN_MOTION)
        left = max(self.thing.changed, CHANGED_SHARE)
        return left * moves * self.contact * self.free * float(self.track.agreement.mean())


def mover(clip: EmbeddedClip, thing: Thing, track: Track, hands: np.ndarray) -> Mover:
    """Measure a followed thing's motion and contact; hands (T, H, W) bool."""
    path, rests = _path(clip, track.masks)
    distances, seen = distances_from(thing.frame, track.masks, path)
    for t in np.flatnonzero(distances):
        if not _arrived(clip, track.masks[thing.frame], track.masks[t], thing.frame, int(t), hands):
            distances[t] = 0.0
    going = _on_the_way(distances, seen)
    reach = TOUCH_SHARE * hands.shape[2]
    # Where a thing is not seen and a hand is in view, the hand may hide what it holds.
    touched = [touching(track.masks[t], hands[t], reach) if seen[t] else hands[t].any() for t in np.flatnonzero(going)]
    alone = sum(not touching(track.masks[t], hands[t], reach) for t in np.flatnonzero(rests))
    contact = float(np.mean(touched)) if touched else 0.0
    return Mover(thing, track, motion_of(distances), contact, min(1.0, alone / MIN_FRAMES))


def _path(clip: EmbeddedClip, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a thing goes, (T, 2) px, NaN where it is not seen, and the frames (T,) bool to which it rests.

    Where its pixels rest from one frame to the next, its mask's middle moves because something comes before it or goes.
    """
    path, rests = path_of(masks), np.zeros(len(masks), bool)
    seen = np.flatnonzero(masks.any(axis=(1, 2)))
    steps = np.diff(path[seen], axis=0)
    for i, (before, t) in enumerate(pairwise(seen.tolist())):
        if t == before + 1 and _pixels_rest(clip, masks[t], before, t):
            steps[i], rests[t] = 0.0, True
    path[seen[1:]] = path[seen[:1]] + np.cumsum(steps, axis=0)
    return path, rests


def _arrived(clip: EmbeddedClip, home: np.ndarray, mask: np.ndarray, before: int, t: int, hands: np.ndarray) -> bool:
    """Whether a frame shows something else than the frame before at what a mask (H, W) bool has off its home.

    A mask that grows over what was there all along moves, but no thing does. What a hand hid before is not known.
    """
    share = changed_share(clip, t, mask & ~home, before, hands)
    return share is None or share > CHANGED_SHARE


def _on_the_way(distances: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The frames (T,) bool in which a thing changes its place, and those between them in which it is not seen."""
    frames = np.flatnonzero(seen)
    steps = np.abs(np.diff(distances[frames])) > 0.1 * MIN_MOTION
    going = np.zeros(len(seen), bool)
    for first, last in zip(frames[:-1][steps], frames[1:][steps], strict=True):
        going[first : last + 1] = True
    return going


def within_reach(thing: Thing, tracks: Sequence[HandTrack]) -> bool:
    """Return whether a hand touches the place where a thing was cut out: its finger tips, where landmarks show them."""
    reach = TOUCH_SHARE * thing.mask.shape[1]
    away = cv2.distanceTransform((~thing.mask).astype(np.uint8), cv2.DIST_L2, 3)
    limits = np.array(thing.mask.shape[::-1]) - 1
    tips = [np.clip(points, 0, limits).astype(int) for one in tracks for points in one.tips.values()]
    if any(float(away[y, x]) <= 2.0 * reach for points in tips for x, y in points):
        return True
    untold = [mask for one in tracks for t, mask in one.masks.items() if t not in one.tips]
    return any(touching(thing.mask, mask, reach) for mask in untold)


def likeliest(clip: EmbeddedClip, things: Sequence[Thing], count: int) -> list[Thing]:
    """Return at most `count` of the things: first those that are gone at the other end and seen elsewhere there."""

    def elsewhere(one: Thing) -> bool:
        return any(o.frame != one.frame and one.left and o.left and _alike(clip, one, o) for o in things)

    return sorted(things, key=lambda one: -one.changed * (1.0 + elsewhere(one)))[:count]


def joined(clip: EmbeddedClip, first: Mover, last: Mover, hands: np.ndarray) -> Track | None:
    """Return one track of a thing that was cut out at both ends; None where these are two things.

    One thing it is where both tracks meet; else only what leaves its place can be what arrives at another: where the
    colours and sizes are alike, or where one is lost in a hand (T, H, W) bool and the other comes out of one later.
    """
    both = first.track.masks.any(axis=(1, 2)) & last.track.masks.any(axis=(1, 2))
    meet = [mask_iou(a, b) > SAME for a, b in zip(first.track.masks[both], last.track.masks[both], strict=True)]
    if meet and np.mean(meet) > 0.25:
        better = (last.track.agreement > first.track.agreement)[:, None, None]
        return Track(
            np.where(better, last.track.masks, first.track.masks),
            np.maximum(first.track.agreement, last.track.agreement),
        )
    left = first.thing.left and last.thing.left
    if not left or not (_alike(clip, first.thing, last.thing) or _handed_over(first.track, last.track, hands)):
        return None
    # One track until a frame, the other from it on: the frame at which they agree best in sum.
    before = np.concatenate([[0.0], np.cumsum(first.track.agreement)])
    after = np.concatenate([np.cumsum(last.track.agreement[::-1])[::-1], [0.0]])
    switch = int(np.argmax(before + after))
    masks = np.concatenate([first.track.masks[:switch], last.track.masks[switch:]])
    return Track(masks, np.concatenate([first.track.agreement[:switch], last.track.agreement[switch:]]))


def _handed_over(first: Track, last: Track, hands: np.ndarray) -> bool:
    """Whether a hand is at a thing when it is last seen, and later at another when that is first seen."""
    end = np.flatnonzero(first.masks.any(axis=(1, 2)))[-1]
    begin = np.flatnonzero(last.masks.any(axis=(1, 2)))[0]
    reach = TOUCH_SHARE * hands.shape[2]
    there = [
        any(touching(mask, hand, reach) for hand in hands[max(0, t - NEXT_FRAMES) : t + NEXT_FRAMES + 1])
        for t, mask in ((end, first.masks[end]), (begin, last.masks[begin]))
    ]
    return bool(end < begin and all(there))


def _alike(clip: EmbeddedClip, a: Thing, b: Thing) -> bool:
    colours = [ColourModel.of(clip.clip.labs[one.frame][one.mask]) for one in (a, b)]
    sizes = sorted(float(one.mask.sum()) for one in (a, b))
    return likeness(*colours) > ALIKE and sizes[0] > SIZES_APART * sizes[1]


def parts_of(first: Mover, others: Sequence[Mover]) -> list[Mover]:
    """Return the movers that go where the first one goes."""
    path = path_of(first.track.masks)
    return [other for other in others if _may_be_part(first, other) and goes_along(path, path_of(other.track.masks))]


def _may_be_part(first: Mover, other: Mover) -> bool:
    """Whether a mover is another thing than the first one, large enough, and moves."""
    if other.thing is first.thing or covered(other.thing, first.track.masks) or other.motion < MIN_MOTION:
        return False
    return bool(other.thing.mask.sum() >= PART_SHARE * first.thing.mask.sum())


def next_to(thing: Thing, other: Thing) -> bool:
    """Return whether two things of one frame touch."""
    return thing.frame == other.frame and touching(thing.mask, other.mask, TOUCH_SHARE * thing.mask.shape[1])


def covered(thing: Thing, masks: np.ndarray) -> bool:
    """Return whether a thing is the one that masks (T, H, W) bool show, as it shares more than OVERLAP with them."""
    return bool((thing.mask & masks[thing.frame]).sum() > OVERLAP * thing.mask.sum())


def acting_hands(clip: EmbeddedClip, tracks: Sequence[HandTrack], moved: np.ndarray) -> list[HandTrack]:
    """Return the moving hands that touch the moved thing (T, H, W) bool or were pointed out, and their continuations.

    A hand that is lost and found again is two tracks.
    """
    reach = TOUCH_SHARE * moved.shape[2]
    moving = [h for h in tracks if h.drawn or not _rests(clip, h)]
    acting = [h for h in moving if h.drawn or any(touching(moved[t], mask, reach) for t, mask in h.masks.items())]
    while more := [h for h in moving if h not in acting and any(_goes_on(h, other, reach) for other in acting)]:
        acting += more
    return acting


def _rests(clip: EmbeddedClip, hand: HandTrack) -> bool:
    """Whether a hand hardly ever moves: then it is none, or another one than that which moves things."""
    pairs = [(t - 1, t) for t in hand.masks if t - 1 in hand.masks]
    return bool(pairs) and bool(
        np.mean([_pixels_rest(clip, hand.masks[t], before, t) for before, t in pairs]) > MOST_STILL
    )


def _pixels_rest(clip: EmbeddedClip, mask: np.ndarray, before: int, t: int) -> bool:
    """Whether what a mask (H, W) bool shows was there the frame before."""
    return bool(np.linalg.norm(np.median(clip.flow(before, t)[mask], axis=0)) < RESTING_PX)


def _goes_on(hand: HandTrack, other: HandTrack, reach: float) -> bool:
    """Whether one of two hands begins where the other ends."""
    for early, late in ((hand, other), (other, hand)):
        end, begin = max(early.masks), min(late.masks)
        if abs(begin - end) <= NEXT_FRAMES and touching(early.masks[end], late.masks[begin], reach):
            return True
    return False


def anchor_of(clip: EmbeddedClip, things: Sequence[Thing], moved: np.ndarray) -> tuple[Thing, float] | None:
    """Return the thing beside which the moved one (T, H, W) bool ends, and how much it stands out; None without any.

    It is the one that stands out most, stays and is nearest; what hardly stands out is a part of the table.
    """
    seen = np.flatnonzero(moved.any(axis=(1, 2)))
    if len(seen) == 0 or not things:
        return None
    end = moved[seen[-1]]
    size = float(np.sqrt(end.sum()))
    away = cv2.distanceTransform((~end).astype(np.uint8), cv2.DIST_L2, 3)
    shown = {t: saliency(clip.clip.frames[t]) for t in {thing.frame for thing in things}}
    scores = []
    for thing in things:
        picture = shown[thing.frame]
        stands_out = 1.0 if picture is None else float(picture[thing.mask].mean())
        scores.append((1.0 - thing.changed) * stands_out / (1.0 + float(away[thing.mask].min()) / size))
    best = int(np.argmax(scores))
    return (things[best], scores[best]) if scores[best] > MIN_ANCHOR else None
