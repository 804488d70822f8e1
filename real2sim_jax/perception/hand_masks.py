"""Hands in all frames of an embedded clip: landmarks where they are found, and what flow and the model make between.

A hand's mask is what the model cuts out at the points of its palm: with a bare forearm all of it, else up to the
sleeve.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from real2sim_jax.perception.appearance import HAND_LABEL
from real2sim_jax.perception.colours import BackgroundModel
from real2sim_jax.perception.embedded import EmbeddedClip
from real2sim_jax.perception.following import LOST, Looks, best_cut
from real2sim_jax.perception.hands import PALM, TIPS, HandSeed, find_hands
from real2sim_jax.perception.masks import box_around, mask_iou
from real2sim_jax.perception.scene import background_model, changed

SAME_HAND = 0.2
"""Masks of one frame with this IoU are of one hand."""
AGREES = 0.4
"""A mask with this IoU is where the hand was expected, with its forearm or without."""
COVERED = 0.6
"""A mask is of a hand when it covers this share of the palm and the fingers."""
MOST_PALMS = 15.0
"""A hand with its bare forearm is at most this many times as large as its palm."""
MIN_QUALITY = 0.7
MOST_BESIDE = 0.15
"""What is neither at the hand nor at its forearm is at most this share of palm and fingers."""
BESIDE = 0.5
"""A hand's rim is nearer to its palm and fingers than this share of the palm's length."""
FOREARM = 1.5
"""Half of a forearm's width, with its sleeve, over the palm's length."""
STANDS_OUT = 0.5
"""More than this share of a hand is not background."""
MARGIN = 0.2
"""The box around landmarks is wider by this share of the palm's side."""
MOST_UNSEEN = 18
"""A hand is carried on for this many frames (1.5 s) without landmarks."""


@dataclass(eq=False)
class Sighting:
    """A hand in one frame."""

    masks: list[np.ndarray]
    """(H, W) bool, what it may be: at least one, the likeliest first."""
    tips: np.ndarray | None = None
    """Finger tips (5, 2) px, where landmarks were found."""
    drawn: bool = False
    """Whether the user pointed it out."""


@dataclass(eq=False)
class HandTrack:
    """One hand, by frame, where it is seen."""

    masks: dict[int, np.ndarray] = field(default_factory=dict)
    """(H, W) bool."""
    tips: dict[int, np.ndarray] = field(default_factory=dict)
    """(5, 2) px, where landmarks were found."""
    sighted: set[int] = field(default_factory=set)
    """Frames in which landmarks or the user show it."""
    drawn: bool = False
    """Whether the user pointed it out in any frame."""

    @property
    def sightings(self) -> int:
        """In how many frames landmarks or the user show it."""
        return len(self.sighted)

    def forget(self, t: int) -> None:
        """It is not in this frame."""
        del self.masks[t]
        self.sighted.discard(t)
        self.tips.pop(t, None)

    def add(self, t: int, seen: Sighting, expected: np.ndarray | None = None) -> None:
        """Take a sighting over: the first of its masks that is as expected (H, W) bool, or the nearest."""
        overlaps = [1.0 if expected is None else mask_iou(mask, expected) for mask in seen.masks]
        first = next((i for i, overlap in enumerate(overlaps) if overlap > AGREES), int(np.argmax(overlaps)))
        self.masks[t] = seen.masks[first]
        self.sighted.add(t)
        self.drawn |= seen.drawn
        if seen.tips is not None:
            self.tips[t] = seen.tips


def hand_tracks(
    clip: EmbeddedClip, drawn: Mapping[int, Sequence[np.ndarray]], progress: Callable[[float], None]
) -> list[HandTrack]:
    """Return the hands of a clip, the one with most sightings first.

    drawn: masks (H, W) bool of hands that the user pointed out, by frame; they replace landmarks there.
    """
    left: dict[int, list[Sighting]] = {}
    for t in range(len(clip)):
        left[t] = [Sighting([mask], drawn=True) for mask in drawn[t]] if t in drawn else _detected(clip, t)
        progress((t + 1) / len(clip))
    tracks = []
    while any(left.values()):
        start = next(t for t, seen in left.items() if seen)
        track = HandTrack()
        track.add(start, left[start].pop(0))
        for order in (range(start + 1, len(clip)), range(start - 1, -1, -1)):
            _carry(clip, track, start, order, left)
        tracks.append(track)
    _forget_background(clip, tracks)
    return sorted((track for track in tracks if track.masks), key=lambda track: -track.sightings)


