"""Where the fit starts: boxes carried back into the scene under an assumed camera elevation.

One video and one start at a time; lengths in units of the camera's distance, as in `parameters.Parameters`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from real2sim_jax.data.types import ANCHOR, HAND, MOVED, Array, BoxTrack, Camera
from real2sim_jax.fitting.parameters import ContactConstraints, Parameters
from real2sim_jax.geometry.cameras import back_project_to_depth, back_project_to_height, look_at_camera
from real2sim_jax.geometry.cuboids import HAND_HALF_EXTENTS_M

TYPICAL_DISTANCE_M = 0.8
GAP = 0.02
TYPICAL_HAND_ELEVATION = 0.35
STEEP_HAND_ELEVATION = 1.0
BORDER_FRACTION = 0.025
"""A side this near the image border, in image widths, lies on it: boxes are drawn a few pixels off."""


@struct.dataclass
class Hypothesis:
    """One hypothesis that boxes alone do not settle; fields may carry a leading axis of starts."""

    elevation: Array
    """() rad, of the camera."""
    on_anchor: Array
    """() bool: the released object stands on the anchor, not on the table."""
    hidden: Array
    """() bool: it stands on the table behind the anchor, which hides its bottom."""
    hand_turn: Array
    """() rad from the direction in which the hand enters the image."""
    from_above: Array
    """() bool: the arm slopes more than the view does, so that an arm from the camera's side enters at the top."""


def cut_sides(boxes: Array, seen: Array, image_size: Array) -> Array:
    """Return which sides (..., 4) of boxes lie on the image border: there the body may go on outside."""
    margin = BORDER_FRACTION * image_size[0]
    low = boxes[..., :2] <= margin
    high = boxes[..., 2:] >= image_size - margin
    return jnp.concatenate([low, high], axis=-1) & seen[..., None]


def fill(values: Array, known: Array) -> Array:
    """Interpolate values (T, ...) linearly over the frames that are not known (T,) bool; held at the ends."""
    frames = jnp.arange(len(known))
    before = jax.lax.cummax(jnp.where(known, frames, -1))
    after = jax.lax.cummin(jnp.where(known, frames, len(known)), reverse=True)
    first = jnp.where(before >= 0, before, jnp.minimum(after, len(known) - 1))
    last = jnp.where(after < len(known), after, first)
    share = (frames - first) / jnp.maximum(last - first, 1)
    share = jnp.clip(share, 0.0, 1.0).reshape(-1, *([1] * (values.ndim - 1)))
    return (1.0 - share) * values[first] + share * values[last]


def initial_guess(observed: BoxTrack, rules: ContactConstraints, start: Hypothesis) -> Parameters:
    """Return a first scene: objects where the bottoms of their boxes meet what they rest on, the hand along its entry.

    While the moved object may be in the air its distance from the camera is taken from the frames around.
    """
    camera = look_at_camera(jnp.ones(()), jnp.zeros(()), start.elevation, observed.image_size)
    seen = observed.seen & observed.valid[:, None]
    anchor_half, anchor_centre = _standing(observed.boxes[:, ANCHOR], seen[:, ANCHOR], jnp.zeros(()), camera)
    anchor = _Standing(anchor_half, anchor_centre)
    half, centre, lift = _moved(observed.boxes[:, MOVED], seen[:, MOVED], rules, start, anchor, camera)
    entry = _entry_azimuth(observed, seen) + start.hand_turn
    azimuth = jnp.where(start.from_above, -entry, entry)
    tip = _tip(observed.boxes[:, HAND], seen[:, HAND], entry, centre, camera)
    still = jnp.zeros(len(seen))
    return Parameters(
        distance=jnp.asarray(TYPICAL_DISTANCE_M),
        elevation=start.elevation,
        half_extents=jnp.stack([jnp.asarray(HAND_HALF_EXTENTS_M) / TYPICAL_DISTANCE_M, half, anchor_half]),
        moved_xy=centre[:, :2],
        moved_lift=lift,
        moved_yaw=still,
        moved_tilt=jnp.zeros((len(seen), 2)),
        anchor_xy=anchor_centre[:2],
        anchor_yaw=jnp.zeros(()),
        hand_position=tip,
        hand_azimuth=still + azimuth,
        hand_elevation=still + jnp.where(start.from_above, STEEP_HAND_ELEVATION, TYPICAL_HAND_ELEVATION),
        hand_reach=jnp.asarray(0.6),
    )


class _Standing(NamedTuple):
    half: Array
    centre: Array


def _standing(boxes: Array, known: Array, support: Array, camera: Camera) -> tuple[Array, Array]:
    """Half extents (3,) and centre (3,) of a body that rests at height `support` in the known frames."""
    weights = known / jnp.maximum(known.sum(), 1)
    box = weights @ boxes
    front = back_project_to_height(_bottom(box), support, camera)
    half = _half_extents(box, front, camera)
    return half, front + jnp.stack([jnp.zeros(()), half[1], half[2]])


