"""The arm is given a posture from which it keeps to the policy's way before anything can be touched, or none."""

from dataclasses import replace

import numpy as np
import pytest

from real2sim_jax.core.gripper import PUBLISHED
from real2sim_jax.core.reference import Reference
from real2sim_jax.core.rotations import rotate, wxyz_from_azimuth_elevation
from real2sim_jax.robot.backends import NOMINAL_START, OBJECT_POSE
from real2sim_jax.robot.franka.joints import JointArm, check_reach, contact_index, episode, reach_at, rehearse
from real2sim_jax.robot.franka.kinematics import TaskFrame
from real2sim_jax.robot.franka.postures import postures
from real2sim_jax.robot.interface import ArmError, SimulatedArm
from real2sim_jax.robot.limits import Limits
from real2sim_jax.robot.options import object_pose
from tests.policies import random_policy

LIMITS, DT = Limits(angular_rad_s=2.5), 1.0 / 12.0
X, Y, Z, AZIMUTH, ELEVATION = map(float, NOMINAL_START.split(","))
START = np.array([X, Y, Z]), wxyz_from_azimuth_elevation(np.deg2rad(AZIMUTH), np.deg2rad(ELEVATION))
UP = np.array([0.0, 0.0, 1.0])


def grasping(azimuth_deg, elevation_deg):
    """A policy that goes up, comes down behind the object, goes in along its fingers from 2.1 s on, and lifts it."""
    time = np.linspace(0.0, 10.0, 121)
    wxyz = wxyz_from_azimuth_elevation(np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg))
    outside, raised = np.clip((3.0 - time) / 0.9, 0.0, 1.0), np.clip((2.1 - time) / 1.2, 0.0, 1.0)
    lifted = 0.04 + 0.16 * np.clip((time - 3.5) / 3.0, 0.0, 1.0) + 0.3 * raised + 2.0 * (time < 0.5)
    position = lifted[:, None] * UP - 0.14 * outside[:, None] * rotate(wxyz, UP)
    velocity = np.diff(position, axis=0, append=position[-1:]) / DT
    grip, settings = np.where(time < 2.6, 1.2, -1.2), np.array([[3.0, 2.0], [0.2, 1.5]])
    tables = position, np.tile(wxyz, (121, 1)), velocity, grip, *settings
    return replace(random_policy(scale=0.0), reference=Reference(*(table.astype(np.float32) for table in tables)))


def free_way(policy):
    return episode(policy, LIMITS, SimulatedArm(START[0], np.deg2rad(AZIMUTH), np.deg2rad(ELEVATION), DT))


def lags_mm(policy, chain, frame, q):
    states = episode(policy, LIMITS, JointArm(chain, frame, LIMITS, q, DT))
    return 1000.0 * np.array(
        [np.linalg.norm(a.position - b.position) for a, b in zip(states, free_way(policy), strict=True)]
    )


def test_contact_can_begin_before_the_fingers_close():
    way = free_way(grasping(50.0, 20.0))
    contact = contact_index(way, DT)
    assert 1.5 < contact * DT < 2.1
    assert all(state.position[2] <= 0.17 for state in way[contact:36])
    # Whoever stays low may touch something from the first moment on.
    assert contact_index(way[contact:36], DT) == 0


@pytest.mark.parametrize("azimuth_deg", [-150.0, -60.0, 0.0, 46.0, 75.0, 108.0, 160.0])
@pytest.mark.parametrize("elevation_deg", [6.0, 24.0])
def test_the_whole_way_is_kept_from_the_default_start(azimuth_deg, elevation_deg):
    policy = grasping(azimuth_deg, elevation_deg)
    frame, reach = reach_at(policy, START, object_pose(OBJECT_POSE), LIMITS)
    lags = lags_mm(policy, reach.chain, frame, reach.q)
    # From when the gripper comes down to the object, the fingers' closing at 2.6 s included.
    assert lags[round(1.75 / DT) :].max() < 30.0 and lags.max() < 200.0
    assert reach.violation_ratio < 1.0


def test_a_posture_that_strays_in_the_approach_alone_is_not_taken():
    policy, frame = grasping(50.0, 20.0), TaskFrame(0.5)
    free = free_way(policy)
    way = np.stack([frame.pose_to_base(state.position, state.wxyz) for state in free])
    late = []
    for posture in postures(way, 36, LIMITS.joints, DT, PUBLISHED.mount_m)[:8]:
        lags = lags_mm(policy, posture.chain, frame, posture.q)
        if lags[24:36].max() > 35.0 and lags[36:].max() < 30.0:
            late.append(rehearse(policy, posture.chain, frame, LIMITS, posture.q, free))
    assert late and all(reach.violation_ratio >= 1.0 for reach in late)


def test_a_way_of_which_no_posture_keeps_the_beginning_is_refused_in_one_line():
    with pytest.raises(ArmError, match="before contact can begin") as caught:
        check_reach(grasping(50.0, 20.0), START, TaskFrame(0.5, 0.0, -1.05), LIMITS)
    assert "\n" not in str(caught.value) and "--object-pose" in str(caught.value)
