"""The demonstrated hand as the target of a proportional controller, which the network moves.

The controller alone repeats the demonstration. How to get there without touching what stands in between, how low to
grasp and when to let go is not in it: the network learns that by moving the target.
"""

from dataclasses import dataclass
from typing import Any

from real2sim_jax.core.arrays import flat, namespace
from real2sim_jax.core.clock import EPISODE_S
from real2sim_jax.core.observation import MAX_ANGULAR_RAD_S, MAX_LINEAR_M_S, place_of
from real2sim_jax.core.rotations import conjugate, multiply, rotvec_from_wxyz, wxyz_from_rotvec

Array = Any


@dataclass(frozen=True)
class Reference:
    """A target hand over time, K rows from 0 to EPISODE_S s (the last row holds on)."""

    position: Array
    """(K, 3) m in the task frame."""
    wxyz: Array
    """(K, 4)."""
    velocity: Array
    """(K, 3) m/s fed forward."""
    grip: Array
    """(K,) before the tanh: negative closes."""
    gains: Array
    """(2,) 1/s: how fast errors of position and orientation are taken back."""
    reach: Array
    """(2,) m and rad: how far the network can move and turn the target."""
    fetched_from: Array | None = None
    """(2,) m in the task frame: where the moved object stands in the demonstration, if it is fetched from the table."""
    share: Array | None = None
    """(K,) how much of the distance from there to where the object stands the target is displaced by: 1 until the hand
    has it, 0 when it is put down; None as `fetched_from`."""

    def tables(self) -> dict[str, Array]:
        """Return what it is made of, by name."""
        return {name: table for name, table in vars(self).items() if table is not None}

    def action(self, obs: Array, output: Array) -> Array:
        """Return the action (..., 7) in [-1, 1] for observations (..., 8) and the network's outputs (..., 7).

        The pull towards the reference is limited to the greatest speed. The network adds tanh(output) times the reach,
        whose pull is stronger: near the reference it moves the target, far from it it can lead the hand aside, stop it
        or send it back. The last output is added to the grip.
        """
        xp = namespace(obs, output, self.position)
        row = self.row(obs[..., 0])
        position, wxyz, velocity = (xp.take(table, row, axis=0) for table in (self.position, self.wxyz, self.velocity))
        if self.fetched_from is not None:
            displaced, moving = self.displacement(obs[..., 0], place_of(obs))
            position, velocity = position + displaced, velocity + moving
        shift, turn = (self.reach[i] * xp.tanh(output[..., 3 * i : 3 * i + 3]) for i in (0, 1))
        away = multiply(wxyz, conjugate(wxyz_from_rotvec(obs[..., 4:7])))
        linear = _limited(self.gains[0] * (position - obs[..., 1:4]) / MAX_LINEAR_M_S)
        angular = _limited(self.gains[1] * rotvec_from_wxyz(away) / MAX_ANGULAR_RAD_S)
        linear += (velocity + self.gains[0] * shift) / MAX_LINEAR_M_S
        angular += self.gains[1] * turn / MAX_ANGULAR_RAD_S
        grip = xp.tanh(xp.take(self.grip, row) + output[..., 6])[..., None]
        return xp.concatenate([_limited(linear), _limited(angular), grip], axis=-1)

    def displacement(self, time: Array, place: Array) -> tuple[Array, Array]:
        """Return how far (..., 3) m the target is displaced for an object at a place (..., 2) m, and how fast, m/s.

        time (...,) in units of EPISODE_S.
        """
        share: Array = self.share
        xp, row, last = namespace(time, place, share), self.row(time), share.shape[0] - 1
        away = flat(place - self.fetched_from)
        now, then = (xp.take(share, xp.minimum(row + step, last))[..., None] for step in (0, 1))
        return now * away, (then - now) * last / EPISODE_S * away

    def row(self, time: Array) -> Array:
        """Return the tables' row (...,) for a time (...,) in units of EPISODE_S."""
        xp = namespace(time)
        last = self.grip.shape[0] - 1
        return xp.clip(xp.round(time * last).astype("int32"), 0, last)


def _limited(share: Array) -> Array:
    """Shorten vectors (..., 3) to length 1, keeping their direction."""
    xp = namespace(share)
    length = xp.sqrt(xp.sum(share * share, axis=-1, keepdims=True) + 1e-12)
    return share * xp.minimum(1.0, 1.0 / length)
