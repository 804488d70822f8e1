"""One run from start to end: settings, a line a second, the log, the closing line."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from real2sim_jax.core.clock import EPISODE_S
from real2sim_jax.core.policy import Policy
from real2sim_jax.core.rotations import azimuth_elevation_from_wxyz
from real2sim_jax.core.storage import check_output
from real2sim_jax.robot.controller import Controller, Step, run
from real2sim_jax.robot.interface import Arm, ArmError, DryArm, RecordedArm
from real2sim_jax.robot.limits import Limits
from real2sim_jax.robot.log import save_log
from real2sim_jax.robot.safety import EmergencyStop

SHOWN_FAULTS = 3


@dataclass(frozen=True)
class RunSettings:
    """How to run a policy."""

    steps: int | None = None
    """Control periods; the recorded stream's, or one episode, when absent."""
    log: Path | None = None
    """Gets every step, .csv or .npz."""
    real_time: bool = False
    """Keep the control period by the clock."""
    dry_run: bool = False
    """Read the arm and print what would be sent, but send nothing."""
    limits: Limits = field(default_factory=Limits)


def limits_from(max_linear: float | None, max_angular: float | None, base: Limits | None = None) -> Limits:
    """Return limits with other largest speeds (m/s, rad/s); ArmError on one that is no positive number."""
    base = base or Limits()
    for name, value in (("--max-linear", max_linear), ("--max-angular", max_angular)):
        if value is not None and not 0.0 < value < math.inf:
            raise ArmError(f"{name} {value}: expected a speed above 0")
    return replace(base, linear_m_s=max_linear or base.linear_m_s, angular_rad_s=max_angular or base.angular_rad_s)


def drive(policy: Policy, arm: Arm, settings: RunSettings, on_step: Callable[[Step], None] | None = None) -> int:
    """Run a policy on an arm with signals as the emergency stop; 0 when it went through, 1 when it did not.

    A run that ended early did not go through, nor did one that braked before its end, because no state came,
    for example. Prints a line a second; `on_step` gets every step too. InputError before the first motion on wrong
    settings.
    """
    steps = _steps(settings.steps, policy, arm)
    if settings.log:
        check_output(settings.log)
    history: list[Step] = []
    button = EmergencyStop()
    dry = " (dry run: nothing is sent)" if settings.dry_run else ""
    print(f"{policy.action.name}: {steps} steps of {policy.dt * 1000:.1f} ms{dry}", flush=True)
    controller = Controller(policy, settings.limits)
    try:
        with button.on_signals():
            outcome = run(
                controller,
                DryArm(arm) if settings.dry_run else arm,
                steps,
                _watcher(policy, history, on_step, settings.dry_run),
                real_time=settings.real_time,
                button=button,
            )
    finally:
        if settings.log:
            save_log(settings.log, history)
    cut = sum(step.was_limited for step in history)
    print(f"stopped early: {outcome.reason}" if outcome.reason else f"done: {outcome.steps} steps, {cut} limited")
    if outcome.faults and not outcome.reason:
        reasons = ", ".join(list(outcome.faults)[:SHOWN_FAULTS])
        print(f"braked in {sum(outcome.faults.values())} of {outcome.steps} steps: {reasons}")
    return 1 if outcome.reason or outcome.faults else 0


def _steps(asked: int | None, policy: Policy, arm: Arm) -> int:
    if asked is not None and asked < 1:
        raise ArmError(f"--steps {asked}: expected at least 1")
    return asked or (len(arm) if isinstance(arm, RecordedArm) else round(EPISODE_S / policy.dt))


def _watcher(
    policy: Policy, history: list[Step], on_step: Callable[[Step], None] | None, every: bool
) -> Callable[[Step], None]:
    """Keep every step and print one line a second, or each in a dry run."""
    stride = 1 if every else max(1, round(1.0 / policy.dt))

    def watch(step: Step) -> None:
        if len(history) % stride == 0:
            print(_line(step), flush=True)
        history.append(step)
        if on_step is not None:
            on_step(step)

    return watch


def _line(step: Step) -> str:
    state = step.state
    if state is None or step.wanted is None:
        return f"braking: {step.fault}"
    azimuth, elevation = (np.rad2deg(angle) for angle in azimuth_elevation_from_wxyz(np.asarray(state.wxyz)))
    place = " ".join(f"{value:+.3f}" for value in state.position)
    linear, angular = (np.linalg.norm(part) for part in (step.command.linear, step.command.angular))
    return (
        f"t {state.time:5.2f} s  at {place} m  azimuth {azimuth:+7.1f} elevation {elevation:+6.1f} deg  "
        f"opening {state.opening * 1000:4.1f} mm  -> {linear:.3f} m/s {angular:.2f} rad/s "
        f"{step.command.opening * 1000:4.1f} mm{'  limited' if step.was_limited else ''}"
    )
