"""Does an episode show the action? Every predicate of its record, corrected and as published.

The corrected rule is the metric. The published rule (CoRL 2020, arXiv 2011.06813) is kept beside it, defects included,
so that published success rates can be compared with. Both look at the end of the episode; lengths in m, task frame.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import struct

from real2sim_jax.core.actions import Action
from real2sim_jax.core.predicates import (
    AXES,
    AnchorStays,
    Beside,
    HandPoints,
    Lifted,
    MovedBy,
    OnTop,
    PoseWithin,
    TurnedBy,
    Upright,
    degrees,
    unit_vector,
)
from real2sim_jax.core.rotations import (
    azimuth_elevation_from_wxyz,
    conjugate,
    multiply,
    rotate,
    twist,
    wrap,
    wxyz_from_rotvec,
)
from real2sim_jax.data.types import Array
from real2sim_jax.simulation.types import Trajectory

TOP_BELOW, TOP_ABOVE = 0.001, 0.01
MOVING_SPEED = 0.001
"""Speed along the table from which the object counts as moving, m/s."""
HAND_ELEVATION_DEG, HAND_SHARE = 80.0, 0.75

MOVED, ANCHOR = 0, 1
"""Places on a trajectory's object axis."""

Verdict = tuple[Array, Array]
"""By the corrected and by the published rule, () bool each."""


@struct.dataclass
class Success:
    """What one episode achieved; () bool each. Where nothing is asked of the hand it is always ok."""

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
    """Judge one episode; `vmap` over trajectories. An episode with a NaN where a rule looks fails."""
    always = jnp.asarray(True)
    hand: list[Verdict] = [(always, always)]
    thing: list[Verdict] = [(always, always)]
    for one in action.success:
        if isinstance(one, HandPoints):
            hand.append(_hand_points(one, trajectory, _moving(action, trajectory)))
        else:
            thing.append(_RULES[type(one)](one, trajectory))
    (hand_ok, published_hand_ok), (object_ok, published_object_ok) = (
        [jnp.stack(verdicts).all() for verdicts in zip(*found, strict=True)] for found in (hand, thing)
    )
    return Success(hand_ok, object_ok, published_hand_ok, published_object_ok)


def _moving(action: Action, trajectory: Trajectory) -> Array:
    """Whether the moved object moves in each control step (T - 1,): along what is asked for, or else at all."""
    place = trajectory.object_position[:, MOVED, :2]
    steps = place[1:] - place[:-1]
    asked = [unit_vector(one.direction) for one in action.success if isinstance(one, MovedBy)]
    along = jnp.abs(steps @ jnp.asarray(asked, jnp.float32).T) if asked else jnp.linalg.norm(steps, axis=-1)[:, None]
    return (along > MOVING_SPEED * trajectory.dt).any(axis=-1)


def _hand_points(rule: HandPoints, trajectory: Trajectory, moving: Array) -> Verdict:
    azimuth, elevation = azimuth_elevation_from_wxyz(trajectory.gripper_wxyz[:-1])
    flat = jnp.abs(elevation) < jnp.deg2rad(HAND_ELEVATION_DEG)
    error = wrap(azimuth - jnp.deg2rad(degrees(rule.direction)))
    limit = jnp.deg2rad(rule.within_deg)
    all_flat = jnp.all(~moving | flat)
    # The published rule compares the signed error: it accepts -180..90 deg instead of -90..90.
    return all_flat & _in_most(moving, jnp.abs(error) < limit), all_flat & _in_most(moving, error < limit)


def _in_most(chosen: Array, ok: Array) -> Array:
    """Whether `ok` holds in more than three quarters of the chosen samples; False where none is chosen."""
    return jnp.sum(chosen & ok) > HAND_SHARE * jnp.sum(chosen)


def _moved_by(rule: MovedBy, trajectory: Trajectory) -> Verdict:
    way = trajectory.object_position[-1, MOVED, :2] - trajectory.object_position[0, MOVED, :2]
    far = way @ jnp.asarray(unit_vector(rule.direction), jnp.float32) > rule.at_least_m
    return far, far


def _upright(rule: Upright, trajectory: Trajectory) -> Verdict:
    upright = _axis_z(trajectory, MOVED) > np.round(np.cos(np.deg2rad(rule.within_deg)), 12)
    return upright, upright


def _lifted(rule: Lifted, trajectory: Trajectory) -> Verdict:
    # The published rule ignores tilt: a toppled flat cylinder's centre is above half its height.
    published = trajectory.object_position[-1, MOVED, 2] - trajectory.heights[MOVED] / 2.0
    return _centre_to_bottom(trajectory, MOVED)[1] > rule.at_least_m, published > rule.at_least_m


