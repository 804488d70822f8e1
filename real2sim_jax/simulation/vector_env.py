"""The environment as a `gymnasium.vector.VectorEnv`, so that any learner can train in it."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from real2sim_jax.core.errors import UserError
from real2sim_jax.simulation.env import ManipulationEnv

Info = dict[str, Any]


class ManipulationVectorEnv(VectorEnv):
    """Many copies of one environment, stepped together by one jitted program.

    Observations (num_envs, n) float32: of the policy, time and gripper only (n = 8), or of the critic, everything.
    Finite actions (num_envs, 7) in [-1, 1]. An environment whose episode ends starts anew in the same step; its last
    observation is then in info["final_obs"]. Time is observed, so an end is a termination, never a truncation.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(
        self, env: ManipulationEnv, num_envs: int, observation: Literal["policy", "critic"] = "policy", seed: int = 0
    ):
        """seed: of the starts, until `reset` gives another."""
        self.num_envs = num_envs
        self._observation = observation
        self.single_observation_space = Box(-np.inf, np.inf, (env.observation_size[observation],))
        self.single_action_space = Box(-1.0, 1.0, (env.action_size,))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._key = jax.random.PRNGKey(seed)
        self._reset = jax.jit(lambda key: jax.vmap(env.reset)(jax.random.split(key, num_envs)))
        self._step = jax.jit(jax.vmap(env.step))
        self._state: Any = None

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[np.ndarray, Info]:
        """Start every environment; return observations and an empty info."""
        if seed is not None:
            self._key = jax.random.PRNGKey(seed)
        self._state = self._fresh()
        return self._seen(self._state), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Info]:
        """Apply an action to each; return observations, rewards, terminated, truncated and info.

        UserError for actions of another shape or with a number that is not finite: nothing has moved then.
        """
        actions = np.asarray(actions, np.float32)
        if actions.shape != self.action_space.shape or not np.isfinite(actions).all():
            got = f"shape {actions.shape}" if actions.shape != self.action_space.shape else "some that are not"
            raise UserError(f"expected finite actions of shape {self.action_space.shape}, got {got}")
        after = self._step(self._state, jnp.asarray(actions))
        done, rewards = np.asarray(after.done) > 0.0, np.asarray(after.reward)
        info: Info = {}
        if done.any():
            final, last = np.full(self.num_envs, None, object), self._seen(after)
            for i in np.flatnonzero(done):
                final[i] = last[i]
            info = {"final_obs": final, "_final_obs": done}
            after = jax.tree.map(lambda new, old: _where(done, new, old), self._fresh(), after)
        self._state = after
        return self._seen(after), rewards, done, np.zeros(self.num_envs, bool), info

    def _fresh(self) -> Any:
        self._key, key = jax.random.split(self._key)
        return self._reset(key)

    def _seen(self, state: Any) -> np.ndarray:
        return np.array(state.obs[self._observation], np.float32)


def _where(chosen: np.ndarray, new: Any, old: Any) -> Any:
    return jnp.where(chosen.reshape(-1, *([1] * (jnp.ndim(new) - 1))), new, old)
