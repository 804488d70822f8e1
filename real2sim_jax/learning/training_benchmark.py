"""Iterations of training on made-up demonstrations, which need no fit: to be timed or traced."""

import time

import jax

from real2sim_jax.config.learning import TrainConfig
from real2sim_jax.core.actions import Action
from real2sim_jax.data.types import Demonstration
from real2sim_jax.learning.demonstrations import demonstrate, stack_demonstrations
from real2sim_jax.learning.train import make_env, make_ppo
from real2sim_jax.simulation.env import ManipulationEnv
from real2sim_jax.synthetic.scenes import synthetic_scenes

DEMONSTRATIONS = 4


def synthetic_env(action: Action, config: TrainConfig) -> tuple[ManipulationEnv, Demonstration]:
    """Return an environment and the demonstrations in it, made of the truth of synthetic scenes."""
    scenes = synthetic_scenes(action, DEMONSTRATIONS, 0)
    demos = stack_demonstrations([demonstrate(scene, action) for scene in scenes])
    return make_env(action, demos, config), demos


class TrainingBenchmark:
    """The compiled iteration of a configuration and its train state."""

    def __init__(self, action: Action, config: TrainConfig):
        env, demos = synthetic_env(action, config)
        ppo = make_ppo(env, demos, config.ppo)
        self._iterate = ppo.compiled()
        self._state = jax.jit(ppo.init)(jax.random.PRNGKey(config.seed))

    def iterate(self) -> float:
        """Play whole episodes in all environments and do the updates; return the seconds. The first call compiles."""
        started = time.perf_counter()
        self._state = jax.block_until_ready(self._iterate(self._state)[0])
        return time.perf_counter() - started
