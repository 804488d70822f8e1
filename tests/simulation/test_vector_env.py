"""The gymnasium face of the environment, against the environment itself."""

import jax
import numpy as np
import pytest

pytest.importorskip("gymnasium")

from real2sim_jax.core.errors import UserError
from real2sim_jax.simulation.vector_env import ManipulationVectorEnv

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def vector(env):
    return ManipulationVectorEnv(env, 3, "critic")


def test_a_step_is_that_of_the_environment(env, vector):
    seen, _ = vector.reset(seed=4)
    assert seen.shape == vector.observation_space.shape and seen.dtype == np.float32
    key = jax.random.split(jax.random.PRNGKey(4))[1]
    state = jax.jit(jax.vmap(env.reset))(jax.random.split(key, 3))
    np.testing.assert_array_equal(seen, state.obs["critic"])
    actions = vector.action_space.sample()
    seen, rewards, terminated, truncated, info = vector.step(actions)
    after = jax.jit(jax.vmap(env.step))(state, actions)
    np.testing.assert_array_equal(seen, after.obs["critic"])
    np.testing.assert_array_equal(rewards, after.reward)
    assert not terminated.any() and not truncated.any() and info == {}


@pytest.mark.parametrize(
    "actions", [np.full((3, 7), np.nan), np.where(np.arange(21).reshape(3, 7) == 9, np.inf, 0.0), np.zeros((2, 7))]
)
def test_actions_that_are_not_finite_are_refused_and_nothing_moves(vector, actions):
    vector.reset(seed=2)
    first = vector.step(np.zeros((3, 7)))[0]
    vector.reset(seed=2)
    with pytest.raises(UserError, match="expected finite actions of shape"):
        vector.step(actions)
    np.testing.assert_array_equal(vector.step(np.zeros((3, 7)))[0], first)


def test_ended_episodes_start_anew_and_leave_their_last_observation(vector):
    vector.reset(seed=1)
    for _ in range(119):
        seen, _, terminated, _, _ = vector.step(np.zeros((3, 7)))
        assert not terminated.any()
    seen, _, terminated, truncated, info = vector.step(np.zeros((3, 7)))
    assert terminated.all() and not truncated.any() and info["_final_obs"].all()
    # The first feature is the episode's clock, from -1 to 1.
    np.testing.assert_allclose([last[0] for last in info["final_obs"]], 1.0)
    np.testing.assert_allclose(seen[:, 0], -1.0)


def test_the_same_seed_gives_the_same_starts(vector):
    first, _ = vector.reset(seed=7)
    again, _ = vector.reset(seed=7)
    other, _ = vector.reset(seed=8)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01
