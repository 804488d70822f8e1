"""No command exceeds a limit, whatever the policy asks for and wherever the arm is."""

from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from real2sim_jax.robot.arms import ArmState, Command, SimulatedArm, moved
from real2sim_jax.robot.controller import Controller, run
from real2sim_jax.robot.limits import GRIPPER_CORNERS, Limits, limited, lowest_point
from real2sim_jax.robot.rotations import wxyz_from_azimuth_elevation, wxyz_from_rotvec
from real2sim_jax.simulation.scene import FINGER_HALF, FINGER_TIP, PALM_CENTER, PALM_HALF

DT = 1.0 / 12.0
LIMITS = Limits(linear_m_s=0.25, angular_rad_s=1.5)
anything = st.floats(allow_nan=True, allow_infinity=True)
outputs = st.lists(st.one_of(anything, st.floats(-1, 1)), min_size=7, max_size=7).map(np.array)
vectors = st.lists(st.floats(-1, 1), min_size=3, max_size=3).map(np.array)
states = st.builds(
    lambda position, rotvec, opening: ArmState(0.0, position, wxyz_from_rotvec(np.pi * rotvec), opening),
    vectors,
    vectors,
    st.floats(0, 0.075),
)


def check(state, command, limits=LIMITS):
    """The limits, read off a command and the pose that it leads to."""
    assert np.linalg.norm(command.linear) <= limits.linear_m_s * (1 + 1e-9)
    assert np.linalg.norm(command.angular) <= limits.angular_rad_s * (1 + 1e-9)
    assert 0.0 <= command.opening <= limits.opening_m
    position, wxyz = moved(state, command, DT)
    low, high = np.array(limits.workspace_low_m), np.array(limits.workspace_high_m)
    # An axis that is outside already may stay there but never gets further away.
    assert (position >= np.minimum(low, state.position) - 1e-9).all()
    assert (position <= np.maximum(high, state.position) + 1e-9).all()
    height, before = position[2] + lowest_point(wxyz), state.position[2] + lowest_point(state.wxyz)
    assert height >= min(limits.table_clearance_m, before) - 1e-9


@given(states, outputs)
def test_no_command_exceeds_a_limit(state, output):
    check(state, limited(state, Command(output[:3], output[3:6], float(output[6])), LIMITS, DT))


@given(states, outputs)
def test_no_policy_output_exceeds_a_limit(state, output):
    policy = SimpleNamespace(act=lambda obs: output, dt=DT)
    check(state, Controller(policy, LIMITS).step(state).command)


@given(states, st.lists(anything, min_size=8, max_size=8).map(np.array))
def test_a_state_that_is_no_pose_stops_the_arm(state, noise):
    broken = ArmState(noise[0], noise[1:4], np.where(np.isfinite(noise[4:8]), np.nan, noise[4:8]), 0.02)
    policy = SimpleNamespace(act=lambda obs: np.ones(7), dt=DT)
    sent = Controller(policy, LIMITS).step(broken).command
    assert not sent.linear.any() and not sent.angular.any() and sent.opening == 0.02


@given(states, outputs, st.integers(0, 6), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_not_a_number_is_a_stop(state, output, index, value):
    output[index] = value
    sent = limited(state, Command(output[:3], output[3:6], float(output[6])), LIMITS, DT)
    assert not sent.linear.any() and not sent.angular.any() and sent.opening == state.opening


@given(outputs, st.floats(-1, 1), st.floats(-1, 1))
def test_a_whole_run_stays_above_the_table_and_in_the_workspace(output, azimuth, elevation):
    policy = SimpleNamespace(act=lambda obs: np.clip(output, -1, 1), dt=DT)
    arm = SimulatedArm((0.0, 0.0, 0.3), np.pi * azimuth, elevation, DT)
    seen = []
    run(Controller(policy, LIMITS), arm, 36, seen.append)
    for step in seen:
        assert step.state.position[2] + lowest_point(step.state.wxyz) >= LIMITS.table_clearance_m - 1e-9
        assert (np.abs(step.state.position[:2]) <= 0.6 + 1e-9).all()


def test_commands_within_the_limits_pass_unchanged():
    state = ArmState(0.0, np.array([0, 0, 0.3]), wxyz_from_azimuth_elevation(np.array(1.0), np.array(0.3)), 0.05)
    wanted = Command(np.array([0.1, -0.1, -0.05]), np.array([0.5, 0.2, -0.3]), 0.01)
    sent = limited(state, wanted, LIMITS, DT)
    np.testing.assert_allclose(sent.linear, wanted.linear)
    np.testing.assert_allclose(sent.angular, wanted.angular)
    assert sent.opening == wanted.opening


def test_speeds_are_shortened_and_not_turned():
    state = ArmState(0.0, np.array([0, 0, 0.3]), np.array([1.0, 0, 0, 0]), 0.05)
    sent = limited(state, Command(np.array([3e200, 0, 4e200]), np.array([0.0, 30, 40]), 0.5), LIMITS, DT)
    np.testing.assert_allclose(sent.linear, [0.15, 0, 0.2])
    np.testing.assert_allclose(sent.angular, [0, 0.9, 1.2])
    assert sent.opening == LIMITS.opening_m


def test_a_level_gripper_touches_the_table_with_its_palm():
    level = wxyz_from_azimuth_elevation(np.array(0.7), np.array(0.0))
    np.testing.assert_allclose(lowest_point(level), -0.0315, atol=1e-9)
    # Pointing straight down, the fingertips lead by 3.84 cm; straight up, the palm's back face.
    down, up = (wxyz_from_azimuth_elevation(np.array(0.0), np.array(s * np.pi / 2)) for s in (1, -1))
    np.testing.assert_allclose([lowest_point(down), lowest_point(up)], [-0.0384, -0.1736], atol=1e-9)


def test_the_robot_knows_the_simulated_gripper():
    palm, fingers = GRIPPER_CORNERS[:8], GRIPPER_CORNERS[8:]
    np.testing.assert_allclose(np.abs(palm[:, :2]), np.tile(PALM_HALF[:2], (8, 1)))
    np.testing.assert_allclose(np.unique(palm[:, 2].round(9)), [PALM_CENTER - PALM_HALF[2], PALM_CENTER + PALM_HALF[2]])
    outer = (FINGER_HALF[0], 0.075 + 2 * FINGER_HALF[1])
    np.testing.assert_allclose(np.abs(fingers), np.tile([*outer, FINGER_TIP], (4, 1)))