def _beside(rule: Beside, trajectory: Trajectory) -> Verdict:
    moved, anchor = trajectory.object_position[-1, MOVED], trajectory.object_position[-1, ANCHOR]
    low = moved[2] < rule.below_m
    allowed = jnp.deg2rad(jnp.asarray([degrees(one) for one in rule.directions]))

    def placed(offset: Array) -> Array:
        bearing = jnp.arctan2(offset[1], offset[0])
        within = jnp.abs(wrap(bearing - allowed)) < jnp.deg2rad(rule.within_deg)
        return low & (jnp.linalg.norm(offset) < rule.at_most_m) & jnp.any(within)

    # The published rule looks from the anchor's place at the start, the frame's origin.
    return placed(moved[:2] - anchor[:2]), placed(moved[:2])


def _on_top(rule: OnTop, trajectory: Trajectory) -> Verdict:
    moved, anchor = trajectory.object_position[-1, MOVED], trajectory.object_position[-1, ANCHOR]
    radius = trajectory.radii[ANCHOR]
    half, bottom = _centre_to_bottom(trajectory, ANCHOR)
    gap = _centre_to_bottom(trajectory, MOVED)[1] - (bottom + 2.0 * half)
    on_top = (gap > -TOP_BELOW) & (gap < TOP_ABOVE)
    # The published rule ignores tilt and has no upper bound: an object still held high above passes.
    published_gap = moved[2] - trajectory.heights[MOVED] / 2.0 - trajectory.heights[ANCHOR]
    published = (published_gap > -TOP_BELOW) & (jnp.linalg.norm(moved[:2]) < radius)
    return on_top & (jnp.linalg.norm(moved[:2] - anchor[:2]) < radius), published


def _anchor_stays(rule: AnchorStays, trajectory: Trajectory) -> Verdict:
    path = trajectory.object_position[:, ANCHOR]
    # The published rule looks only at x and y.
    published = jnp.linalg.norm(path[-1, :2]) < rule.within_m
    return jnp.linalg.norm(path[-1] - path[0]) < rule.within_m, published


def _turned_by(rule: TurnedBy, trajectory: Trajectory) -> Verdict:
    wxyz = trajectory.object_wxyz[:, MOVED]
    angle = twist(multiply(wxyz[-1], conjugate(wxyz[0])), AXES[rule.axis])
    ok = jnp.abs(wrap(angle - jnp.deg2rad(rule.angle_deg))) < jnp.deg2rad(rule.within_deg)
    return ok, ok


def _pose_within(rule: PoseWithin, trajectory: Trajectory) -> Verdict:
    """Simulated cylinders have no direction around: their turn is that of their axis."""
    poses = jnp.asarray(rule.poses, jnp.float32).reshape(-1, 6)
    near = jnp.linalg.norm(_relative_end(rule, trajectory) - poses[:, :3], axis=-1) < rule.within_m
    start, end = (rotate(trajectory.object_wxyz[i, MOVED], jnp.asarray(AXES["up"])) for i in (0, -1))
    wanted = rotate(wxyz_from_rotvec(jnp.deg2rad(poses[:, 3:])), jnp.broadcast_to(start, (len(poses), 3)))
    turned = jnp.arccos(jnp.clip(wanted @ end, -1.0, 1.0)) < jnp.deg2rad(rule.within_deg)
    ok = (near & turned).any()
    return ok, ok


def _relative_end(rule: PoseWithin, trajectory: Trajectory) -> Array:
    """Where the moved object's bottom ends (3,) m, relative to what the rule says."""
    down = jnp.stack([jnp.zeros(()), jnp.zeros(()), trajectory.heights[MOVED] / 2.0])
    end = trajectory.object_position[-1, MOVED] - down
    if rule.relative_to == "start":
        return end - trajectory.object_position[0, MOVED] + down
    rise = trajectory.heights[ANCHOR] * (rule.relative_to == "anchor_top")
    return end - trajectory.object_position[-1, ANCHOR].at[2].set(rise)


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


_RULES: dict[type, Callable[[Any, Trajectory], Verdict]] = {
    MovedBy: _moved_by,
    Lifted: _lifted,
    Upright: _upright,
    Beside: _beside,
    OnTop: _on_top,
    AnchorStays: _anchor_stays,
    TurnedBy: _turned_by,
    PoseWithin: _pose_within,
}
