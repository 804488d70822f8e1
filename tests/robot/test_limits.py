"""No command exceeds a limit, whatever the policy asks for and wherever the arm is."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from real2sim_jax.core.gripper import FRANKA_HAND, GRIPPERS, PUBLISHED
from real2sim_jax.core.rotations import rotate, wxyz_from_azimuth_elevation, wxyz_from_rotvec
from real2sim_jax.robot.controller import Controller, run
from real2sim_jax.robot.interface import ArmState, Command, SimulatedArm, moved
from real2sim_jax.robot.limits import JointLimits, Limits, lowest_point
from real2sim_jax.robot.motion import Limiter, Twist
from tests.policies import scripted_policy

DT = 1.0 / 12.0
LIMITS = Limits(linear_m_s=0.25, angular_rad_s=1.5, linear_m_s2=1.5, angular_rad_s2=8.0, linear_m_s3=50.0)
anything = st.floats(allow_nan=True, allow_infinity=True)
outputs = st.lists(st.one_of(anything, st.floats(-1, 1)), min_size=7, max_size=7).map(np.array)
vectors = st.lists(st.floats(-1, 1), min_size=3, max_size=3).map(np.array)
states = st.builds(
    lambda position, rotvec, opening: ArmState(0.0, position, wxyz_from_rotvec(np.pi * rotvec), opening),
    vectors,
    vectors,
    st.floats(0, 0.075),
)


def controller_with(action, limits=LIMITS):
    """A controller whose policy puts out what `action` returns."""
    return Controller(scripted_policy(lambda obs: action()), limits)


def within_bounds(before, sent, after, limits, dt=DT):
    """Speed, acceleration, jerk and opening of three commands in a row; arrays (..., 3) or (...,) throughout."""
    for name, speed, drop, jerk in (
        ("linear", limits.linear_m_s, limits.linear_m_s2 * dt, limits.linear_m_s3 * dt * dt),
        ("angular", limits.angular_rad_s, limits.angular_rad_s2 * dt, limits.angular_rad_s3 * dt * dt),
    ):
        a, b, c = (np.asarray(getattr(twist, name), float) for twist in (before, sent, after))
        yield np.linalg.norm(c, axis=-1) <= speed + 1e-9
        yield np.linalg.norm(c - b, axis=-1) <= drop + 1e-9
        yield np.linalg.norm(c - 2.0 * b + a, axis=-1) <= jerk + 1e-9


def keeps_position(state, command, limits=LIMITS):
    """Whether the pose that a command leads to is inside, or no further out than the arm is."""
    position, wxyz = moved(state, command, DT)
    low, high = np.array(limits.workspace_low_m), np.array(limits.workspace_high_m)
    inside = (position >= np.minimum(low, state.position) - 1e-8) & (
        position <= np.maximum(high, state.position) + 1e-8
    )
    height, before = (
        position[2] + lowest_point(wxyz, PUBLISHED),
        state.position[2] + lowest_point(state.wxyz, PUBLISHED),
    )
    return bool(inside.all()) and height >= min(limits.table_clearance_m, before) - 1e-8


def check(state, command, limits=LIMITS):
    """The bounds of the first command of a run, which starts at rest."""
    assert all(within_bounds(Twist(), Twist(), command, limits))
    assert 0.0 <= command.opening <= limits.opening_m and 0.0 <= command.force <= limits.grip_force_n
    assert keeps_position(state, command, limits)


@given(states, outputs, st.one_of(anything, st.floats(0, 50)))
def test_no_command_exceeds_a_limit(state, output, force):
    wanted = Command(output[:3], output[3:6], float(output[6]), force)
    check(state, Limiter(LIMITS, DT, PUBLISHED).limit(state, wanted))


@given(states, outputs)
def test_no_policy_output_exceeds_a_limit(state, output):
    check(state, controller_with(lambda: output).step(state).command)


@given(st.lists(st.tuples(states, outputs), min_size=3, max_size=12))
def test_no_row_of_states_and_outputs_exceeds_a_limit(rows):
    """States that jump about: then there may be no room to brake, but the arm brakes as hard as it may."""
    limiter, twists = Limiter(LIMITS, DT, PUBLISHED), [Twist(), Twist()]
    for state, output in rows:
        last = limiter.last
        sent = limiter.limit(state, Command(output[:3], output[3:6], float(output[6])))
        twists.append(limiter.last)
        assert all(within_bounds(*twists[-3:], LIMITS))
        assert keeps_position(state, sent) or is_full_brake(last, limiter.last)


def is_full_brake(last, sent, limits=LIMITS):
    """Whether both parts of a twist went towards zero by all that the accelerations allow."""
    pairs = (
        (last.linear, sent.linear, limits.linear_drop(DT)),
        (last.angular, sent.angular, limits.angular_drop(DT)),
    )
    return all(np.isclose(np.linalg.norm(b), max(0.0, np.linalg.norm(a) - drop), atol=1e-9) for a, b, drop in pairs)


@given(states, st.lists(anything, min_size=8, max_size=8).map(np.array))
def test_a_state_that_is_no_pose_stops_the_arm(state, noise):
    broken = ArmState(noise[0], noise[1:4], np.where(np.isfinite(noise[4:8]), np.nan, noise[4:8]), 0.02)
    sent = controller_with(lambda: np.ones(7)).step(broken).command
    assert not sent.linear.any() and not sent.angular.any() and sent.opening == 0.02


@given(states, outputs, st.integers(0, 6), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_not_a_number_is_a_stop(state, output, index, value):
    output[index] = value
    sent = Limiter(LIMITS, DT, PUBLISHED).limit(state, Command(output[:3], output[3:6], float(output[6])))
    assert not sent.linear.any() and not sent.angular.any() and sent.opening == state.opening


@given(states, st.lists(outputs, min_size=1, max_size=6))
def test_every_stop_is_monotone_straight_and_ends(state, before):
    limiter = Limiter(LIMITS, DT, PUBLISHED)
    for output in before:
        limiter.limit(state, Command(output[:3], output[3:6], float(output[6])))
    opening, speeds = limiter.opening, [limiter.last]
    for _ in range(100):
        limiter.brake(None)
        speeds.append(limiter.last)
    for name in ("linear", "angular"):
        path = np.array([getattr(twist, name) for twist in speeds])
        norms = np.linalg.norm(path, axis=-1)
        assert (np.diff(norms) <= 1e-12).all() and norms[-1] == 0.0
        np.testing.assert_allclose(np.cross(path, path[0]), 0.0, atol=1e-9)
    # The fingers keep what they hold.
    assert opening is None or limiter.brake(state).opening == opening


@given(outputs, st.floats(-1, 1), st.floats(-1, 1))
def test_a_whole_run_stays_above_the_table_and_in_the_workspace(output, azimuth, elevation):
    arm = SimulatedArm((0.0, 0.0, 0.3), np.pi * azimuth, elevation, DT)
    seen = []
    run(controller_with(lambda: np.clip(output, -1, 1)), arm, 36, seen.append)
    for step in seen:
        assert step.state.position[2] + lowest_point(step.state.wxyz, PUBLISHED) >= LIMITS.table_clearance_m - 1e-9
        assert (np.abs(step.state.position[:2]) <= 0.6 + 1e-9).all()


def random_walk(count, seed, limits):
    """Commands (N, 6), lowest points (N,) and positions (N, 3) of an arm that follows a policy of noise.

    The noise asks for anything: huge and tiny, held for a while or changing, one time in twenty nothing finite. A
    hundred steps are one run.
    """
    rng = np.random.default_rng(seed)
    wild = rng.normal(size=(count, 7)) * 10.0 ** rng.uniform(-3, 6, (count, 1))
    wild[rng.random(count) < 0.05, rng.integers(0, 7)] = np.nan
    wild = np.repeat(wild[::3], 3, axis=0)[:count]
    twists, poses = np.zeros((count, 6)), np.zeros((count, 7))
    for i in range(count):
        if i % 100 == 0:
            limiter = Limiter(limits, DT, PUBLISHED)
            wxyz = wxyz_from_azimuth_elevation(*rng.uniform((-3.1, -1.4), (3.1, 1.4)))
            state = ArmState(0.0, rng.uniform((-0.55, -0.55, 0.3), 0.55), wxyz, 0.05)
        sent = limiter.limit(state, Command(wild[i, :3], wild[i, 3:6], wild[i, 6]))
        position, wxyz = moved(state, sent, DT)
        state = ArmState(0.0, position, wxyz, 0.05)
        twists[i], poses[i] = (*sent.linear, *sent.angular), (*position, *wxyz)
    lowest = poses[:, 2] + rotate(poses[:, None, 3:], corners(PUBLISHED))[..., 2].min(axis=-1)
    return twists.reshape(-1, 100, 6), lowest, poses[:, :3]


def violations(count, seed, limits):
    twists, lowest, positions = random_walk(count, seed, limits)
    padded = np.concatenate([np.zeros((len(twists), 2, 6)), twists], axis=1)
    rows = [SimpleNamespace(linear=part[..., :3], angular=part[..., 3:]) for part in (padded[:, :-2], padded[:, 1:-1])]
    bounds = within_bounds(*rows, SimpleNamespace(linear=twists[..., :3], angular=twists[..., 3:]), limits)
    low, high = np.array(limits.workspace_low_m) - 1e-6, np.array(limits.workspace_high_m) + 1e-6
    inside = ((positions >= low) & (positions <= high)).all(axis=-1)
    return sum(int((~np.asarray(ok)).sum()) for ok in (*bounds, inside, lowest >= limits.table_clearance_m - 1e-6))


@pytest.mark.parametrize("limits", [Limits(), LIMITS], ids=["default", "tight"])
def test_twenty_thousand_random_steps_violate_nothing(limits):
    assert violations(20_000, 0, limits) == 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("limits", [Limits(), LIMITS], ids=["default", "tight"])
def test_a_million_random_steps_violate_nothing(limits):
    assert violations(1_000_000, 1, limits) == 0


def test_commands_within_the_limits_pass_unchanged():
    state = ArmState(0.0, np.array([0, 0, 0.3]), wxyz_from_azimuth_elevation(np.array(1.0), np.array(0.3)), 0.05)
    wanted = Command(np.array([0.1, -0.03, -0.05]), np.array([0.5, 0.2, -0.3]), 0.01, 15.0)
    sent = Limiter(LIMITS, DT, PUBLISHED).limit(state, wanted)
    np.testing.assert_allclose(sent.linear, wanted.linear)
    np.testing.assert_allclose(sent.angular, wanted.angular)
    assert (sent.opening, sent.force) == (wanted.opening, wanted.force)


def test_speeds_are_shortened_and_not_turned():
    state = ArmState(0.0, np.array([0, 0, 0.3]), np.array([1.0, 0, 0, 0]), 0.05)
    limiter = Limiter(
        replace(LIMITS, linear_m_s2=9.0, angular_rad_s2=90.0, linear_m_s3=900.0, angular_rad_s3=9e3), DT, PUBLISHED
    )
    sent = limiter.limit(state, Command(np.array([3e200, 0, 4e200]), np.array([0.0, 30, 40]), 0.5))
    np.testing.assert_allclose(sent.linear, [0.15, 0, 0.2])
    np.testing.assert_allclose(sent.angular, [0, 0.9, 1.2])
    assert sent.opening == LIMITS.opening_m


def test_speed_builds_up_by_the_acceleration_and_sheds_by_it():
    limiter = Limiter(LIMITS, DT, PUBLISHED)
    state = ArmState(0.0, np.array([0, 0, 0.3]), np.array([1.0, 0, 0, 0]), 0.05)
    speeds = [limiter.limit(state, Command(np.array([1.0, 0, 0]), np.zeros(3), 0.05)).linear[0] for _ in range(3)]
    np.testing.assert_allclose(speeds, [0.125, 0.25, 0.25])
    np.testing.assert_allclose([limiter.brake(state).linear[0] for _ in range(3)], [0.125, 0.0, 0.0], atol=1e-12)


def test_a_low_jerk_slows_the_acceleration():
    limits = Limits(linear_m_s3=12.0)
    np.testing.assert_allclose(limits.linear_drop(DT), 0.5 * 12.0 * DT * DT)


def test_a_level_gripper_touches_the_table_with_its_palm():
    level = wxyz_from_azimuth_elevation(np.array(0.7), np.array(0.0))
    np.testing.assert_allclose(lowest_point(level, PUBLISHED), -0.0315, atol=1e-9)
    # Pointing straight down, the fingertips lead by 3.84 cm; straight up, the palm's back face.
    down, up = (wxyz_from_azimuth_elevation(np.array(0.0), np.array(s * np.pi / 2)) for s in (1, -1))
    np.testing.assert_allclose(
        [lowest_point(down, PUBLISHED), lowest_point(up, PUBLISHED)], [-0.0384, -0.1736], atol=1e-9
    )


def corners(gripper):
    """Corners (16, 3) m of palm and open fingers, as the simulator has them."""
    signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    x, y, z = gripper.finger_half_m
    fingers = np.array([x, gripper.max_opening_m + 2 * y, z])
    palm = signs * gripper.palm_half_m + [0.0, 0.0, gripper.palm_centre_m]
    return np.concatenate([palm, signs * fingers + [0.0, 0.0, gripper.finger_centre_m]])


@given(vectors)
@pytest.mark.parametrize("gripper", GRIPPERS.values(), ids=GRIPPERS)
def test_the_lowest_point_is_the_lowest_corner(gripper, rotvec):
    wxyz = wxyz_from_rotvec(np.pi * rotvec)
    lowest = rotate(wxyz[None], corners(gripper))[:, 2].min()
    # The fingers' ends at the palm count as the palm's, which is wider but for fully open fingers.
    assert lowest - 1e-9 <= lowest_point(wxyz, gripper) <= lowest + 0.06
    if gripper.reach_m <= gripper.palm_half_m[1]:
        np.testing.assert_allclose(lowest_point(wxyz, gripper), lowest, atol=1e-12)


def test_franka_s_hand_is_what_its_maker_says():
    # Flange to finger tips, and to the tool centre point.
    assert FRANKA_HAND.mount_m + FRANKA_HAND.finger_tip_m == pytest.approx(0.0584 + 0.0538)
    assert FRANKA_HAND.mount_m == pytest.approx(0.1034) and FRANKA_HAND.max_opening_m == 0.04


def test_no_gripper_opens_further_than_it_can():
    sent = Limiter(LIMITS, DT, FRANKA_HAND).limit(SimulatedArm((0, 0, 0.3), 0.0, 0.0, DT).read(), asked(0.07))
    assert sent.opening == 0.04


def asked(opening):
    return Command(np.zeros(3), np.zeros(3), opening)


@pytest.mark.parametrize(
    "wrong", [{"linear_m_s": 0.0}, {"angular_rad_s2": np.nan}, {"workspace_low_m": (1.0, 0.0, 0.0)}]
)
def test_limits_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match="limit"):
        Limits(**wrong)


def test_joint_limits_that_are_none_are_refused():
    with pytest.raises(ValueError, match="joint limit"):
        JointLimits(low_rad=(3.0,) * 7)
