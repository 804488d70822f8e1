"""The robots that this folder alone can drive, by name."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from real2sim_jax.core.gripper import FRANKA_HAND
from real2sim_jax.core.policy import Policy
from real2sim_jax.core.rotations import wxyz_from_azimuth_elevation
from real2sim_jax.robot.franka.arm import FrankaArm, FrankaSettings
from real2sim_jax.robot.franka.joints import reach_at
from real2sim_jax.robot.interface import Arm, ArmError, SimulatedArm, load_stream
from real2sim_jax.robot.limits import Limits
from real2sim_jax.robot.options import object_pose, start_pose
from real2sim_jax.robot.udp.arm import UdpArm

ROBOTS = ("simulated", "udp", "franka")
NOMINAL_START = "0,-0.05,0.15,90,60"
OBJECT_POSE = "0.5,0"
UDP_PORT = 5115
FRANKA_ANGULAR_RAD_S = 2.5
"""Franka's Cartesian rotation limit."""


@dataclass(frozen=True)
class ConnectionConfig:
    """Where the robot is and how to reach it."""

    start: str = NOMINAL_START
    """x,y,z,azimuth_deg,elevation_deg of the gripper in the task frame."""
    object_pose: str = OBJECT_POSE
    """x,y,yaw_deg of the task frame in the arm's base frame; without the yaw the turn that suits the arm best."""
    host: str = FrankaSettings.host
    port: int = UDP_PORT
    stream: Path | None = None
    stays: bool = False
    """Leave the arm where it is instead of bringing it to the start."""


def make_robot(name: str, policy: Policy, place: ConnectionConfig, limits: Limits) -> Arm:
    """Return a robot ready to be driven; ArmError where it is not there, or cannot reach what it has to."""
    if place.stream is not None:
        return load_stream(place.stream)
    if name == "udp":
        return UdpArm(place.port, limits.command_timeout_s)
    x, y, z, azimuth, elevation = start_pose(place.start)
    if name == "simulated":
        return SimulatedArm((x, y, z), azimuth, elevation, policy.dt, policy.action.gripper.max_opening_m)
    if policy.action.gripper != FRANKA_HAND:
        raise ArmError(
            f"this policy is for the gripper {policy.action.gripper.name!r}, which Franka's hand is not; "
            "train one with --gripper franka_hand"
        )
    start = np.array([x, y, z]), wxyz_from_azimuth_elevation(np.asarray(azimuth), np.asarray(elevation))
    frame, reach = reach_at(policy, start, object_pose(place.object_pose), limits)
    print(f"task frame: {frame}", flush=True)
    return FrankaArm(FrankaSettings(host=place.host), frame, reach.chain, limits, None if place.stays else reach.q)


def base_limits(name: str) -> Limits:
    """Return a robot's own limits, which options may change."""
    return Limits(angular_rad_s=FRANKA_ANGULAR_RAD_S) if name == "franka" else Limits()
