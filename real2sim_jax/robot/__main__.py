"""Run a policy file on a simulated arm or against a recorded stream: python -m real2sim_jax.robot POLICY."""

import argparse
import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from real2sim_jax.robot.arms import ArmError, RecordedArm, SimulatedArm, load_stream
from real2sim_jax.robot.controller import Controller, Step, run
from real2sim_jax.robot.limits import Limits
from real2sim_jax.robot.observation import EPISODE_S, POLICY_FIELDS
from real2sim_jax.robot.policy import Policy, PolicyError, load_policy
from real2sim_jax.robot.rotations import azimuth_elevation_from_wxyz

COMMAND_FIELDS = (*(f"{kind}_{axis}" for kind in ("linear", "angular") for axis in "xyz"), "opening_command")
NOMINAL_START = "0,-0.05,0.12,90,30"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; 0 when it went through, 2 with one line when an input is wrong."""
    options = _parser().parse_args(arguments)
    try:
        policy = load_policy(options.policy)
        arm = load_stream(options.stream) if options.stream else _simulated(options.start, policy)
        steps = _steps(options.steps, policy, arm)
        history: list[Step] = []
        print(f"{policy.action}: {steps} steps of {policy.dt * 1000:.1f} ms")
        run(Controller(policy, _limits(options)), arm, steps, _reporter(policy, history), real_time=options.real_time)
        if options.log:
            save_log(options.log, history)
    except (PolicyError, ArmError) as error:
        print(error, file=sys.stderr)
        return 2
    cut = sum(step.was_limited for step in history)
    print(f"done: {steps} steps, {cut} limited")
    return 0


def save_log(path: str | Path, history: Sequence[Step]) -> None:
    """Write observations (N, 8) and commands (N, 7) to .npz (replayable with --stream) or .csv, whole or not at all."""
    observations = np.array([step.observation for step in history])
    commands = np.array([[*s.command.linear, *s.command.angular, s.command.opening] for s in history])
    was_limited = np.array([step.was_limited for step in history])
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if path.suffix == ".csv":
            _write_csv(temporary, np.column_stack([observations, commands, was_limited]))
        else:
            with open(temporary, "wb") as file:
                np.savez(file, observations=observations, commands=commands, was_limited=was_limited)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_csv(path: Path, rows: np.ndarray) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*POLICY_FIELDS, *COMMAND_FIELDS, "was_limited"])
        writer.writerows(rows.tolist())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m real2sim_jax.robot", description=(__doc__ or "").split(":")[0])
    parser.add_argument("policy", help="policy file (.npz)")
    parser.add_argument("--stream", help="recorded observations (.npz) to play back instead of the simulated arm")
    parser.add_argument("--steps", type=int, help="control periods to run (the stream, or one episode of 10 s)")
    parser.add_argument("--log", help="write what was seen and sent to this .csv or .npz")
    parser.add_argument("--start", default=NOMINAL_START, help="x,y,z,azimuth_deg,elevation_deg (%(default)s)")
    parser.add_argument("--real-time", action="store_true", help="keep the control period by the clock")
    defaults = Limits()
    parser.add_argument("--max-linear", type=float, default=defaults.linear_m_s, help="m/s (%(default).2f)")
    parser.add_argument("--max-angular", type=float, default=defaults.angular_rad_s, help="rad/s (%(default).2f)")
    return parser


def _limits(options: argparse.Namespace) -> Limits:
    for name, value in (("--max-linear", options.max_linear), ("--max-angular", options.max_angular)):
        if not 0.0 < value < np.inf:
            raise ArmError(f"{name} {value}: expected a speed above 0")
    return Limits(linear_m_s=options.max_linear, angular_rad_s=options.max_angular)


def _simulated(start: str, policy: Policy) -> SimulatedArm:
    try:
        x, y, z, azimuth, elevation = (float(part) for part in start.split(","))
    except ValueError as error:
        raise ArmError(f"--start {start}: expected x,y,z,azimuth_deg,elevation_deg") from error
    if not np.isfinite([x, y, z, azimuth, elevation]).all():
        raise ArmError(f"--start {start}: expected finite numbers")
    return SimulatedArm((x, y, z), np.deg2rad(azimuth), np.deg2rad(elevation), policy.dt)


def _steps(asked: int | None, policy: Policy, arm: RecordedArm | SimulatedArm) -> int:
    if asked is not None and asked < 1:
        raise ArmError(f"--steps {asked}: expected at least 1")
    episode = round(EPISODE_S / policy.dt)
    return asked or (len(arm) if isinstance(arm, RecordedArm) else episode)


def _reporter(policy: Policy, history: list[Step]):
    """Return a callback that keeps every step and prints one line a second."""
    per_second = max(1, round(1.0 / policy.dt))

    def on_step(step: Step) -> None:
        if len(history) % per_second == 0:
            print(_line(step), flush=True)
        history.append(step)

    return on_step


def _line(step: Step) -> str:
    state = step.state
    azimuth, elevation = (np.rad2deg(angle) for angle in azimuth_elevation_from_wxyz(state.wxyz))
    place = " ".join(f"{value:+.3f}" for value in state.position)
    speed = np.linalg.norm(step.command.linear)
    return (
        f"t {state.time:5.2f} s  at {place} m  azimuth {azimuth:+7.1f} elevation {elevation:+6.1f} deg  "
        f"opening {state.opening * 1000:4.1f} mm  -> {speed:.3f} m/s{'  limited' if step.was_limited else ''}"
    )


if __name__ == "__main__":
    sys.exit(main())
