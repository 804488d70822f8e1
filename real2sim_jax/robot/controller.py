"""The control loop: read, observe, act, limit, send; numpy only."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from real2sim_jax.core.observation import POLICY_FIELDS, command, forced_opening, observation
from real2sim_jax.core.policy import Policy, check_blind
from real2sim_jax.robot.interface import Arm, ArmState, ArmStopped, Command
from real2sim_jax.robot.limits import Limits
from real2sim_jax.robot.motion import Limiter
from real2sim_jax.robot.safety import EmergencyStop, StateGuard, Watchdog


@dataclass(frozen=True)
class Step:
    """What happened in one control period."""

    state: ArmState | None
    """As read; None where none came."""
    observation: np.ndarray
    """(8,) as the policy saw it; NaN where it was not asked."""
    wanted: Command | None
    """What the policy asked for; None where it was not asked."""
    command: Command
    """As sent."""
    fault: str = ""
    """Why the arm brakes instead of following the policy."""
    policy_s: float = 0.0
    """How long the policy thought."""

    @property
    def was_limited(self) -> bool:
        """Whether less was sent than the policy asked for."""
        return self.wanted is None or not _same(self.wanted, self.command)


@dataclass(frozen=True)
class RunResult:
    """How a run ended."""

    steps: int
    """Control periods done, those of braking included."""
    reason: str = ""
    """Why it ended before its time; empty when it went through."""
    faults: dict[str, int] = field(default_factory=dict)
    """How many periods it braked in instead of following the policy, by reason; not those after the end."""


class Controller:
    """A policy with its limits, one control period at a time."""

    def __init__(self, policy: Policy, limits: Limits | None = None, *, real_time: bool = False):
        """Take a policy and the limits of the place that it works in; in real time, the policy must be quick.

        PolicyError for a policy that sees the object.
        """
        check_blind(policy)
        self.policy = policy
        self.limits = limits or Limits()
        self.limiter = Limiter(self.limits, policy.dt, policy.action.gripper)
        self.guard = StateGuard(self.limits, policy.dt)
        self.real_time = real_time

    @property
    def is_at_rest(self) -> bool:
        """Whether the last command was to stand still."""
        return self.limiter.last.at_rest

    def step(self, state: ArmState | None) -> Step:
        """Return what to send in a state; braking when the state or the policy's output cannot be used."""
        fault = self.guard.fault(state)
        if fault or state is None:
            return self.brake(state, fault)
        start, action = time.perf_counter(), self.policy.action
        opening = np.asarray(state.opening)
        obs = observation(np.asarray(state.time), np.asarray(state.position), np.asarray(state.wxyz), opening)
        # Damaged weights can overflow; the limits turn what comes of it into a stop.
        with np.errstate(all="ignore"):
            linear, angular, wanted_opening = command(self.policy.act(obs), action.gripper.max_opening_m)
        policy_s = time.perf_counter() - start
        if self.real_time and policy_s > self.limits.policy_timeout_s:
            return self.brake(state, f"the policy took {1000 * policy_s:.0f} ms")
        opening_m = forced_opening(action.last_opening_m, state.time, float(wanted_opening), self.policy.dt)
        wanted = Command(linear, angular, opening_m, self.limits.grip_force_n)
        if not np.isfinite([*linear, *angular, opening_m]).all():
            return self.brake(state, "a policy output that is not finite")
        return Step(state, obs, wanted, self.limiter.limit(state, wanted), "", policy_s)

    def brake(self, state: ArmState | None, reason: str) -> Step:
        """Return the next step of the shortest stop."""
        return Step(state, np.full(len(POLICY_FIELDS), np.nan), None, self.limiter.brake(state), reason)


def run(
    controller: Controller,
    arm: Arm,
    steps: int,
    on_step: Callable[[Step], None] | None = None,
    *,
    real_time: bool = False,
    button: EmergencyStop | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> RunResult:
    """Drive an arm for a number of control periods, brake, and stop it, whatever happens.

    `on_step` gets every step after it was sent. With `real_time` the loop keeps the policy's period by the clock, in s,
    the policy's time is limited, and a watchdog stops the arm when the loop hangs. The button ends the run by braking.
    """
    controller.real_time = real_time
    loop = _Loop(controller, arm, on_step or (lambda step: None), button or EmergencyStop(), clock)
    try:
        with contextlib.ExitStack() as stack:
            if real_time:
                loop.watchdog = stack.enter_context(
                    Watchdog(arm.stop, loop.button, controller.limits.command_timeout_s + controller.policy.dt)
                )
            loop.follow(steps)
            # A simulation that stands still between commands needs no braking when all went well.
            if real_time or loop.reason:
                loop.come_to_rest()
    except ArmStopped:
        # By the watchdog, say: whoever stops the arm has the last word, and nothing is sent after it.
        loop.reason = loop.reason or loop.button.reason or "the arm was stopped"
    finally:
        arm.stop()
    return RunResult(loop.done, loop.reason, dict(loop.faults))


class _Loop:
    """One run in the making."""

    def __init__(
        self,
        controller: Controller,
        arm: Arm,
        on_step: Callable[[Step], None],
        button: EmergencyStop,
        clock: Callable[[], float],
    ):
        self.controller, self.arm, self.on_step, self.button, self.clock = controller, arm, on_step, button, clock
        self.watchdog: Watchdog | None = None
        self.done = 0
        self.faults: Counter[str] = Counter()
        self.reason = ""
        self._next = clock()

    def follow(self, steps: int) -> None:
        """Follow the policy until it is through or something ends it; then `reason` says what."""
        for _ in range(steps):
            if self.button.is_pressed:
                self.reason = self.button.reason
                return
            step = self.controller.step(self.arm.read())
            if step.fault:
                self.faults[step.fault] += 1
            self._send(step)
            if self.controller.guard.has_given_up:
                self.reason = f"{step.fault} for {self.controller.limits.state_timeout_s:g} s"
                return

    def come_to_rest(self) -> None:
        """Brake until the last command was to stand still."""
        while not self.controller.is_at_rest:
            self._send(self.controller.brake(self.arm.read(), self.reason or "end"))

    def _send(self, step: Step) -> None:
        self.arm.send(step.command)
        self.done += 1
        self.on_step(step)
        if self.watchdog is not None:
            self.watchdog.beat()
            self._wait()

    def _wait(self) -> None:
        """Sleep until the next period; a loop that is late by more than the time-out ends itself."""
        # Against the start and not the last step: single late steps do not add up.
        self._next += self.controller.policy.dt
        left = self._next - self.clock()
        if left < -self.controller.limits.command_timeout_s:
            self.button.press(f"the control loop was {-left:.2f} s late")
        time.sleep(max(0.0, left))


def _same(a: Command, b: Command) -> bool:
    return np.allclose([*a.linear, *a.angular, a.opening], [*b.linear, *b.angular, b.opening], rtol=0.0, atol=1e-9)
