"""What a good scene is: named terms, each the mean over valid frames of squared errors in units of their scale.

A term of 1 means "off by as much as is usual"; the loss is their sum.
"""

from dataclasses import fields
from typing import Any

import jax
import jax.numpy as jnp

from real2sim_jax.config.fitting import Scales
from real2sim_jax.core.rotations import conjugate, rotate
from real2sim_jax.data.types import ANCHOR, HAND, MOVED, Array, BoxTrack, CuboidTrack
from real2sim_jax.fitting.initial import cut_sides
from real2sim_jax.fitting.parameters import ContactConstraints, Parameters, shown_position
from real2sim_jax.geometry.cameras import rotation_camera_world
from real2sim_jax.geometry.cuboids import body_centres, penetration, vertical_half_extent
from real2sim_jax.rendering.boxes import soft_boxes
from real2sim_jax.rendering.occlusion import trim_hidden


def _parts(scales: Scales) -> tuple[tuple[Any, ...], None]:
    return tuple(getattr(scales, one.name) for one in fields(Scales)), None


def _of_parts(_: None, parts: tuple[Any, ...]) -> Scales:
    """Without the checks: in a program its numbers are traced."""
    scales = object.__new__(Scales)
    for one, value in zip(fields(Scales), parts, strict=True):
        object.__setattr__(scales, one.name, value)
    return scales


# Arguments of the program, not constants in it: other scales need no other program.
jax.tree_util.register_pytree_node(Scales, _parts, _of_parts)


def loss_terms(
    track: CuboidTrack, p: Parameters, observed: BoxTrack, rules: ContactConstraints, on_anchor: Array, s: Scales
) -> dict[str, Array]:
    """Return every term by name, scalars; `p` are the decoded quantities of the scene `track`."""
    valid = observed.valid
    supported = rules.released & on_anchor & valid
    return {
        "boxes": box_term(track, p, observed, rules, s),
        "hand_acceleration": _acceleration(track.position[:, HAND], valid, track.dt, s.acceleration_m_s2),
        "moved_acceleration": _acceleration(track.position[:, MOVED], valid, track.dt, s.acceleration_m_s2),
        "hand_turning": _acceleration(_angles(p), valid, track.dt, s.angular_acceleration_rad_s2),
        "hand_turned": _spread(_angles(p), valid, s.hand_turned_rad),
        "moved_turning": _acceleration(_turns(p, rules), valid, track.dt, s.angular_acceleration_rad_s2),
        "penetration": rules.present[ANCHOR] * _mean((penetration_depth(track) / s.contact_m) ** 2, valid),
        "support": _mean(_off_anchor(track, s), supported) * supported.any(),
        "hand_above_table": _mean((_sunk(track) / s.contact_m) ** 2, valid),
        "moved_posture": _mean(jnp.sum((_turns(p, rules) / s.turn_rad) ** 2, axis=-1), valid),
        "carried": _mean(_deviation(p.moved_lift * p.distance, s.carried_m), rules.airborne & valid),
        "sizes": _object_sizes(track, rules, s),
        "depth": _object_depth(track, rules, s),
        "hand_size": _deviation(jnp.log(track.half_extents[HAND, 0]), s.log_hand_radius),
        "camera": _deviation(p.elevation, s.camera_elevation_rad),
    }


def total(terms: dict[str, Array]) -> Array:
    """Return the sum of the terms, ()."""
    return sum(terms.values(), jnp.zeros(()))


def box_term(track: CuboidTrack, p: Parameters, observed: BoxTrack, rules: ContactConstraints, s: Scales) -> Array:
    """Return the box sides' robust squared errors, summed over bodies and sides, mean over frames.

    A side on the image border is only known to reach it: there the body may go on outside for nothing.
    """
    seen = observed.seen & observed.valid[:, None] & rules.present
    cut = cut_sides(observed.boxes, seen, observed.image_size)
    shown = shown_position(track, p.hand_reach)
    boxes = soft_boxes(track.half_extents, shown, track.wxyz, track.camera, cut)
    boxes = without_hidden(boxes, track, rules.present)
    outward = jnp.asarray([-1.0, -1.0, 1.0, 1.0])
    error = outward * (boxes - observed.boxes)
    error = jnp.where(cut, jnp.minimum(error, 0.0), error) / (s.side_fraction * observed.image_size[0])
    return jnp.sum(huber(error, s.robust) * seen[..., None]) / jnp.maximum(observed.valid.sum(), 1)


