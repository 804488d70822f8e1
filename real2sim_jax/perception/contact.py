"""When the hand holds or pushes the object: from annotated phases, or from overlap and motion of boxes or masks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from real2sim_jax.core.actions import IMITATIONS, Action
from real2sim_jax.data.types import ANCHOR, HAND, MOVED
from real2sim_jax.perception.boxes import gap

NEAR_FRACTION = 0.03
"""Boxes closer than this fraction of the image width may touch."""
NOISE_FRACTION = 0.005
"""Deviation of the centre of a resting object's boxes, of the image width."""
MOVING_COST = 4.5
"""A frame in which the object need not rest costs as much as a rest error of about two deviations."""
HIDDEN_COST = 0.7
"""A frame in which the object should rest in sight of nobody but the hand costs a little."""
SHOWN_DEVIATIONS = 2.0
"""Motion shows when it exceeds this many deviations of a box's centre."""
MAX_LAG_SHARE = 0.3
AT_PLACE = 0.95
"""A mask is where it was when this share of what shows of it is."""


def contact_in_phase(
    boxes: np.ndarray, seen: np.ndarray, start: int, stop: int, holds_on: bool = False, arrives_held: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return touching and acting, (T,) bool, for an action phase of frames start..stop - 1.

    The contact is the part of the phase from the first to the last frame in which the boxes of hand and object overlap;
    all of it when they never do. holds_on: the object stays in the hand after the phase. arrives_held: it may come into
    view in the hand, and then the contact goes back to the first frame in which they overlap.
    """
    frames = np.arange(len(boxes))
    acting = (frames >= start) & (frames < stop)
    overlaps = seen[:, HAND] & seen[:, MOVED] & (gap(boxes[:, HAND], boxes[:, MOVED]) <= 0.0)
    meets = overlaps & (acting | (arrives_held & (frames < start)))
    touching = _span(meets) if meets.any() else acting.copy()
    return (np.cumsum(touching) > 0 if holds_on else touching), acting


def contact_from_boxes(
    boxes: np.ndarray, seen: np.ndarray, image_size: np.ndarray, holds_on: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return touching and acting, (T,) bool, from boxes (T, B, 4) px alone.

    The action is the span in which the moved object does not rest: the span outside of which its boxes are best
    explained by one place before and one place after. An object that comes into view in the hand has no place before.
    Where the hand is never near in that span, its boxes decide nothing; with no span at all every frame acts.
    """
    noise = NOISE_FRACTION * float(image_size[0])
    centres = 0.5 * (boxes[..., :2] + boxes[..., 2:])
    place = _relative(centres, seen)
    moving = _moving_span(place / noise, seen[:, MOVED], hidden=seen[:, HAND] & ~seen[:, MOVED])
    span = _whole_motion(moving, place / noise, seen[:, MOVED])
    near = seen[:, HAND] & seen[:, MOVED] & (gap(boxes[:, HAND], boxes[:, MOVED]) <= NEAR_FRACTION * image_size[0])
    if not span.any():
        return near, np.ones(len(boxes), bool)
    return (span | (np.cumsum(span) > 0) if holds_on else span), span


def holds_on(action: Action, boxes: np.ndarray, seen: np.ndarray, image_size: np.ndarray) -> bool:
    """Whether the object stays in the hand: what the action says, or where it is imitated the last boxes, px."""
    if action.name not in IMITATIONS or not seen[:, MOVED].any():
        return action.ends_holding
    last = np.flatnonzero(seen[:, MOVED])[-1]
    near = gap(boxes[last, HAND], boxes[last, MOVED]) <= NEAR_FRACTION * float(image_size[0])
    return bool(seen[last, HAND] and near)


@dataclass(frozen=True)
class Contact:
    """When the hand touches and when the action happens."""

    touching: np.ndarray
    """(T,) bool."""
    acting: np.ndarray
    """(T,) bool."""
    confidence: np.ndarray
    """(T,) share of the cues (masks that meet, motion together, finger tips) that agree with `touching`."""

    def phases(self) -> list[str]:
        """Return approach, action or leave for each frame."""
        acting = np.flatnonzero(self.acting)
        first, last = (acting[0], acting[-1]) if len(acting) else (0, len(self.acting))
        return ["approach" if t < first else "action" if t <= last else "leave" for t in range(len(self.acting))]


def contact_from_masks(
    masks: np.ndarray, boxes: np.ndarray, seen: np.ndarray, tips: Mapping[int, np.ndarray], holds_on: bool = False
) -> Contact:
    """Return contact and action from masks (T, B, H, W) bool, the boxes (T, B, 4) px around them and seen (T, B).

    tips: finger tips (5, 2) px by frame, where landmarks were found. What shows of a resting object is where it was,
    however much of it the hand hides: the action is the span in which that is not so. How sure that is tell the masks'
    gap, their motions and the tips.
    """
    width = float(masks.shape[3])
    place = 0.5 * (boxes[:, MOVED, :2] + boxes[:, MOVED, 2:]) / (NOISE_FRACTION * width)
    span = _whole_motion(_away(masks[:, MOVED], seen[:, MOVED]), place, seen[:, MOVED])
    meets = np.array([mask_gap(hand, thing) <= NEAR_FRACTION * width for hand, thing in masks[:, (HAND, MOVED)]])
    acting = span if span.any() else np.ones(len(masks), bool)
    touching = span & _span(meets & span) if (meets & span).any() else meets & ~span.any()
    if holds_on and touching.any():
        touching = np.cumsum(touching) > 0
    joint = _joint_motion(boxes, seen, width, touching)
    votes = (meets == touching) + np.nan_to_num(joint)
    voters = 1.0 + np.isfinite(joint)
    for t, points in tips.items():
        near = mask_gap(_drawn(points, masks.shape[2:]), masks[t, MOVED]) <= NEAR_FRACTION * width
        votes[t], voters[t] = votes[t] + (near == touching[t]), voters[t] + 1
    return Contact(touching, acting, votes / voters)


def hinted_contact(found: Contact, spans: Sequence[tuple[int, int]]) -> Contact:
    """Return the contact with the touching frames, first to last of each span, that the user named.

    The action keeps within them: it is what the masks say of them, or all of them where that is nothing.
    """
    index = np.arange(len(found.touching))
    touching = np.any([(index >= first) & (index <= last) for first, last in spans], axis=0)
    acting = found.acting & _span(touching)
    return Contact(touching, acting if acting.any() else _span(touching), np.ones(len(index)))


def _away(masks: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return the frames (T,) bool from where masks (T, H, W) leave their first place to where they reach their last."""
    frames, index = np.flatnonzero(seen), np.arange(len(masks))
    if len(frames) == 0:
        return np.zeros(len(masks), bool)
    reach = 2 * max(1, round(SHOWN_DEVIATIONS * NOISE_FRACTION * masks.shape[2])) + 1
    left, reached = frames[0], frames[-1]
    start, end = (cv2.dilate(masks[t].astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0 for t in frames[[0, -1]])
    resting = [t for t in frames if (masks[t] & start).sum() > AT_PLACE * masks[t].sum()]
    arrived = [t for t in frames if (masks[t] & end).sum() <= AT_PLACE * masks[t].sum()]
    left, reached = max(resting), max(arrived, default=-1)
    return (index > left) & (index <= reached)


def mask_gap(a: np.ndarray, b: np.ndarray) -> float:
    """Return the distance px between two masks (H, W) bool, infinite where one is empty."""
    if not a.any() or not b.any():
        return float("inf")
    return float(cv2.distanceTransform((~a).astype(np.uint8), cv2.DIST_L2, 3)[b].min())


def _drawn(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    x, y = np.round(points).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < shape[1]) & (y < shape[0])
    mask[y[inside], x[inside]] = True
    return mask


def _joint_motion(boxes: np.ndarray, seen: np.ndarray, width: float, touching: np.ndarray) -> np.ndarray:
    """Whether moving alike agrees with `touching`, (T,) 0 or 1; NaN where the object rests or one is not seen."""
    centres = 0.5 * (boxes[..., :2] + boxes[..., 2:])
    speed = np.gradient(centres, axis=0)
    moved, hand = speed[:, MOVED], speed[:, HAND]
    size = np.linalg.norm(moved, axis=-1)
    alike = np.linalg.norm(moved - hand, axis=-1) < 0.5 * size
    told = (size > NOISE_FRACTION * width) & seen[:, HAND] & seen[:, MOVED]
    return np.where(told, alike == touching, np.nan)


def _moving_span(place: np.ndarray, seen: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Return the frames (T,) bool start..stop - 1 that minimise rest error outside plus a constant inside.

    place (T, 2) in units of its noise. An object that is hidden while the hand shows may be in it. Both rest errors for
    every start and stop come from running sums.
    """
    frames = len(place)
    before = _rest_error(place, seen)
    after = _rest_error(place[::-1], seen[::-1])[::-1]
    inside = np.concatenate([[0.0], np.cumsum(seen * MOVING_COST)])
    inside -= np.concatenate([[0.0], np.cumsum(hidden * HIDDEN_COST)])
    cost = before[:, None] + after[None, :] + inside[None, :] - inside[:, None]
    cost[np.tril_indices(frames + 1, -1)] = np.inf
    start, stop = np.unravel_index(np.argmin(cost), cost.shape)
    index = np.arange(frames)
    return (index >= start) & (index < stop)


def _whole_motion(span: np.ndarray, place: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Widen the frames in which motion shows to all of the motion: a hand starts and stops slowly.

    place (T, 2) in units of its noise. Motions have minimum jerk (Flash and Hogan, J. Neurosci. 1985): after a small
    share t of its time one has gone 10 t^3 of its path.
    """
    if not (span & seen).any():
        return span
    first, last = np.flatnonzero(span)[[0, -1]]
    length = np.linalg.norm(np.ptp(place[span & seen], axis=0))
    lag = min((SHOWN_DEVIATIONS / max(10.0 * length, 1e-6)) ** (1.0 / 3.0), MAX_LAG_SHARE)
    frames = round((last - first + 1) * lag / (1.0 - 2.0 * lag))
    index = np.arange(len(span))
    # What moves when it first shows was moved before.
    arrives = first <= np.flatnonzero(seen)[0]
    return ((index >= first - frames) | arrives) & (index <= last + frames)


def _rest_error(place: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Squared distance of the first n seen places from their mean, for n = 0 .. T: (T + 1,)."""
    weight = seen.astype(float)
    count = np.concatenate([[0.0], np.cumsum(weight)])
    total = np.concatenate([np.zeros((1, 2)), np.cumsum(weight[:, None] * place, axis=0)])
    squares = np.concatenate([[0.0], np.cumsum(weight * np.sum(place**2, axis=-1))])
    return squares - np.sum(total**2, axis=-1) / np.maximum(count, 1.0)


def _relative(centres: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Centres (T, 2) px of the moved object, less the smoothed motion of an anchor that is seen nearly always."""
    moved = centres[:, MOVED]
    if centres.shape[1] <= ANCHOR or seen[:, ANCHOR].mean() < 0.8:
        return moved
    anchor = _filled(centres[:, ANCHOR], seen[:, ANCHOR])
    window = np.ones(7) / 7.0
    smooth = [np.convolve(np.pad(anchor[:, i], 3, mode="edge"), window, mode="valid") for i in range(2)]
    return moved - np.stack(smooth, axis=-1)


def _filled(centres: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Centres (T, 2) px with the holes interpolated."""
    frames = np.flatnonzero(seen)
    return np.stack([np.interp(np.arange(len(seen)), frames, centres[frames, axis]) for axis in range(2)], axis=-1)


def _span(mask: np.ndarray) -> np.ndarray:
    """Fill a mask from its first to its last frame."""
    where = np.flatnonzero(mask)
    frames = np.arange(len(mask))
    return (frames >= where[0]) & (frames <= where[-1])
