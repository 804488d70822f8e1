"""What ends a run: each fault leads to a smooth stop and a reason."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from real2sim_jax.core.observation import FORCED_AFTER_S, forced_opening
from real2sim_jax.robot.controller import Controller, run
from real2sim_jax.robot.interface import ArmState, DryArm, SimulatedArm
from real2sim_jax.robot.limits import Limits
from real2sim_jax.robot.safety import EmergencyStop
from tests.policies import random_policy, scripted_policy

DT = 1.0 / 12.0
PUSH = np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.3, 1.0])
LIMITS = Limits(linear_m_s2=1.0)


def pushing(action=lambda: PUSH, limits=LIMITS):
    return Controller(scripted_policy(lambda obs: action()), limits)


def arm_at_start():
    return SimulatedArm((0.0, 0.0, 0.3), 0.0, 0.0, DT)


def assert_smooth_stop(seen, limits=LIMITS):
    speeds = np.array([np.linalg.norm(step.command.linear) for step in seen])
    braking = [i for i, step in enumerate(seen) if step.fault]
    assert speeds[-1] == 0.0 and speeds.max() > 0.2
    assert (np.diff(speeds[braking[0] - 1 :]) <= 1e-12).all()
    assert np.abs(np.diff(speeds)).max() <= limits.linear_m_s2 * DT + 1e-9


def test_the_button_brakes_and_names_its_reason():
    button, seen = EmergencyStop(), []

    def press(step):
        seen.append(step)
        if len(seen) == 10:
            threading.Thread(target=button.press, args=("someone at the door",)).start()

    outcome = run(pushing(), arm_at_start(), 100, lambda step: (press(step), time.sleep(0.01)), button=button)
    assert outcome.reason == "someone at the door" and outcome.steps < 30
    assert_smooth_stop(seen)


def test_a_signal_presses_the_button():
    button, seen, before = EmergencyStop(), [], signal.getsignal(signal.SIGTERM)

    def kill_once(step):
        seen.append(step)
        if len(seen) == 10:
            os.kill(os.getpid(), signal.SIGTERM)

    with button.on_signals():
        outcome = run(pushing(), arm_at_start(), 100, kill_once, button=button)
    assert outcome.reason == "SIGTERM received"
    assert_smooth_stop(seen)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    "broken, reason",
    [
        (lambda state: None, "no state for 0.25 s"),
        (lambda state: ArmState(np.nan, *state[1:]), "no pose"),
        (lambda state: ArmState(state[0], np.array([0.0, np.inf, 0.1]), *state[2:]), "no pose"),
        (lambda state: ArmState(state[0], state[1], 3.0 * state[2], state[3]), "no pose"),
        (lambda state: ArmState(0.5, *state[1:]), "not newer"),
    ],
)
def test_states_that_do_not_come_end_the_run(broken, reason):
    class Breaking(SimulatedArm):
        def read(self):
            state = super().read()
            parts = (state.time, state.position, state.wxyz, state.opening)
            return state if state.time < 0.7 else broken(parts)

    seen = []
    outcome = run(pushing(), Breaking((0.0, 0.0, 0.3), 0.0, 0.0, DT), 100, seen.append)
    assert reason in outcome.reason and outcome.steps < 20
    assert_smooth_stop(seen)


def test_a_single_missing_state_only_slows():
    class Blinking(SimulatedArm):
        def read(self):
            return None if abs(self.state.time - 1.0) < 0.01 else super().read()

    seen = []
    outcome = run(pushing(), Blinking((-0.4, 0.0, 0.3), 0.0, 0.0, DT), 24, seen.append)
    assert outcome.reason == "" and [step.fault for step in seen].count("no state") == 1


def test_a_slow_policy_is_not_listened_to():
    controller = pushing(lambda: (time.sleep(0.03), PUSH)[1], Limits(policy_timeout_s=0.02))
    seen = []
    run(controller, arm_at_start(), 3, seen.append, real_time=True)
    assert all("the policy took" in step.fault and not step.command.linear.any() for step in seen)


def test_a_hanging_policy_stops_the_arm_from_the_watchdog():
    class Stopped(SimulatedArm):
        halted_by: tuple[str, ...] = ()

        def _halt(self):
            self.halted_by = (*self.halted_by, threading.current_thread().name)

    arm = Stopped((0.0, 0.0, 0.3), 0.0, 0.0, DT)
    controller = pushing(lambda: (time.sleep(0.6), PUSH)[1])
    outcome = run(controller, arm, 20, real_time=True)
    assert "hung" in outcome.reason and arm.halted_by[0] == "watchdog" and outcome.steps < 5


def test_an_output_that_is_not_finite_brakes():
    outputs = iter([PUSH] * 10 + [np.full(7, np.nan)] * 5)
    seen = []
    run(pushing(lambda: next(outputs)), arm_at_start(), 15, seen.append)
    assert_smooth_stop(seen)


def test_a_dry_run_moves_nothing():
    arm = arm_at_start()
    before = arm.state
    run(pushing(), DryArm(arm), 2)
    assert arm.state is before


def test_the_fingers_are_forced_late_in_the_episode():
    assert forced_opening(0.0, 6.9, 0.03, DT) == 0.03
    assert forced_opening(0.0, 7.0 - 1e-6, 0.03, DT) == 0.0
    assert forced_opening(0.075, 7.0, 0.03, DT) == 0.075


def test_simulation_and_robot_force_the_fingers_at_the_same_time():
    from real2sim_jax.simulation import env

    assert env.FORCED_AFTER_S == FORCED_AFTER_S


def test_memory_does_not_grow_with_the_steps():
    import gc
    import tracemalloc

    controller, arm = Controller(random_policy()), arm_at_start()

    def held_after(count):
        for _ in range(count):
            arm.send(controller.step(arm.read()).command)
        # Python's lists of freed tuples are no growth.
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    held = [held_after(500) for _ in range(4)]
    tracemalloc.stop()
    # One object kept in each step would be 25 kB each time; other threads of the process may allocate something once.
    assert np.diff(held).min() < 16384
