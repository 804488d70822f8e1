"""A small policy with random weights."""

from itertools import pairwise

import numpy as np
import pytest

from real2sim_jax.robot.observation import ACTION_SIZE, CONTROL_HZ, FEATURE_SIZE
from real2sim_jax.robot.policy import Policy, save_policy


def random_policy(seed=0, scale=1.0, hidden=8):
    rng = np.random.default_rng(seed)
    sizes = (FEATURE_SIZE, hidden, ACTION_SIZE)
    layers = tuple(
        (rng.normal(0, scale, (a, b)).astype(np.float32), rng.normal(0, scale, b).astype(np.float32))
        for a, b in pairwise(sizes)
    )
    return Policy(
        action="pick_up",
        dt=1.0 / CONTROL_HZ,
        mean=np.zeros(FEATURE_SIZE, np.float32),
        std=np.ones(FEATURE_SIZE, np.float32),
        layers=layers,
        feedforward=rng.normal(0, 0.1, (120, ACTION_SIZE)).astype(np.float32),
        provenance={"seed": seed},
    )


@pytest.fixture
def policy():
    return random_policy()


@pytest.fixture
def policy_file(tmp_path, policy):
    path = tmp_path / "policy.npz"
    save_policy(path, policy)
    return path