def _bottom(boxes: Array) -> Array:
    return jnp.stack([0.5 * (boxes[..., 0] + boxes[..., 2]), boxes[..., 3]], axis=-1)


def _half_extents(box: Array, front: Array, camera: Camera) -> Array:
    """Sizes of an upright body as deep as it is wide whose box is known; `front` is where the box's bottom lies."""
    ce, se = jnp.cos(camera.elevation), jnp.sin(camera.elevation)
    depth = 1.0 + front[1] * ce - front[2] * se
    wide, high = 0.5 * depth * (box[2:] - box[:2]) / camera.focal
    wide = jnp.clip(wide, 0.008, 0.45)
    # A box's height shows the front face and the top, foreshortened.
    tall = (high - wide * se) / jnp.maximum(ce, 0.3)
    return jnp.stack([wide, wide, jnp.clip(tall, 0.3 * wide, 0.45)])


def _moved(
    boxes: Array, seen: Array, rules: ContactConstraints, start: Hypothesis, anchor: _Standing, camera: Camera
) -> tuple[Array, Array, Array]:
    """Half extents (3,), centres (T, 3) and lifts (T,) of the moved object."""
    resting = seen & ~rules.airborne
    lowest = seen & (boxes[:, 3] >= jnp.max(jnp.where(seen, boxes[:, 3], -1.0)))
    known = jnp.where(resting.any(), resting, lowest)
    support = jnp.where(rules.released & start.on_anchor, 2.0 * anchor.half[2], 0.0)
    boxes = fill(boxes, seen)
    behind = anchor.centre[1] + anchor.half[1] + GAP
    in_sight = back_project_to_height(_bottom(boxes), support, camera)
    front = jnp.where(start.hidden, back_project_to_depth(_bottom(boxes), behind, camera), in_sight)
    weights = known / jnp.maximum(known.sum(), 1)
    half = _half_extents(weights @ boxes, weights @ front, camera)
    # Hidden, it reaches down to the table from what shows of it.
    unseen = jnp.where(start.hidden, 0.5 * jnp.clip(weights @ front[:, 2], 0.0, 0.2), 0.0)
    half = half + unseen * jnp.asarray([0.0, 0.0, 1.0])
    front_y = fill(front[:, 1], known)
    in_air = back_project_to_depth(_bottom(boxes), front_y, camera)
    lift = jnp.maximum(in_air[:, 2], 0.002)
    x = jnp.where(rules.airborne, in_air[:, 0], front[:, 0])
    y = jnp.where(rules.airborne, front_y, front[:, 1]) + half[1]
    z = jnp.where(rules.airborne, lift, support) + half[2]
    return half, jnp.stack([x, y, z], axis=-1), lift


def _entry_azimuth(observed: BoxTrack, seen: Array) -> Array:
    """Azimuth () rad in which the arm points: away from the borders that cut it, else from the hand to the object."""
    boxes = observed.boxes
    cut = cut_sides(boxes[:, HAND], seen[:, HAND], observed.image_size)
    wide, high = boxes[:, HAND, 2] - boxes[:, HAND, 0], boxes[:, HAND, 3] - boxes[:, HAND, 1]
    left, top, right, bottom = (jnp.sum(cut[:, i] * (wide if i % 2 else high)) for i in range(4))
    both = seen[:, HAND] & seen[:, MOVED]
    centres = 0.5 * (boxes[..., :2] + boxes[..., 2:])
    ahead = jnp.sum((centres[:, MOVED] - centres[:, HAND]) * both[:, None], axis=0)
    x, y = jnp.where(cut.any(), left - right, ahead[0]), jnp.where(cut.any(), bottom - top, -ahead[1])
    nowhere = (x == 0.0) & (y == 0.0)
    # With no hand in sight it is assumed to come from the side of the camera.
    return jnp.where(nowhere, jnp.pi / 2.0, jnp.arctan2(y, jnp.where(nowhere, 1.0, x)))


def _tip(boxes: Array, seen: Array, azimuth: Array, moved: Array, camera: Camera) -> Array:
    """Tip of the hand (T, 3): the far end of its box in the moved object's plane; the object's centre if never seen."""
    ahead = jnp.stack([jnp.cos(azimuth), -jnp.sin(azimuth)])
    pixels = 0.5 * (boxes[:, :2] + boxes[:, 2:]) + 0.5 * ahead * (boxes[:, 2:] - boxes[:, :2])
    tip = fill(back_project_to_depth(pixels, moved[:, 1], camera), seen)
    tip = jnp.concatenate([tip[:, :2], jnp.maximum(tip[:, 2:], 0.03)], axis=-1)
    return jnp.where(seen.any(), tip, moved)
