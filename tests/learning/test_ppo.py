import jax
import jax.numpy as jnp
import numpy as np
import pytest

from real2sim_jax.config.learning import NetworkConfig, PPOConfig
from real2sim_jax.learning.networks import Networks
from real2sim_jax.learning.ppo import PPO
from tests.learning.probe import Probe

pytestmark = pytest.mark.long


def test_ppo_learns_to_depend_on_its_observation():
    config = PPOConfig(envs=32, steps=32 * 120 * 25, epochs=4, minibatches=4, learning_rate=3e-3)
    ppo = PPO(
        Probe(), Networks(Probe.observation_size, None, NetworkConfig(hidden=(32, 32), sigma_translation=0.5)), config
    )
    state, iterate = ppo.init(jax.random.PRNGKey(0)), jax.jit(ppo.iterate)
    returns = []
    for _ in range(config.iterations):
        state, metrics = iterate(state)
        returns.append(float(metrics["train/return"]))
    assert returns[0] < 0.5
    assert returns[-1] > 0.85


def test_members_of_a_population_equal_single_runs():
    networks = Networks(Probe.observation_size, None, NetworkConfig(hidden=(16,)))
    ppo = PPO(Probe(), networks, PPOConfig(envs=8, steps=8 * 120 * 2, epochs=1, minibatches=2))
    keys = jnp.stack([jax.random.PRNGKey(seed) for seed in range(3)])
    together, _ = jax.jit(jax.vmap(lambda key: ppo.iterate(ppo.init(key))))(keys)
    alone, _ = jax.jit(lambda key: ppo.iterate(ppo.init(key)))(keys[1])
    for many, one in zip(jax.tree.leaves(together.parameters), jax.tree.leaves(alone.parameters), strict=True):
        np.testing.assert_allclose(many[1], one, atol=1e-5)
