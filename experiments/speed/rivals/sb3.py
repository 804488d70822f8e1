"""The environment in Stable-Baselines3's own vector interface, which is not gymnasium's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvStepReturn  # type: ignore[import-not-found]

from real2sim_jax.simulation.env import ManipulationEnv
from real2sim_jax.simulation.vector_env import ManipulationVectorEnv


class SB3Env(VecEnv):
    """`ManipulationVectorEnv` for learners of Stable-Baselines3."""

    def __init__(self, env: ManipulationEnv, num_envs: int):
        self._envs = ManipulationVectorEnv(env, num_envs)
        super().__init__(num_envs, self._envs.single_observation_space, self._envs.single_action_space)
        self._actions = np.zeros((num_envs, env.action_size), np.float32)

    def reset(self) -> np.ndarray:
        return self._envs.reset()[0]

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        seen, rewards, done, _, info = self._envs.step(self._actions)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(done):
            infos[i]["terminal_observation"] = info["final_obs"][i]
        return seen, rewards, done, infos

    def close(self) -> None:
        self._envs.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError("the environments of one program have no attributes of their own")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        raise NotImplementedError("the environments of one program have no methods of their own")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        self._envs.reset(seed=seed)
        return [seed] * self.num_envs
