"""The arm's kinematics and the tracker: right, and never beyond a joint's limit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from real2sim_jax.core.rotations import matrix_from_wxyz, wxyz_from_azimuth_elevation
from real2sim_jax.robot.franka.joints import JointArm, check_reach
from real2sim_jax.robot.franka.kinematics import HOME_RAD, Chain, TaskFrame, rotation_between, wxyz_from_matrix
from real2sim_jax.robot.franka.postures import pose_error, postures
from real2sim_jax.robot.franka.tracking import JointTracker
from real2sim_jax.robot.interface import ArmError, Command
from real2sim_jax.robot.limits import JointLimits, Limits
from tests.policies import random_policy

LIMITS, CHAIN, FRAME = JointLimits(), Chain(), TaskFrame()
LOW, HIGH = np.array(LIMITS.low_rad), np.array(LIMITS.high_rad)
DT = 0.01
joints = st.lists(st.floats(0, 1), min_size=7, max_size=7).map(lambda share: LOW + np.array(share) * (HIGH - LOW))
wild = st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=6, max_size=6).map(np.array)
tame = st.lists(st.floats(-3, 3), min_size=6, max_size=6).map(np.array)


def test_the_flange_is_where_franka_says():
    # The documented zero posture: x 0.088 m, z 0.333 + 0.316 + 0.384 - 0.107 m, flange pointing down.
    pose = Chain(tool_m=0.0).frames(np.zeros(7))[7]
    np.testing.assert_allclose(pose[:3, 3], [0.088, 0.0, 0.926], atol=1e-12)
    np.testing.assert_allclose(pose[:3, 2], [0, 0, -1], atol=1e-12)


@given(joints)
def test_the_jacobian_is_the_derivative(q):
    jacobian, step = CHAIN.jacobian(CHAIN.frames(q)), 1e-6
    for i in range(7):
        a, b = (CHAIN.frames(q + sign * step * np.eye(7)[i])[7] for sign in (-1, 1))
        moved = np.concatenate([b[:3, 3] - a[:3, 3], rotation_between(a[:3, :3], b[:3, :3])])
        np.testing.assert_allclose(jacobian[:, i], moved / (2 * step), atol=1e-6)


@given(joints)
def test_matrices_become_quaternions_and_back(q):
    rotation = CHAIN.frames(q)[7, :3, :3]
    np.testing.assert_allclose(matrix_from_wxyz(wxyz_from_matrix(rotation)), rotation, atol=1e-9)


@given(joints, st.lists(st.one_of(wild, tame), min_size=1, max_size=40))
def test_no_twist_brings_a_joint_beyond_a_limit(q, twists):
    tracker = JointTracker(CHAIN, LIMITS, q, DT)
    for twist in twists:
        before = tracker.dq
        with np.errstate(all="ignore"):
            now, speed = tracker.step(twist[:3], twist[3:])
        assert (now >= LOW).all() and (now <= HIGH).all()
        assert (np.abs(speed) <= np.array(LIMITS.speed_rad_s) + 1e-9).all()
        assert (np.abs(speed - before) <= np.array(LIMITS.acceleration_rad_s2) * DT + 1e-9).all()


@given(joints, tame)
def test_braking_is_monotone_and_ends(q, twist):
    tracker = JointTracker(CHAIN, LIMITS, q, DT)
    for _ in range(20):
        tracker.step(twist[:3], twist[3:])
    speeds = [np.abs(tracker.brake()[1]) for _ in range(60)]
    assert (np.diff(speeds, axis=0) <= 1e-12).all() and not speeds[-1].any()


def test_a_twist_is_tracked_to_millimetres():
    tracker = JointTracker(CHAIN, LIMITS, HOME_RAD, DT)
    ideal, errors = tracker.pose[:3, 3].copy(), []
    for k in range(500):
        phase = 2 * np.pi * k / 500
        linear = 0.15 * np.array([np.sin(phase), np.cos(phase), 0.5 * np.cos(phase)])
        tracker.step(linear, 0.5 * np.array([np.sin(phase), 0, np.cos(phase)]))
        ideal += linear * DT
        errors.append(np.linalg.norm(ideal - tracker.pose[:3, 3]))
    assert max(errors) < 0.003


def straight_way(count=13, step=(0.01, 0.0, 0.0)):
    """Poses in the base frame of a gripper that points down and away and moves by a step each time."""
    wxyz = wxyz_from_azimuth_elevation(np.array(1.5), np.array(1.0))
    return np.stack([FRAME.pose_to_base(np.array([0.0, -0.05, 0.2]) + k * np.array(step), wxyz) for k in range(count)])


def test_postures_begin_a_way_with_either_side_of_the_gripper():
    way = straight_way()
    found = postures(way, 4, LIMITS, 1 / 12, CHAIN.tool_m)
    assert {posture.chain.flipped for posture in found} == {False, True}
    ratios = [posture.violation_ratio for posture in found]
    assert ratios[0] < 1.0 and ratios == sorted(ratios)
    for posture in found:
        assert np.abs(pose_error(posture.chain.frames(posture.q), way[0])).max() < 2e-3
        assert (posture.q >= LOW).all() and (posture.q <= HIGH).all()


def test_a_way_too_fast_for_the_joints_is_a_strain():
    slow, fast = (postures(straight_way(step=(0.01, 0, 0)), 4, LIMITS, dt, CHAIN.tool_m)[0] for dt in (1 / 12, 1 / 200))
    assert slow.violation_ratio < 1.0 < fast.violation_ratio


def test_out_of_reach_is_nothing():
    way = straight_way()
    way[0, :3, 3] = 2.0, 0.0, 0.0
    assert postures(way, 4, LIMITS, 1 / 12, CHAIN.tool_m) == []


def test_going_to_joints_is_slow_and_ends_there():
    tracker, target = JointTracker(CHAIN, LIMITS, HOME_RAD, DT), HOME_RAD + 0.4
    speeds = [np.abs(tracker.go(target, 0.25)[1]).max() for _ in range(600)]
    assert max(speeds) <= 0.25 * max(LIMITS.speed_rad_s) + 1e-9
    np.testing.assert_allclose(tracker.q, target, atol=1e-3)


def test_many_joints_at_once_are_each_on_its_own():
    q = np.random.default_rng(0).uniform(LOW, HIGH, (2, 3, 7))
    frames = CHAIN.frames(q)
    for index in np.ndindex(2, 3):
        np.testing.assert_allclose(frames[index], CHAIN.frames(q[index]), atol=1e-12)
        np.testing.assert_allclose(CHAIN.jacobian(frames)[index], CHAIN.jacobian(frames[index]), atol=1e-12)


def test_a_way_that_the_arm_cannot_go_is_refused_with_the_reason():
    start = np.array([0.0, -0.05, 0.2]), wxyz_from_azimuth_elevation(np.array(1.5), np.array(0.6))
    with pytest.raises(ArmError, match="--object-pose"):
        check_reach(random_policy(scale=3.0), start, TaskFrame(0.75, 0.0, -1.57), Limits())


def test_the_task_frame_is_a_round_trip():
    frame = TaskFrame(0.4, -0.1, 0.7)
    position, wxyz = np.array([0.1, 0.2, 0.3]), wxyz_from_azimuth_elevation(np.array(0.3), np.array(-0.2))
    again = frame.from_base(*frame.to_base(position, wxyz))
    np.testing.assert_allclose(again[0], position, atol=1e-12)
    np.testing.assert_allclose(again[1], wxyz, atol=1e-12)


def test_the_numpy_arm_moves_in_the_task_frame():
    arm = JointArm(CHAIN, FRAME, Limits(), HOME_RAD, 1 / 12)
    before = arm.read().position
    for _ in range(6):
        arm.send(Command(np.array([0.1, 0.0, 0.0]), np.zeros(3), 0.05))
    np.testing.assert_allclose(arm.read().position - before, [0.05, 0, 0], atol=0.004)
