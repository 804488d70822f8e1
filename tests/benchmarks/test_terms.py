"""Reward terms over time: those of the environment, read from trajectories."""

from dataclasses import fields

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from real2sim_jax.benchmarks.rollout import make_rollout
from real2sim_jax.benchmarks.terms import demonstrated_terms, terms_over_time
from real2sim_jax.config.learning import NetworkConfig, TrackingConfig, TrainConfig
from real2sim_jax.config.simulation import RewardWeights
from real2sim_jax.data.types import stack
from real2sim_jax.learning.networks import Networks
from real2sim_jax.learning.references import references_of
from real2sim_jax.learning.train import make_env
from real2sim_jax.simulation.initial_states import nominal_start
from tests.demos import PICK_UP, lift, lifts

pytestmark = pytest.mark.long


def test_the_terms_of_a_rollout_add_up_to_its_return():
    env = make_env(PICK_UP, lifts(), TrainConfig())
    networks = Networks(env.observation_size, references_of(lifts(), TrackingConfig(), PICK_UP)[0], NetworkConfig())
    policy = networks.export(*networks.init(jax.random.PRNGKey(0)), PICK_UP, {})
    sizes = jnp.asarray([[0.07], [0.09]]), jnp.asarray([[0.042], [0.048]])
    starts = jax.vmap(lambda h, r: nominal_start(PICK_UP, h, r, jnp.zeros(3)))(*sizes)
    trajectories, _, returns = make_rollout(env)(policy, starts)
    terms = terms_over_time(trajectories, lifts())
    assert terms["finger_gap"].shape == (2, 121)
    weighted = sum(getattr(RewardWeights(), f.name) * terms[f.name] for f in fields(RewardWeights))
    np.testing.assert_allclose(np.asarray(weighted)[:, 1:].mean(axis=1), returns, atol=1e-4)


def test_one_demonstration_gets_everything_from_itself():
    one = stack([lift()])
    terms = demonstrated_terms(one)
    np.testing.assert_array_equal(terms.pop("finger_gap"), one.grip[0] > 0.5)
    for name, values in terms.items():
        # arccos is steep at 1: float32 leaves an angle of 3e-4.
        np.testing.assert_allclose(values, 1.0, atol=5e-3, err_msg=name)


@pytest.mark.parametrize("name", ["object_position", "gripper_position"])
def test_demonstrations_that_differ_pull_apart(name):
    # At the end they are at (0, 0.2), (0.05, 0.25) and (0, 0.15) m: squared distances 0.005, 0.0025 and 0.0125 m^2.
    expected = (3.0 + 2.0 * np.exp(-50.0 * np.array([0.005, 0.0025, 0.0125])).sum()) / 9.0
    terms = demonstrated_terms(lifts())
    assert terms[name][-1] == pytest.approx(expected, abs=1e-4)
    assert terms["object_rotation"][-1] == pytest.approx(1.0, abs=5e-3)
