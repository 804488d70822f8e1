"""Rigid poses, of numpy or jax arrays: where a frame's origin lies and how it is turned."""

from typing import Any, NamedTuple

from real2sim_jax.core.rotations import conjugate, multiply, rotate

Array = Any


class Pose(NamedTuple):
    """A frame in another one; leading axes of both fields are batches."""

    position: Array
    """(..., 3) m of the origin."""
    wxyz: Array
    """(..., 4) unit quaternion."""

    def __matmul__(self, other: "Pose") -> "Pose":
        """Return the pose `other`, which is given in this frame, in the frame that this one is given in.

        >>> import numpy as np
        >>> quarter = Pose(np.array([1.0, 0.0, 0.0]), np.array([0.5**0.5, 0.0, 0.0, 0.5**0.5]))
        >>> (quarter @ quarter).position.round(6).tolist()
        [1.0, 1.0, 0.0]
        """
        return Pose(self.apply(other.position), multiply(self.wxyz, other.wxyz))

    def inverse(self) -> "Pose":
        """Return the pose of the outer frame in this one."""
        back = conjugate(self.wxyz)
        return Pose(-rotate(back, self.position), back)

    def apply(self, points: Array) -> Array:
        """Return points (..., 3) m of this frame in the outer one."""
        return self.position + rotate(self.wxyz, points)

    def local(self, points: Array) -> Array:
        """Return points (..., 3) m of the outer frame in this one."""
        return rotate(conjugate(self.wxyz), points - self.position)