def without_hidden(boxes: Array, track: CuboidTrack, present: Array) -> Array:
    """Return boxes (T, 3, 4) px in which moved object and anchor hide what they cover of each other."""
    forward = rotation_camera_world(track.camera)[2]
    depth = jnp.sum(track.position[:, MOVED:] * forward, axis=-1)
    ahead = (depth[:, 0] - depth[:, 1]) / (0.02 * track.camera.distance)
    behind = jax.nn.sigmoid(jnp.stack([ahead, -ahead], axis=1)) * present[ANCHOR]
    objects = trim_hidden(boxes[:, MOVED:], boxes[:, :HAND:-1], behind)
    return jnp.concatenate([boxes[:, :MOVED], objects], axis=1)


def huber(error: Array, limit: float) -> Array:
    """Return error^2 up to `limit` and 2 limit |error| - limit^2 beyond (Huber, 1964, times two)."""
    size = jnp.abs(error)
    return jnp.where(size <= limit, error * error, 2.0 * limit * size - limit * limit)


def penetration_depth(track: CuboidTrack) -> Array:
    """Return how deep the moved object is inside the anchor, (T,) m."""
    half, position, wxyz = track.half_extents, track.position, track.wxyz
    return penetration(
        half[MOVED], position[:, MOVED], wxyz[:, MOVED], half[ANCHOR], position[:, ANCHOR], wxyz[:, ANCHOR]
    )


def _mean(values: Array, where: Array) -> Array:
    return jnp.sum(jnp.where(where, values, 0.0)) / jnp.maximum(jnp.sum(where), 1)


def _deviation(value: Array, usual: tuple[float, float]) -> Array:
    return ((value - usual[0]) / usual[1]) ** 2


def _acceleration(values: Array, valid: Array, dt: Array, scale: float) -> Array:
    """Second differences of values (T, n) over dt^2, as squared multiples of `scale`."""
    second = (values[2:] - 2.0 * values[1:-1] + values[:-2]) / (dt * dt * scale)
    return _mean(jnp.sum(second * second, axis=-1), valid[2:])


def _spread(values: Array, valid: Array, scale: float) -> Array:
    """Variance of values (T, n) over the valid frames, in units of `scale`."""
    mean = jnp.sum(jnp.where(valid[:, None], values, 0.0), axis=0) / jnp.maximum(valid.sum(), 1)
    return _mean(jnp.sum(((values - mean) / scale) ** 2, axis=-1), valid)


def _angles(p: Parameters) -> Array:
    return jnp.stack([p.hand_azimuth, p.hand_elevation], axis=-1)


def _turns(p: Parameters, rules: ContactConstraints) -> Array:
    tilt = jnp.where(rules.airborne[:, None], p.moved_tilt, 0.0)
    return jnp.concatenate([p.moved_yaw[:, None], tilt], axis=-1)


def _off_anchor(track: CuboidTrack, s: Scales) -> Array:
    apart = rotate(conjugate(track.wxyz[:, ANCHOR]), track.position[:, MOVED] - track.position[:, ANCHOR])
    # Beyond each edge by one unit: a penalty alone stops just short of it, and what stands on an edge falls.
    beyond = jnp.maximum((jnp.abs(apart[:, :2]) - track.half_extents[ANCHOR, :2]) / s.contact_m + 1.0, 0.0)
    return jnp.sum(beyond**2, axis=-1)


def _sunk(track: CuboidTrack) -> Array:
    """How far the hand's lowest corner is below the table, (T,) m."""
    centres = body_centres(track.half_extents, track.position, track.wxyz)[:, HAND]
    reach = vertical_half_extent(track.half_extents[HAND], track.wxyz[:, HAND])
    return jnp.maximum(reach - centres[:, 2], 0.0)


def _object_sizes(track: CuboidTrack, rules: ContactConstraints, s: Scales) -> Array:
    terms = _deviation(jnp.log(track.half_extents[MOVED:]), s.log_half_extent)
    return jnp.sum(terms * rules.present[MOVED:, None])


def _object_depth(track: CuboidTrack, rules: ContactConstraints, s: Scales) -> Array:
    ratio = jnp.log(track.half_extents[MOVED:, 1] / track.half_extents[MOVED:, 0])
    return jnp.sum((ratio / s.log_depth_over_width) ** 2 * rules.present[MOVED:])
