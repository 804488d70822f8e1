"""What the demonstrations suggest to do: a tracking law that the network corrects.

Without it the grasp is hardly ever found by chance; with it the first policy already follows the demonstrated hand
and grip, and learning has to add what the demonstration does not show: how to get there without touching.
"""

from dataclasses import dataclass
from typing import Any

from real2sim_jax.core.arrays import namespace
from real2sim_jax.core.observation import MAX_ANGULAR_RAD_S, MAX_LINEAR_M_S
from real2sim_jax.core.rotations import conjugate, multiply, rotvec_from_wxyz, wxyz_from_rotvec

Array = Any

SATURATION = 0.9
"""Largest share of a speed limit that the guide asks for."""


@dataclass(frozen=True)
class Reference:
    """A reference hand over time, K rows from 0 to EPISODE_S s (the last row holds on)."""

    position: Array
    """(K, 3) m in the task frame."""
    wxyz: Array
    """(K, 4)."""
    velocity: Array
    """(K, 3) m/s fed forward."""
    grip: Array
    """(K,) before the tanh: negative closes."""
    gains: Array
    """(2,) 1/s: how fast errors of position and orientation are to be taken back; 0 feeds forward only."""

    def bias(self, obs: Array) -> Array:
        """Return what is added to the network's output (..., 7) before the tanh, for observations (..., 8)."""
        xp = namespace(obs, self.position)
        row = self.row(obs)
        linear = xp.take(self.velocity, row, axis=0) + self.gains[0] * (
            xp.take(self.position, row, axis=0) - obs[..., 1:4]
        )
        turn = multiply(xp.take(self.wxyz, row, axis=0), conjugate(wxyz_from_rotvec(obs[..., 4:7])))
        angular = self.gains[1] * rotvec_from_wxyz(turn)
        parts = [_unsquashed(linear / MAX_LINEAR_M_S), _unsquashed(angular / MAX_ANGULAR_RAD_S)]
        return xp.concatenate([*parts, xp.take(self.grip, row)[..., None]], axis=-1)

    def row(self, obs: Array) -> Array:
        """Return the table's row (...,) for the observed time (obs[..., 0] in units of EPISODE_S)."""
        xp = namespace(obs)
        last = self.grip.shape[0] - 1
        return xp.clip(xp.round(obs[..., 0] * last).astype("int32"), 0, last)


def _unsquashed(share: Array) -> Array:
    """Limit vectors (..., 3) to SATURATION in length, keeping their direction, and invert the tanh."""
    xp = namespace(share)
    length = xp.sqrt(xp.sum(share * share, axis=-1, keepdims=True) + 1e-12)
    return xp.arctanh(share * xp.minimum(1.0, SATURATION / length))
