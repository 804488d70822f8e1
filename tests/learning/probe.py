"""A light environment in which a second of training tells whether anything is learnt."""

import jax
import jax.numpy as jnp
from flax import struct

from real2sim_jax.config.learning import PPOConfig, TrainConfig
from tests.demos import PICK_UP

TINY = TrainConfig(
    ppo=PPOConfig(envs=8, steps=8 * 120 * 3, epochs=1, minibatches=2, reference="none"), checkpoint_every=1
)


@struct.dataclass
class ProbeState:
    obs: dict
    reward: jax.Array
    done: jax.Array
    metrics: dict
    info: dict


@struct.dataclass
class ProbeEpisode:
    alive: jax.Array
    step: jax.Array
    x: jax.Array


class Probe:
    """Pays for pushing the gripper's x towards 0.1 m, and only the observation tells where it is."""

    action = PICK_UP
    physics = None
    observation_size = {"policy": 8, "critic": 8}  # noqa: RUF012

    def sample_start(self, key, difficulty):
        return jax.random.uniform(key, (), minval=-0.3, maxval=0.3)

    def reset_from(self, x, key=None):
        episode = ProbeEpisode(jnp.ones(()), jnp.zeros((), jnp.int32), x)
        zero = jnp.zeros(())
        return ProbeState(self._observe(episode), zero, zero, {"closeness": zero}, {"episode": episode})

    def step(self, state, action):
        before = state.info["episode"]
        episode = before.replace(step=before.step + 1, x=before.x + 0.025 * action[0])
        closeness = jnp.exp(-50.0 * (episode.x - 0.1) ** 2)
        done = (episode.step >= 120).astype(jnp.float32)
        return ProbeState(self._observe(episode), closeness / 120, done, {"closeness": closeness}, {"episode": episode})

    def _observe(self, episode):
        policy = jnp.zeros(8).at[0].set(episode.step / 120).at[1].set(episode.x)
        return {"policy": policy, "critic": policy}
