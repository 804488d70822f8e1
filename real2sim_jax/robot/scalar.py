"""One pose in plain floats: the formulas of rotations, observation, features and guide without arrays.

On vectors of three, arrays cost several times what the arithmetic does; a control period has no time for that. The
array versions stay the definition; tests hold these to them.
"""

from collections.abc import Sequence
from math import atan2, atanh, cos, isfinite, pi, sin, sqrt

import numpy as np

from real2sim_jax.core.observation import ACTION_SIZE, EPISODE_S, MAX_ANGULAR_RAD_S, MAX_LINEAR_M_S, MAX_OPENING_M
from real2sim_jax.core.policy import Policy
from real2sim_jax.core.reference import SATURATION

Vector = Sequence[float] | np.ndarray


def floats(vector: Vector) -> list[float]:
    """Return an array as a list of Python's floats."""
    return vector.tolist() if isinstance(vector, np.ndarray) else [float(part) for part in vector]


def unrotated(wxyz: Vector, v: Vector) -> tuple[float, float, float]:
    """Return a world vector (3,) in the axes of a body of orientation (4,)."""
    w, x, y, z = wxyz
    a, b, c = v
    # t = 2 v x u of the inverse rotation, then v + w t + t x u.
    tx, ty, tz = 2.0 * (b * z - c * y), 2.0 * (c * x - a * z), 2.0 * (a * y - b * x)
    return a + w * tx + ty * z - tz * y, b + w * ty + tz * x - tx * z, c + w * tz + tx * y - ty * x


def rotvec(wxyz: Vector) -> tuple[float, float, float]:
    """Return the rotation vector (3,), angle in [0, pi] rad, of a unit quaternion (4,)."""
    w, x, y, z = wxyz
    if w < 0.0:
        w, x, y, z = -w, -x, -y, -z
    squared = x * x + y * y + z * z
    scale = 2.0 / w if squared < 1e-8 else 2.0 * atan2(norm := sqrt(squared), w) / norm
    return scale * x, scale * y, scale * z


def command(action: Vector) -> tuple[list[float], list[float], float]:
    """Return the twist, m/s and rad/s, and the finger opening in m that an action (7,) asks for."""
    x, y, z, a, b, c, grip = floats(action)
    linear = [MAX_LINEAR_M_S * x, MAX_LINEAR_M_S * y, MAX_LINEAR_M_S * z]
    angular = [MAX_ANGULAR_RAD_S * a, MAX_ANGULAR_RAD_S * b, MAX_ANGULAR_RAD_S * c]
    return linear, angular, MAX_OPENING_M * 0.5 * (grip + 1.0)


class Forward:
    """A policy's forward pass for one state at a time."""

    def __init__(self, policy: Policy):
        """Take over the policy's arrays; its tables become lists."""
        self.policy = policy
        guide = policy.guide
        tables = (guide.position, guide.wxyz, guide.velocity, guide.grip)
        self._rows = list(zip(*(np.asarray(table, float).tolist() for table in tables), strict=True))
        self._gains = floats(np.asarray(guide.gains, float))

    def act(self, time: float, position: Vector, wxyz: Vector, opening: float) -> np.ndarray:
        """Return the action (7,) in [-1, 1], NaN for a state that is not finite.

        time s, position (3,) m, orientation (4,), opening m.
        """
        if not all(map(isfinite, (time, *position, *wxyz, opening))):
            return np.full(ACTION_SIZE, np.nan, np.float32)
        share = time / EPISODE_S
        x = (np.array(_features(share, position, wxyz, opening), np.float32) - self.policy.mean) / self.policy.std
        for weight, bias in self.policy.layers[:-1]:
            x = np.tanh(x.dot(weight) + bias)
        weight, bias = self.policy.layers[-1]
        return np.tanh(x.dot(weight) + bias + self._bias(share, position, wxyz))

    def _bias(self, share: float, position: Vector, wxyz: Vector) -> list[float]:
        last = len(self._rows) - 1
        # Halves round to the even row, as in numpy.
        target, target_wxyz, velocity, grip = self._rows[min(max(round(share * last), 0), last)]
        first, second = self._gains
        linear = [v + first * (t - p) for v, t, p in zip(velocity, target, position, strict=True)]
        angular = [second * part for part in rotvec(_difference(target_wxyz, wxyz))]
        return [*_unsquashed(linear, MAX_LINEAR_M_S), *_unsquashed(angular, MAX_ANGULAR_RAD_S), grip]


def _features(share: float, position: Vector, wxyz: Vector, opening: float) -> list[float]:
    w, x, y, z = wxyz
    waves = [f(k * pi * share) for k in (1, 2, 4) for f in (sin, cos)]
    fingers_axis = 2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x)
    approach_axis = 2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)
    scaled_position = [5.0 * part for part in position]
    return [2.0 * share - 1.0, *waves, *scaled_position, *fingers_axis, *approach_axis, 20.0 * opening - 0.75]


def _difference(a: Vector, b: Vector) -> tuple[float, float, float, float]:
    """Return a * conjugate(b): the rotation that is left from b to a."""
    aw, ax, ay, az = a
    bw, bx, by, bz = b
    return (
        aw * bw + ax * bx + ay * by + az * bz,
        -aw * bx + ax * bw - ay * bz + az * by,
        -aw * by + ax * bz + ay * bw - az * bx,
        -aw * bz - ax * by + ay * bx + az * bw,
    )


def _unsquashed(vector: Vector, largest: float) -> list[float]:
    x, y, z = (part / largest for part in vector)
    length = sqrt(x * x + y * y + z * z + 1e-12)
    share = min(1.0, SATURATION / length)
    return [atanh(share * x), atanh(share * y), atanh(share * z)]
