"""When the hand holds or pushes the object: from annotated phases, or from the boxes' overlap and motion alone."""

import numpy as np

from real2sim_jax.perception.boxes import gap
from real2sim_jax.types import ANCHOR, HAND, MOVED

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
    share t of its time one has gone 10 t^3 of its way.
    """
    if not (span & seen).any():
        return span
    first, last = np.flatnonzero(span)[[0, -1]]
    way = np.linalg.norm(np.ptp(place[span & seen], axis=0))
    lag = min((SHOWN_DEVIATIONS / max(10.0 * way, 1e-6)) ** (1.0 / 3.0), MAX_LAG_SHARE)
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