def _detected(clip: EmbeddedClip, t: int) -> list[Sighting]:
    """The hands that landmarks show in a frame, each once."""
    kept: list[Sighting] = []
    for seed in find_hands(clip.clip.frames[t], small=True):
        drawn = seed.mask(clip.shape)
        if any((drawn & one.masks[0]).sum() > 0.5 * drawn.sum() for one in kept):
            continue
        masks = hand_masks(clip, t, seed)
        if masks and all(mask_iou(masks[0], one.masks[0]) < SAME_HAND for one in kept):
            kept.append(Sighting(masks, seed.points[list(TIPS)]))
    return kept


def hand_masks(clip: EmbeddedClip, t: int, seed: HandSeed) -> list[np.ndarray]:
    """Return what may be the mask (H, W) bool of a hand with landmarks in a frame; none where the model sees no hand.

    The points of the palm ask for the hand with its bare forearm; with a box around the landmarks for the hand alone.
    What goes on beside them took along what the hand holds.
    """
    drawn, palm = seed.mask(clip.shape), np.zeros(clip.shape, np.uint8)
    cv2.fillConvexPoly(palm, cv2.convexHull(np.round(seed.points[list(PALM)]).astype(np.int32)), 1)
    inside = np.all((seed.points >= 0) & (seed.points < clip.shape[::-1]), axis=1)
    points = np.array([seed.points[i] for i in PALM if inside[i]])
    if len(points) == 0 or not drawn.any():
        return []
    found = []
    for box in (None, box_around(drawn, MARGIN * float(np.sqrt(palm.sum())))):
        cut = clip.cut(t, points, box=box)
        covers = (cut.mask & drawn).sum() > COVERED * drawn.sum() and cut.quality > MIN_QUALITY
        beside = (cut.mask & ~_hand_and_forearm(drawn, seed)).sum()
        if covers and cut.mask.sum() < MOST_PALMS * palm.sum() and beside < MOST_BESIDE * drawn.sum():
            found.append(cut.mask)
    return found


def _hand_and_forearm(drawn: np.ndarray, seed: HandSeed) -> np.ndarray:
    """Where a hand of these landmarks can be, (H, W) bool: about its palm and fingers, and behind its wrist."""
    wrist, knuckle = seed.points[0], seed.points[9]
    length = max(float(np.linalg.norm(knuckle - wrist)), 1.0)
    along = (knuckle - wrist) / length
    rows, columns = np.indices(drawn.shape)
    ahead = (columns - wrist[0]) * along[0] + (rows - wrist[1]) * along[1]
    aside = (columns - wrist[0]) * along[1] - (rows - wrist[1]) * along[0]
    near = cv2.distanceTransform((~drawn).astype(np.uint8), cv2.DIST_L2, 3) < BESIDE * length
    return near | ((ahead < 0.0) & (np.abs(aside) < FOREARM * length))


def _carry(
    clip: EmbeddedClip, track: HandTrack, start: int, order: Sequence[int], left: dict[int, list[Sighting]]
) -> None:
    """Follow a hand along an order of frames; sightings that it meets are its own."""
    mask, before, unseen = track.masks[start], start, 0
    looks = Looks.of(clip.clip.labs[start], mask)
    for t in order:
        expected = clip.carried(mask, before, t)
        met = max(left[t], key=lambda seen: _overlap(seen, expected), default=None)
        if met is not None and _overlap(met, expected) > SAME_HAND:
            left[t] = [seen for seen in left[t] if seen is not met]
            track.add(t, met, expected)
            mask, unseen = track.masks[t], 0
            looks = Looks.of(clip.clip.labs[t], mask)
        else:
            cut, agreement = best_cut(clip, t, looks, expected, np.zeros_like(expected))
            unseen += 1
            if agreement < LOST or unseen > MOST_UNSEEN:
                return
            mask = track.masks[t] = cut.mask
        before = t


def _forget_background(clip: EmbeddedClip, tracks: Sequence[HandTrack]) -> None:
    """Leave out masks that show what is there without a hand too: it has gone from before it, or never was one."""
    labels = np.zeros((len(clip), *clip.shape), np.uint8)
    for track in tracks:
        for t, mask in track.masks.items():
            labels[t][mask] = HAND_LABEL
    background = background_model(clip.clip, labels, clip.clip.plate(0).noise)
    for track in tracks:
        for t, mask in [] if track.drawn else list(track.masks.items()):
            known = mask & background.known
            if known.sum() > STANDS_OUT * mask.sum() and _share_changed(clip, background, t, known) < STANDS_OUT:
                track.forget(t)


def _share_changed(clip: EmbeddedClip, background: BackgroundModel, t: int, where: np.ndarray) -> float:
    return float(changed(clip.clip, background, t)[where].mean())


def _overlap(seen: Sighting, expected: np.ndarray) -> float:
    return max(mask_iou(mask, expected) for mask in seen.masks)
