"""A Franka arm's kinematics in numpy: where the gripper is for given joints, and the Jacobian."""

from dataclasses import dataclass, field

import numpy as np

from real2sim_jax.core.gripper import PUBLISHED
from real2sim_jax.core.rotations import matrix_from_wxyz, multiply, rotvec_from_wxyz, wxyz_from_rotvec

# Modified Denavit-Hartenberg parameters of Panda and FR3 (Franka Control Interface documentation), m and rad.
A_M = (0.0, 0.0, 0.0, 0.0825, -0.0825, 0.0, 0.088)
D_M = (0.333, 0.0, 0.316, 0.0, 0.384, 0.0, 0.0)
ALPHA_RAD = (0.0, -np.pi / 2, np.pi / 2, np.pi / 2, -np.pi / 2, np.pi / 2, np.pi / 2)
FLANGE_M = 0.107
HAND_TURN_RAD = -np.pi / 4
"""The hand is screwed to the flange at an angle; its fingers then open along its y."""
HOME_RAD = np.array([0.0, -0.4, 0.0, -2.2, 0.0, 1.85, 0.785])


@dataclass(frozen=True)
class Chain:
    """The arm from its base to the gripper frame."""

    tool_m: float = PUBLISHED.mount_m
    """From the flange to the gripper frame along the approach axis."""
    flipped: bool = False
    """Take the gripper's frame turned by half a turn about its approach axis: its two fingers are alike."""
    _fixed: np.ndarray = field(init=False, repr=False, default_factory=lambda: _fixed_parts())

    def frames(self, q: np.ndarray) -> np.ndarray:
        """Return the poses (..., 8, 4, 4) of the joints' frames and the gripper's in the base frame, for q (..., 7)."""
        c, s = np.cos(q), np.sin(q)
        turns = np.zeros((*q.shape, 4, 4))
        turns[..., 0, 0], turns[..., 0, 1], turns[..., 1, 0], turns[..., 1, 1] = c, -s, s, c
        turns[..., 2, 2] = turns[..., 3, 3] = 1.0
        steps, frames = self._fixed @ turns, np.empty((*q.shape[:-1], 8, 4, 4))
        frames[..., 0, :, :] = steps[..., 0, :, :]
        for i in range(1, 7):
            frames[..., i, :, :] = frames[..., i - 1, :, :] @ steps[..., i, :, :]
        frames[..., 7, :, :] = frames[..., 6, :, :] @ self._tool()
        return frames

    def jacobian(self, frames: np.ndarray) -> np.ndarray:
        """Return the gripper frame's Jacobian (..., 6, 7), linear above angular, in base axes, for the frames."""
        axes, origins = frames[..., :7, :3, 2], frames[..., :7, :3, 3]
        arms = frames[..., 7:, :3, 3] - origins
        # Written out: numpy's cross product costs more than the rest of this function.
        x, y, z = axes[..., 0], axes[..., 1], axes[..., 2]
        a, b, c = arms[..., 0], arms[..., 1], arms[..., 2]
        return np.stack([y * c - z * b, z * a - x * c, x * b - y * a, x, y, z], axis=-2)

    def _tool(self) -> np.ndarray:
        angle = HAND_TURN_RAD + np.pi * self.flipped
        tool = np.eye(4)
        tool[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        tool[2, 3] = FLANGE_M + self.tool_m
        return tool


@dataclass(frozen=True)
class TaskFrame:
    """Where the task frame stands in the robot's base frame: the standing object's place and the turn of its axes."""

    x_m: float = 0.5
    y_m: float = 0.0
    yaw_rad: float = -np.pi / 2
    """With the default the task's y points straight away from the robot."""

    def __str__(self) -> str:
        """Return it as the option that gives it."""
        return f"--object-pose {self.x_m:g},{self.y_m:g},{np.rad2deg(self.yaw_rad):g}"

    def to_base(self, position: np.ndarray, wxyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return a pose of the task frame, position (3,) m and orientation (4,), in the base frame.

        The task frame's y points away from the robot, along the base's x:

        >>> place, _ = TaskFrame(x_m=0.5).to_base(np.array([0.0, 0.1, 0.2]), np.array([1.0, 0.0, 0.0, 0.0]))
        >>> np.abs(place.round(6)).tolist()
        [0.6, 0.0, 0.2]
        """
        return self.turned(position) + np.array([self.x_m, self.y_m, 0.0]), multiply(self._wxyz(1.0), np.asarray(wxyz))

    def pose_to_base(self, position: np.ndarray, wxyz: np.ndarray) -> np.ndarray:
        """Return the same pose as a matrix (4, 4) in the base frame."""
        place, turn = self.to_base(position, wxyz)
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = matrix_from_wxyz(turn), place
        return pose

    def from_base(self, position: np.ndarray, wxyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return a pose of the base frame in the task frame."""
        local = np.asarray(position) - (self.x_m, self.y_m, 0.0)
        return matrix_from_wxyz(self._wxyz(-1.0)) @ local, multiply(self._wxyz(-1.0), np.asarray(wxyz))

    def turned(self, vector: np.ndarray) -> np.ndarray:
        """Return a vector (3,) of the task frame's axes in the base's."""
        return matrix_from_wxyz(self._wxyz(1.0)) @ np.asarray(vector)

    def _wxyz(self, sign: float) -> np.ndarray:
        return np.array([np.cos(self.yaw_rad / 2), 0.0, 0.0, sign * np.sin(self.yaw_rad / 2)])


def wxyz_from_matrix(matrix: np.ndarray) -> np.ndarray:
    """Return the unit quaternion (4,) of a rotation matrix (3, 3), w >= 0."""
    m = matrix
    # Four times the squared components; the largest one is safe to divide by.
    squares = 1.0 + np.array([m[0, 0] + m[1, 1] + m[2, 2], m[0, 0] - m[1, 1] - m[2, 2]])
    squares = np.append(squares, 1.0 + np.array([m[1, 1] - m[0, 0] - m[2, 2], m[2, 2] - m[0, 0] - m[1, 1]]))
    products = np.array(
        [
            [squares[0], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], squares[1], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]],
            [m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], squares[2], m[1, 2] + m[2, 1]],
            [m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], squares[3]],
        ]
    )
    largest = int(np.argmax(squares))
    q = products[largest] / np.linalg.norm(products[largest])
    return -q if q[0] < 0.0 else q


def rotation_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the rotation vector (3,) in rad that turns one orientation matrix (3, 3) into another, base axes."""
    return rotvec_from_wxyz(wxyz_from_matrix(end @ start.T))


def rotation_by(vector: np.ndarray) -> np.ndarray:
    """Return the matrix (3, 3) of a rotation vector (3,) in rad."""
    return matrix_from_wxyz(wxyz_from_rotvec(np.asarray(vector, float)))


def _fixed_parts() -> np.ndarray:
    parts = np.zeros((7, 4, 4))
    for part, a, d, alpha in zip(parts, A_M, D_M, ALPHA_RAD, strict=True):
        c, s = np.cos(alpha), np.sin(alpha)
        part[:] = [[1, 0, 0, a], [0, c, -s, -s * d], [0, s, c, c * d], [0, 0, 0, 1]]
    return parts
