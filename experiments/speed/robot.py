"""The robot's controller on one core: time of a step, memory over an hour, time to import.

    python experiments/speed/robot.py [--policy FILE] [--runs runs]

A step is what happens between reading a state and sending a command: policy and limits, on the states of a whole
episode of a simulated arm, again and again. An hour is 43200 steps at 12 Hz; what Python has allocated at its end is
compared with what it had after the first minute. The import is that of the numpy-only program, numpy included, in a
fresh process. Results go to RUNS/speed/robot.json.
"""

import argparse
import statistics
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

from real2sim_jax.core.clock import CONTROL_HZ, EPISODE_S
from real2sim_jax.core.policy import Policy, load_policy
from real2sim_jax.data.artefacts import versions, write_json
from real2sim_jax.jax_settings import use_cores
from real2sim_jax.robot.controller import Controller
from real2sim_jax.robot.interface import SimulatedArm
from real2sim_jax.robot.options import Parser
from real2sim_jax.stages.console import Console

POLICY = Path("experiments/skills/results/pick_up/seed0/policy.npz")
EPISODES, IMPORTS = 50, 7
EPISODE_STEPS = round(EPISODE_S * CONTROL_HZ)
HOUR_STEPS, MINUTE_STEPS = round(3600 * CONTROL_HZ), round(60 * CONTROL_HZ)
IMPORT = "import time; t = time.perf_counter(); import real2sim_jax.robot.__main__; print(time.perf_counter() - t)"


def main() -> None:
    options = parse()
    use_cores(1)
    policy = load_policy(options.policy)
    times = sorted(step_times(policy))
    result = {
        "steps": len(times),
        "step_10_percent_us": 1e6 * times[int(0.10 * len(times))],
        "step_median_us": 1e6 * statistics.median(times),
        "step_99_percent_us": 1e6 * times[int(0.99 * len(times))],
        "grown_bytes_in_an_hour": growth(policy),
        "import_median_s": statistics.median(import_time() for _ in range(IMPORTS)),
        "versions": versions(),
    }
    path = options.runs / "speed" / "robot.json"
    write_json(path, result)
    Console().table("the robot's controller on one core", ("what", "measured"), lines(result))


def parse() -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", type=Path, default=POLICY)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    return parser.parse_args()


def step_times(policy: Policy) -> list[float]:
    """Return the seconds of each step of EPISODES episodes; one more before them warms up."""
    times: list[float] = []
    for episode in range(EPISODES + 1):
        controller, arm = Controller(policy), start(policy)
        for _ in range(EPISODE_STEPS):
            state = arm.read()
            begin = time.perf_counter()
            step = controller.step(state)
            seconds = time.perf_counter() - begin
            arm.send(step.command)
            times += [seconds] if episode else []
    return times


def growth(policy: Policy) -> int:
    """Return by how many bytes Python's memory grows from the end of the first minute to that of the first hour."""
    controller, arm = Controller(policy), start(policy)
    tracemalloc.start()
    held = []
    for steps in (MINUTE_STEPS, HOUR_STEPS - MINUTE_STEPS):
        for _ in range(steps):
            arm.send(controller.step(arm.read()).command)
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    return held[1] - held[0]


def import_time() -> float:
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    return float(done.stdout)


def start(policy: Policy) -> SimulatedArm:
    return SimulatedArm((0.0, -0.05, 0.15), 1.57, 1.05, policy.dt)


def lines(result: dict[str, Any]) -> list[tuple[str, str]]:
    few, half, most = (result[f"step_{name}_us"] for name in ("10_percent", "median", "99_percent"))
    return [
        (f"policy and limits, {result['steps']} steps", f"10, 50, 99 % below {few:.0f}, {half:.0f}, {most:.0f} us"),
        ("memory after an hour of steps", f"{result['grown_bytes_in_an_hour']:+d} bytes"),
        ("import of the numpy-only program", f"{result['import_median_s']:.3f} s"),
    ]


if __name__ == "__main__":
    main()
