"""Hand-made demonstrations for tests: what a perfect fit of a clear video would give."""

import numpy as np

from real2sim_jax.core.actions import action_named
from real2sim_jax.core.rotations import wxyz_from_azimuth_elevation
from real2sim_jax.data.types import Demonstration, stack

STEPS, DT = 121, 1.0 / 12.0


def lift(height=0.2, azimuth=np.pi / 2, elevation=0.3, drift=0.0):
    """Pick up: the object rises by `height` m between 3 s and 7 s while the hand holds it."""
    time = np.arange(STEPS) * DT
    share = np.clip((time - 3.0) / 4.0, 0.0, 1.0)
    moved = np.stack([drift * share, 0.0 * share, 0.035 + height * share], axis=-1)
    return _demonstration([moved.copy(), moved], azimuth, elevation, grip=time >= 3.0)


def _demonstration(positions, azimuth, elevation, grip):
    time = np.arange(STEPS) * DT
    hand = wxyz_from_azimuth_elevation(np.full(STEPS, azimuth), np.full(STEPS, elevation))
    still = np.tile([1.0, 0.0, 0.0, 0.0], (STEPS, 1))
    return Demonstration(
        position=np.stack(positions, axis=1).astype(np.float32),
        wxyz=np.stack([hand, *[still] * (len(positions) - 1)], axis=1).astype(np.float32),
        grip=grip.astype(np.float32),
        acting=(time >= 3.0) & (time <= 7.0),
        half_extents=np.tile(np.float32([0.04, 0.04, 0.035]), (len(positions), 1)),
        dt=np.float32(DT),
    )


def lifts():
    """Three ways to pick up, stacked."""
    return stack([lift(0.2), lift(0.25, drift=0.05), lift(0.15, elevation=0.1)])


PICK_UP = action_named("pick_up")
