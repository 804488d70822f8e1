"""The control loop: read, observe, act, limit, send; numpy only."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from real2sim_jax.robot.arms import Arm, ArmState, Command
from real2sim_jax.robot.limits import Limits, hold, is_usable, limited
from real2sim_jax.robot.observation import POLICY_FIELDS, command, observation
from real2sim_jax.robot.policy import Policy


@dataclass(frozen=True)
class Step:
    """What happened in one control period."""

    state: ArmState
    observation: np.ndarray
    """(8,) as the policy saw it; NaN where the state could not be used."""
    command: Command
    """As sent."""
    was_limited: bool
    """Whether the policy asked for more than was sent."""


class Controller:
    """A policy with its limits, one control period at a time."""

    def __init__(self, policy: Policy, limits: Limits | None = None):
        """Take a policy and the limits of the place that it works in."""
        self.policy = policy
        self.limits = limits or Limits()

    def step(self, state: ArmState) -> Step:
        """Return what to send in a state; a state or policy output that is not finite gives a stop."""
        if not is_usable(state):
            return Step(state, np.full(len(POLICY_FIELDS), np.nan), hold(state, self.limits), True)
        obs = observation(np.asarray(state.time), np.asarray(state.position), state.wxyz, np.asarray(state.opening))
        # Damaged weights can overflow; the limits turn what comes of it into a stop.
        with np.errstate(all="ignore"):
            linear, angular, opening = command(np.asarray(self.policy.act(obs), float))
        wanted = Command(linear, angular, float(opening))
        sent = limited(state, wanted, self.limits, self.policy.dt)
        return Step(state, obs, sent, not _same(wanted, sent))


def run(
    controller: Controller,
    arm: Arm,
    steps: int,
    on_step: Callable[[Step], None] | None = None,
    *,
    real_time: bool = False,
) -> None:
    """Drive an arm for a number of control periods and stop it, whatever happens.

    `on_step` gets every step after it was sent. With `real_time` the loop keeps the policy's period by the clock.
    """
    start = time.monotonic()
    try:
        for index in range(steps):
            done = controller.step(arm.read())
            arm.send(done.command)
            if on_step is not None:
                on_step(done)
            if real_time:
                # Against the start and not the last step: single late steps do not add up.
                time.sleep(max(0.0, start + (index + 1) * controller.policy.dt - time.monotonic()))
    finally:
        arm.stop()


def _same(a: Command, b: Command) -> bool:
    return np.allclose([*a.linear, *a.angular, a.opening], [*b.linear, *b.angular, b.opening], atol=1e-9)
