"""What the policy sees and what its output means: the one layout that simulator, benchmark and robot share."""

from typing import Any

import numpy as np

from real2sim_jax.core.arrays import namespace
from real2sim_jax.core.clock import ACTING_S, EPISODE_S
from real2sim_jax.core.rotations import matrix_from_wxyz, rotvec_from_wxyz, wxyz_from_rotvec

Array = Any

MAX_LINEAR_M_S = 0.3
MAX_ANGULAR_RAD_S = np.pi
ACTION_SIZE = 7
FORCED_AFTER_S = ACTING_S[1]
"""From then on the fingers are forced open (closed where the action ends holding), in training and on the robot."""

POLICY_FIELDS = (
    "time",
    "gripper_x",
    "gripper_y",
    "gripper_z",
    "gripper_rotvec_x",
    "gripper_rotvec_y",
    "gripper_rotvec_z",
    "opening",
)
"""Names of the policy's observation, in order: t / 10 s, m, rad, m."""
OBJECT_FIELDS = ("object_x", "object_y", "object_z", "object_axis_x", "object_axis_y", "object_axis_z")
"""Follow where a policy sees the moved object too: its centre in the task frame, m, and the direction of its axis."""
PLACE_FIELDS = ("moved_x", "moved_y")
"""Follow where the moved object is fetched from the table: where it stood at the start, in the task frame, m."""
LAYOUTS = tuple(POLICY_FIELDS + more for more in ((), OBJECT_FIELDS, PLACE_FIELDS, PLACE_FIELDS + OBJECT_FIELDS))
LAYOUT_OF = {len(layout): layout for layout in LAYOUTS}
"""By the number of what is observed."""


def observation(time: Array, position: Array, wxyz: Array, opening: Array) -> Array:
    """Return the policy's observation (..., 8).

    time (...,) s since the start; position (..., 3) m of the gripper frame in the task frame (world axes, origin on
    the table where the demonstration's origin is); wxyz (..., 4); opening (...,) m of one finger from the middle.
    """
    xp = namespace(time, position, wxyz, opening)
    head = (time / EPISODE_S)[..., None]
    return xp.concatenate([head, position, rotvec_from_wxyz(wxyz), opening[..., None]], axis=-1)


def features(obs: Array) -> Array:
    """Return what the network reads of observations (..., len(layout)): (..., feature_size(layout)).

    Rotation vectors jump at half a turn, so the network gets two axes of the rotation matrix instead; time comes
    with three sines and cosines so that a change of behaviour within a second can be expressed. The object comes where
    it is and as the gripper sees it.
    """
    layout = LAYOUT_OF[obs.shape[-1]]
    xp = namespace(obs)
    time, position, rotvec, opening = obs[..., :1], obs[..., 1:4], obs[..., 4:7], obs[..., 7:8]
    matrix = matrix_from_wxyz(wxyz_from_rotvec(rotvec))
    waves = [f(k * np.pi * time) for k in (1, 2, 4) for f in (xp.sin, xp.cos)]
    fingers_axis, approach_axis = matrix[..., :, 1], matrix[..., :, 2]
    scaled = [2.0 * time - 1.0, *waves, 5.0 * position, fingers_axis, approach_axis, 20.0 * opening - 0.75]
    if PLACE_FIELDS[0] in layout:
        scaled.append(5.0 * place_of(obs))
    if OBJECT_FIELDS[0] in layout:
        centre, axis = obs[..., -6:-3], obs[..., -3:]
        held = ((centre - position)[..., None, :] @ matrix)[..., 0, :]
        scaled += [5.0 * centre, 5.0 * held, axis]
    return xp.concatenate(scaled, axis=-1)


def place_of(obs: Array) -> Array:
    """Return where the moved object stood (..., 2) m, of observations whose layout has it."""
    first = len(POLICY_FIELDS)
    return obs[..., first : first + len(PLACE_FIELDS)]


FEATURE_SIZE = 17


def feature_size(observed: int) -> int:
    """Return how many features an observation of a layout's length has."""
    layout = LAYOUT_OF[observed]
    return FEATURE_SIZE + 2 * (PLACE_FIELDS[0] in layout) + 9 * (OBJECT_FIELDS[0] in layout)


def command(action: Array, max_opening_m: float) -> tuple[Array, Array, Array]:
    """Return the twist and the finger opening that actions (..., 7) in [-1, 1] ask for.

    Linear velocity (..., 3) m/s and angular velocity (..., 3) rad/s of the gripper frame along world axes, opening
    (...,) m of one finger from the middle, up to the gripper's max_opening_m.
    """
    linear = MAX_LINEAR_M_S * action[..., 0:3]
    angular = MAX_ANGULAR_RAD_S * action[..., 3:6]
    return linear, angular, max_opening_m * 0.5 * (action[..., 6] + 1.0)


def forced_opening(last_m: float, time: float, opening: float, dt: float) -> float:
    """Return the opening in m that is sent at a time in s: the policy's own, or from FORCED_AFTER_S on the last one.

    last_m: closed where the action ends with the object held, or else fully open.
    """
    return opening if time < FORCED_AFTER_S - 0.5 * dt else last_m
