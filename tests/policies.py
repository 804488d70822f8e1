"""A small policy with random weights."""

from itertools import pairwise

import numpy as np

from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.core.clock import CONTROL_HZ
from real2sim_jax.core.observation import ACTION_SIZE, FEATURE_SIZE
from real2sim_jax.core.policy import Policy
from real2sim_jax.core.reference import Reference
from real2sim_jax.core.rotations import wxyz_from_azimuth_elevation


def random_policy(seed=0, scale=1.0, hidden=8, features=FEATURE_SIZE):
    rng = np.random.default_rng(seed)
    sizes = (features, hidden, ACTION_SIZE)
    layers = tuple(
        (rng.normal(0, scale, (a, b)).astype(np.float32), rng.normal(0, scale, b).astype(np.float32))
        for a, b in pairwise(sizes)
    )
    return Policy(
        action=ACTIONS["pick_up"],
        dt=1.0 / CONTROL_HZ,
        mean=np.zeros(features, np.float32),
        std=np.ones(features, np.float32),
        layers=layers,
        reference=random_reference(rng),
        provenance={"seed": seed},
    )


def random_reference(rng, rows=121):
    share = np.linspace(0, 1, rows)
    arrays = {
        "position": np.column_stack([0.1 * share, 0 * share, 0.1 + 0.1 * share]),
        "wxyz": wxyz_from_azimuth_elevation(1.5 + share, 0.4 * share),
        "velocity": rng.normal(0, 0.02, (rows, 3)),
        "grip": rng.normal(0, 1, rows),
        "gains": np.array([2.0, 3.0]),
        "reach": np.array([0.2, 1.5]),
    }
    return Reference(**{name: array.astype(np.float32) for name, array in arrays.items()})


def scripted_policy(act):
    """A policy that does what `act(observation)` returns."""

    class Scripted(Policy):
        def act(self, obs):
            return act(obs)

    return Scripted(**vars(random_policy()))
