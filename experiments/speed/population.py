"""Many agents in one program beside the same agents one after another.

    python experiments/speed/population.py [--agents 1024] [--runs runs]

light: agents that move a point to a place, a pure-JAX environment; 1024 of them. skill: pick_up in MuJoCo, 16 agents.
Single runs are timed on a few seeds and multiplied, compilation left out of both. Results go to
RUNS/speed/population.json.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from brax.envs.base import State
from flax import struct

from real2sim_jax.config.learning import NetworkConfig, PPOConfig, TrainConfig
from real2sim_jax.core.actions import action_named
from real2sim_jax.core.clock import EPISODE_STEPS
from real2sim_jax.data.artefacts import write_json
from real2sim_jax.learning.ppo import PPO, TrainState
from real2sim_jax.learning.train import make_ppo
from real2sim_jax.learning.training_benchmark import synthetic_env
from real2sim_jax.robot.options import Parser
from real2sim_jax.stages.console import Console

ACTION = action_named("pick_up")
SINGLES = 3
LIGHT = PPOConfig(
    envs=16, steps=16 * EPISODE_STEPS * 8, minibatches=4, networks=NetworkConfig(hidden=(32, 32)), reference="none"
)
SKILL = PPOConfig(envs=64, steps=64 * EPISODE_STEPS * 4)


class Point:
    """A point that starts anywhere on a line and is paid for being at 0.1 m; it is seen as a gripper's x."""

    action = ACTION
    physics = None
    observation_size = {"policy": 8, "critic": 8}  # noqa: RUF012

    def sample_start(self, key: jax.Array, difficulty: jax.Array) -> jax.Array:
        return jax.random.uniform(key, (), minval=-0.3, maxval=0.3)

    def reset_from(self, x: jax.Array, key: jax.Array | None = None) -> State:
        zero = jnp.zeros(())
        return State(x, self._seen(x, zero), zero, zero, {}, {"step": zero, "episode": Alive(jnp.ones(()))})  # type: ignore[arg-type]

    def step(self, state: State, action: jax.Array) -> State:
        before: Any = state.pipeline_state
        x, step = before + 0.025 * action[0], state.info["step"] + 1.0
        reward = jnp.exp(-50.0 * (x - 0.1) ** 2) / EPISODE_STEPS
        done = (step >= EPISODE_STEPS).astype(jnp.float32)
        return state.replace(  # type: ignore[attr-defined]
            pipeline_state=x, obs=self._seen(x, step), reward=reward, done=done, info=state.info | {"step": step}
        )

    def _seen(self, x: jax.Array, step: jax.Array) -> dict[str, jax.Array]:
        seen = jnp.zeros(8).at[0].set(step / EPISODE_STEPS).at[1].set(x)
        return {"policy": seen, "critic": seen}


@struct.dataclass
class Alive:
    """An episode that never ends early."""

    alive: jax.Array


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=1024, help="light agents [1024]")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the results [runs]")
    options = parser.parse_args()
    env, demos = synthetic_env(ACTION, TrainConfig())
    point: Any = Point()
    light, skill = make_ppo(point, demos, LIGHT), make_ppo(env, demos, SKILL)
    rows = [measured("light", light, options.agents), measured("skill", skill, 16)]
    write_json(options.runs / "speed" / "population.json", rows)
    columns = ("agents", "", "together s", "one by one s", "ratio", "return, least .. most")
    Console().table("populations: training time without compilation", columns, [printed(row) for row in rows])


def measured(name: str, ppo: PPO, agents: int) -> dict[str, Any]:
    keys = jax.random.split(jax.random.PRNGKey(0), agents)
    init = jax.jit(ppo.init)
    fresh = [init(key) for key in keys[:SINGLES]]
    single = ppo.compiled()
    one_s = min(trained(single, state, ppo.config.iterations)[0] for state in fresh)
    together = jax.jit(jax.vmap(ppo.init))(keys)
    all_s, returns = trained(ppo.compiled(members=True), together, ppo.config.iterations)
    return {
        "name": name,
        "agents": agents,
        "steps_each": ppo.config.iterations * ppo.config.envs * EPISODE_STEPS,
        "together_s": all_s,
        "one_by_one_s": one_s * agents,
        "returns": [float(returns.min()), float(returns.max())],
    }


def trained(iterate: Callable, state: TrainState, iterations: int) -> tuple[float, jax.Array]:
    """Seconds of a training whose program is compiled, and its last returns."""
    jax.block_until_ready(iterate(state))
    started = time.perf_counter()
    for _ in range(iterations):
        state, metrics = iterate(state)
    jax.block_until_ready(state)
    return time.perf_counter() - started, metrics["train/return"]


def printed(row: dict[str, Any]) -> tuple[str, ...]:
    ratio = row["one_by_one_s"] / row["together_s"]
    low, high = row["returns"]
    times = (f"{row['together_s']:.1f}", f"{row['one_by_one_s']:.1f}", f"{ratio:.1f}")
    return str(row["agents"]), row["name"], *times, f"{low:.2f} .. {high:.2f}"


if __name__ == "__main__":
    main()
