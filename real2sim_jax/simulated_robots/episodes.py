"""Episodes of a policy on a simulated robot, from the benchmark's start states."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import jax
import numpy as np

from real2sim_jax.benchmarks.success import Success, judge
from real2sim_jax.core.actions import Action
from real2sim_jax.core.clock import EPISODE_S
from real2sim_jax.core.policy import Policy
from real2sim_jax.robot.controller import Controller, run
from real2sim_jax.robot.franka.joints import reach_at
from real2sim_jax.robot.limits import Limits
from real2sim_jax.simulated_robots.world import GripperArm, PandaArm, WorldArm, pose_at
from real2sim_jax.simulation.types import StartState, Trajectory

FRANKA_ANGULAR_RAD_S = 2.5
"""Franka's Cartesian rotation limit."""


@dataclass(frozen=True)
class Setup:
    """Where and how a simulated robot works."""

    robot: str = "mujoco-gripper"
    object_pose: tuple[float, float, float | None] = (0.5, 0.0, None)
    """Where an arm's task frame stands in its base frame: x and y in m, yaw in rad or free."""
    limits: Limits = field(default_factory=Limits)


def panda_limits() -> Limits:
    """Return the limits of a Franka arm: the policy's own, with Franka's rotation."""
    return Limits(angular_rad_s=FRANKA_ANGULAR_RAD_S)


def make_arm(policy: Policy, action: Action, start: StartState, setup: Setup) -> WorldArm:
    """Return the robot at a start; ArmError where the arm cannot reach it or cannot follow the policy's path."""
    if setup.robot == "mujoco-gripper":
        return GripperArm(action, start, policy.dt)
    frame, reach = reach_at(policy.placed(start.moved_place), pose_at(start), setup.object_pose, setup.limits)
    return PandaArm(action, start, policy.dt, frame, reach.chain, reach.q, setup.limits.joints)


def play(policy: Policy, arm: WorldArm, limits: Limits) -> Trajectory:
    """Run one episode and return what happened."""
    run(Controller(policy.placed(arm.start.moved_place), limits), arm, round(EPISODE_S / policy.dt))
    return arm.trajectory()


def judge_all(action: Action, trajectories: Sequence[Trajectory]) -> Success:
    """Judge episodes of equal length; the leaves get a leading axis."""
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *trajectories)
    return jax.jit(jax.vmap(lambda trajectory: judge(action, trajectory)))(stacked)


def row_of(starts: StartState, index: int) -> StartState:
    """Return one row of start states as numpy arrays."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[index], starts)
