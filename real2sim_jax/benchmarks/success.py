"""Does an episode show the action? One rule per kind of action, corrected and as published.

The corrected rule is the metric. The published rule (CoRL 2020, arXiv 2011.06813) is kept beside it, defects included,
so that published success rates can be compared with. Both look at the end of the episode; lengths in m, task frame.
"""

from collections.abc import Callable

import jax.numpy as jnp
from flax import struct

from real2sim_jax.core.actions import Action, Kind
from real2sim_jax.core.rotations import azimuth_elevation_from_wxyz, wrap
from real2sim_jax.data.types import Array
from real2sim_jax.simulation.types import Trajectory

SLIDE_DISTANCE = 0.05
LIFT_HEIGHT = 0.01
ANCHOR_TOLERANCE = 0.01
PLACE_DISTANCE, PLACE_HEIGHT = 0.5, 0.05
BEARING_TOLERANCE_DEG = 60.0
TOP_BELOW, TOP_ABOVE = 0.001, 0.01
UPRIGHT = 0.5
"""Smallest z component of an upright cylinder's axis."""
MOVING_SPEED = 0.001
"""Speed along x from which the object counts as moving, m/s."""
HAND_AZIMUTH_DEG, HAND_ELEVATION_DEG, HAND_SHARE = 90.0, 80.0, 0.75

MOVED, ANCHOR = 0, 1
"""Places on a trajectory's object axis."""


@struct.dataclass
class Success:
    """What one episode achieved; () bool each. Only slides have a hand rule: elsewhere the hand is always ok."""

    hand_ok: Array
    object_ok: Array
    published_hand_ok: Array
    published_object_ok: Array

    @property
    def ok(self) -> Array:
        """Success by the corrected rule."""
        return self.hand_ok & self.object_ok

    @property
    def published_ok(self) -> Array:
        """Success by the published rule."""
        return self.published_hand_ok & self.published_object_ok


def judge(action: Action, trajectory: Trajectory) -> Success:
    """Judge one episode; `vmap` over trajectories. An episode with a NaN where the rule looks fails."""
    object_ok, published_object_ok = _OBJECT_RULES[action.kind](action, trajectory)
    hand_ok, published_hand_ok = _hand(action, trajectory)
    return Success(hand_ok, object_ok, published_hand_ok, published_object_ok)


def _hand(action: Action, trajectory: Trajectory) -> tuple[Array, Array]:
    if action.hand_azimuth_deg is None:
        return jnp.asarray(True), jnp.asarray(True)
    azimuth, elevation = azimuth_elevation_from_wxyz(trajectory.gripper_wxyz[:-1])
    x = trajectory.object_position[:, MOVED, 0]
    moving = jnp.abs(x[1:] - x[:-1]) > MOVING_SPEED * trajectory.dt
    flat = jnp.abs(elevation) < jnp.deg2rad(HAND_ELEVATION_DEG)
    error = wrap(azimuth - jnp.deg2rad(action.hand_azimuth_deg))
    limit = jnp.deg2rad(HAND_AZIMUTH_DEG)
    all_flat = jnp.all(~moving | flat)
    # The published rule compares the signed error: it accepts -180..90 deg instead of -90..90.
    return all_flat & _in_most(moving, jnp.abs(error) < limit), all_flat & _in_most(moving, error < limit)


def _in_most(chosen: Array, ok: Array) -> Array:
    """Whether `ok` holds in more than three quarters of the chosen samples; False where none is chosen."""
    return jnp.sum(chosen & ok) > HAND_SHARE * jnp.sum(chosen)


def _slide(action: Action, trajectory: Trajectory) -> tuple[Array, Array]:
    far = action.direction * trajectory.object_position[-1, MOVED, 0] > SLIDE_DISTANCE
    ok = far & (_axis_z(trajectory, MOVED) > UPRIGHT)
    return ok, ok


def _lift(action: Action, trajectory: Trajectory) -> tuple[Array, Array]:
    # The published rule ignores tilt: a toppled flat cylinder's centre is above half its height.
    published = trajectory.object_position[-1, MOVED, 2] - trajectory.heights[MOVED] / 2.0
    return _centre_to_bottom(trajectory, MOVED)[1] > LIFT_HEIGHT, published > LIFT_HEIGHT


def _beside(action: Action, trajectory: Trajectory) -> tuple[Array, Array]:
    moved, anchor = trajectory.object_position[-1, MOVED], trajectory.object_position[-1, ANCHOR]
    low = moved[2] < PLACE_HEIGHT

    def placed(offset: Array) -> Array:
        bearing = jnp.arctan2(offset[1], offset[0])
        allowed = jnp.deg2rad(jnp.asarray(action.bearings_deg))
        within = jnp.abs(wrap(bearing - allowed)) < jnp.deg2rad(BEARING_TOLERANCE_DEG)
        return low & (jnp.linalg.norm(offset) < PLACE_DISTANCE) & jnp.any(within)

    # The published rule looks from the anchor's place at the start, the frame's origin, and only at x and y.
    corrected = placed(moved[:2] - anchor[:2]) & _anchor_stayed(trajectory)
    return corrected, placed(moved[:2]) & (jnp.linalg.norm(anchor[:2]) < ANCHOR_TOLERANCE)


def _onto(action: Action, trajectory: Trajectory) -> tuple[Array, Array]:
    moved, anchor = trajectory.object_position[-1, MOVED], trajectory.object_position[-1, ANCHOR]
    radius = trajectory.radii[ANCHOR]
    half, bottom = _centre_to_bottom(trajectory, ANCHOR)
    gap = _centre_to_bottom(trajectory, MOVED)[1] - (bottom + 2.0 * half)
    on_top = (gap > -TOP_BELOW) & (gap < TOP_ABOVE)
    corrected = on_top & (jnp.linalg.norm(moved[:2] - anchor[:2]) < radius) & _anchor_stayed(trajectory)
    # The published rule ignores tilt and has no upper bound: an object still held high above passes.
    published_gap = moved[2] - trajectory.heights[MOVED] / 2.0 - trajectory.heights[ANCHOR]
    published = (published_gap > -TOP_BELOW) & (jnp.linalg.norm(moved[:2]) < radius)
    return corrected, published & (jnp.linalg.norm(anchor[:2]) < ANCHOR_TOLERANCE)


def _anchor_stayed(trajectory: Trajectory) -> Array:
    path = trajectory.object_position[:, ANCHOR]
    return jnp.linalg.norm(path[-1] - path[0]) < ANCHOR_TOLERANCE


def _axis_z(trajectory: Trajectory, body: int) -> Array:
    """z component of a cylinder's axis at the end."""
    x, y = trajectory.object_wxyz[-1, body, 1], trajectory.object_wxyz[-1, body, 2]
    return 1.0 - 2.0 * (x * x + y * y)


def _centre_to_bottom(trajectory: Trajectory, body: int) -> tuple[Array, Array]:
    """Half the vertical extent and the height of the lowest point of a tilted cylinder at the end."""
    axis = _axis_z(trajectory, body)
    flat = jnp.sqrt(jnp.maximum(0.0, 1.0 - axis * axis))
    half = trajectory.heights[body] / 2.0 * jnp.abs(axis) + trajectory.radii[body] * flat
    return half, trajectory.object_position[-1, body, 2] - half


_OBJECT_RULES: dict[Kind, Callable[[Action, Trajectory], tuple[Array, Array]]] = {
    "slide": _slide,
    "lift": _lift,
    "beside": _beside,
    "onto": _onto,
}
