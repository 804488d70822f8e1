"""Control steps per second of the whole training loop, beside the tools that one would take otherwise.

    python experiments/speed/training.py [--iterations 3] [--runs runs] [--device gpu]

ours: PPO as one program on MuJoCo's C engine (`batch`), 512 to 2048 environments. mjx, warp: the same program on
MuJoCo's JAX and Warp engines (extra `warp`), as many environments as finish in reasonable time on a CPU, 1024 to 16384
on an accelerator. stable_baselines3: its PPO with networks, epochs and minibatches like ours in 8 of the same
environments, which one jitted call steps; left out where it is not installed (extra `sb3`). gymnasium: the same 8
environments stepped from Python by random actions, without any learning. One process each; compilation is timed apart;
a rate is the best iteration's. Results go to RUNS/speed/training.json.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from real2sim_jax.config.learning import PPOConfig, TrainConfig
from real2sim_jax.core.actions import action_named
from real2sim_jax.core.clock import EPISODE_STEPS
from real2sim_jax.data.artefacts import write_json
from real2sim_jax.learning.training_benchmark import TrainingBenchmark, synthetic_env
from real2sim_jax.robot.options import Parser
from real2sim_jax.simulation.physics.backends import BACKENDS
from real2sim_jax.stages.console import Console

ACTION = "pick_up"
ANEW = {**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "false"}
"""Every program is compiled, whatever an earlier measurement has left."""
ON_CPU = (("ours", 512), ("ours", 1024), ("ours", 2048), ("mjx", 64), ("warp", 64))
SETUPS = {
    "cpu": (*ON_CPU, ("stable_baselines3", 8), ("gymnasium", 8)),
    "gpu": tuple((engine, 2**power) for engine in ("mjx", "warp") for power in range(10, 15)),
    "tpu": tuple(("mjx", 2**power) for power in range(10, 15)),
}
"""Name and number of environments, by what computes."""


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=3, help="timed iterations of each [3]")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the results [runs]")
    parser.add_argument("--device", choices=list(SETUPS), default="cpu", help="what computes [cpu]")
    parser.add_argument("--only", nargs=2, metavar=("NAME", "ENVS"), help="one setup, printed as JSON")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measured(options.only[0], int(options.only[1]), options.iterations)))
        return
    rows = []
    for name, envs in SETUPS[options.device]:
        if name in ("stable_baselines3", "warp") and find_spec(name) is None:
            print(f"{name} is not installed: its row stays away", file=sys.stderr)
            continue
        words = ["--only", name, str(envs), "--iterations", str(options.iterations)]
        done = subprocess.run(
            [sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE, text=True, env=ANEW
        )
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    write_json(options.runs / "speed" / "training.json", rows)
    # On an accelerator every engine is ours: each is compared with the fastest.
    best = max(row["steps_per_s"] for row in rows if row["name"] == "ours" or options.device != "cpu")
    columns = ("who", "environments", "steps/s", "ours / theirs", "compilation s", "peak memory MB")
    Console().table("training: control steps per second", columns, [printed(row, best) for row in rows])


def printed(row: dict[str, Any], best: float) -> tuple[str, ...]:
    ratio = "" if row["name"] == "ours" else f"{best / row['steps_per_s']:.1f}"
    times = (f"{row['steps_per_s']:,.0f}", ratio, f"{row['compile_s']:.0f}", f"{row['memory_mb']:,.0f}")
    return row["name"], str(row["envs"]), *times


def measured(name: str, envs: int, iterations: int) -> dict[str, Any]:
    config = TrainConfig(physics=name if name in BACKENDS else "batch", ppo=PPOConfig(envs=envs))
    action, started = action_named(ACTION), time.perf_counter()
    if name == "gymnasium":
        iterate = gymnasium_steps(synthetic_env(action, config)[0], envs)
    elif name == "stable_baselines3":
        iterate = stable_baselines(synthetic_env(action, config)[0], envs, config.ppo)
    else:
        iterate = TrainingBenchmark(action, config).iterate
    iterate()
    compile_s = time.perf_counter() - started
    seconds = min(timed(iterate) for _ in range(iterations))
    # Kilobytes on Linux.
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate = envs * EPISODE_STEPS / seconds
    return {"name": name, "envs": envs, "steps_per_s": rate, "compile_s": compile_s, "memory_mb": memory}


def gymnasium_steps(env: Any, envs: int) -> Callable[[], None]:
    """One call is one episode in each environment."""
    from real2sim_jax.simulation.vector_env import ManipulationVectorEnv

    vector = ManipulationVectorEnv(env, envs)
    vector.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (EPISODE_STEPS, envs, 7))

    def run() -> None:
        for action in actions:
            vector.step(action)

    return run


def stable_baselines(env: Any, envs: int, config: PPOConfig) -> Callable[[], None]:
    """One call is one iteration of its PPO: an episode in each environment, and the updates."""
    from rivals.sb3 import SB3Env
    from stable_baselines3 import PPO as Theirs  # type: ignore[import-not-found]

    learner = Theirs(
        "MlpPolicy",
        SB3Env(env, envs),
        n_steps=EPISODE_STEPS,
        batch_size=envs * EPISODE_STEPS // config.minibatches,
        n_epochs=config.epochs,
        policy_kwargs={"net_arch": list(config.networks.hidden)},
        device="cpu",
        seed=0,
    )

    def run() -> None:
        learner.learn(envs * EPISODE_STEPS)

    return run


def timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
