import jax
import jax.numpy as jnp
import pytest

from real2sim_jax.core.clock import EPISODE_STEPS
from real2sim_jax.simulation.env import ManipulationEnv
from real2sim_jax.simulation.physics.backends import make_physics
from tests.demos import PICK_UP, lifts


@pytest.fixture(scope="session")
def env():
    return ManipulationEnv(PICK_UP, lifts(), make_physics("batch", 1))


def rollout(env, starts, actions):
    """States after each step, (steps, N, ...), for starts (N, ...) and one action sequence (steps, 7) for all."""

    @jax.jit
    def run(starts, actions):
        first = jax.vmap(env.reset_from)(starts)

        def step(state, action):
            after = jax.vmap(env.step, (0, None))(state, action)
            return after, after

        return jax.lax.scan(step, first, actions)[1]

    return run(starts, actions)


def scripted_grasp(speed=0.1):
    """Close before 3 s, rise from 3 s to 7 s: actions (120, 7)."""
    k = jnp.arange(EPISODE_STEPS)
    rise = jnp.where((k >= 36) & (k < 84), speed / 0.3, 0.0)
    grip = jnp.where(k < 28, 1.0, -1.0)
    zero = jnp.zeros_like(rise)
    return jnp.stack([zero, zero, rise, zero, zero, zero, grip], axis=-1)
