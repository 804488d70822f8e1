"""Where the scene's bodies lie in qpos and qvel: addresses found once, by name."""

import jax.numpy as jnp
import mujoco

from real2sim_jax.core.poses import Pose
from real2sim_jax.data.types import Array

OBJECT_NAMES = ("moved", "anchor")
FINGER_NAMES = ("left", "right")


class Joints:
    """The free joints of the gripper and of the objects, and the fingers' sliders."""

    def __init__(self, model: mujoco.MjModel, objects: int):
        """Look the joints of a scene with so many objects up; KeyError where it has none of such a name."""
        self._gripper = _free(model, "gripper")
        self._objects = [_free(model, name) for name in OBJECT_NAMES[:objects]]
        self._fingers = [int(model.joint(name).qposadr[0]) for name in FINGER_NAMES]

    def gripper(self, qpos: Array) -> Pose:
        """Return the pose of the gripper frame; its fields (..., 3) m and (..., 4)."""
        return _pose(qpos[..., self._gripper[0]])

    def objects(self, qpos: Array) -> Pose:
        """Return the poses of the objects; its fields (..., O, 3) m and (..., O, 4)."""
        return _pose(jnp.stack([qpos[..., place] for place, _ in self._objects], axis=-2))

    def fingers(self, qpos: Array) -> tuple[Array, Array]:
        """Return how far each finger is from the middle, (...) m."""
        left, right = (qpos[..., place] for place in self._fingers)
        return left, right

    def opening(self, qpos: Array) -> Array:
        """Return how far the fingers are from the middle on average, (...) m."""
        left, right = self.fingers(qpos)
        return 0.5 * (left + right)

    def object_velocities(self, qvel: Array) -> Array:
        """Return the objects' velocities (..., O, 6): linear in world axes m/s, angular in body axes rad/s."""
        return jnp.stack([qvel[..., place] for _, place in self._objects], axis=-2)

    def with_gripper_velocity(self, qvel: Array, linear: Array, angular: Array) -> Array:
        """Return qvel (...,) in which the gripper moves by linear (3,) m/s in world and angular (3,) in body axes."""
        return qvel.at[self._gripper[1]].set(jnp.concatenate([linear, angular]))


def _free(model: mujoco.MjModel, name: str) -> tuple[slice, slice]:
    """Where a free joint lies in qpos and in qvel."""
    joint = model.joint(name)
    q, v = int(joint.qposadr[0]), int(joint.dofadr[0])
    return slice(q, q + 7), slice(v, v + 6)


def _pose(qpos: Array) -> Pose:
    return Pose(qpos[..., :3], qpos[..., 3:])
