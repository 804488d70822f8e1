"""One run of a policy on a simulated robot: the same controller as on a real one, an object to handle, a film."""

from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from real2sim_jax.config.simulation import StartConfig
from real2sim_jax.core.actions import Action
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.policy import load_policy
from real2sim_jax.robot.controller import Step
from real2sim_jax.robot.limits import Limits
from real2sim_jax.robot.options import moved_place, object_pose, start_pose
from real2sim_jax.robot.program import RunSettings, drive
from real2sim_jax.simulated_robots.episodes import Setup, judge_all, make_arm, panda_limits
from real2sim_jax.simulated_robots.looks import ArmLooks
from real2sim_jax.simulated_robots.video import ARM_VIEW, GRIPPER_VIEW, Recorder, check_video_path, save_video
from real2sim_jax.simulated_robots.world import PandaArm, WorldArm
from real2sim_jax.simulation.initial_states import radius_ranges
from real2sim_jax.simulation.types import StartState

ROBOTS = ("mujoco-gripper", "mujoco-panda")
OBJECT_HEIGHT_M = 0.07


@dataclass(frozen=True)
class SimulationOptions:
    """What the robot finds."""

    start: str
    """x,y,z,azimuth_deg,elevation_deg of the gripper in the task frame."""
    object_pose: str
    """x,y,yaw_deg of the task frame in the arm's base frame; without the yaw the turn that suits the arm best."""
    moved_from: str | None = None
    """x,y of what is fetched, from the anchor; where the demonstrations have it when absent."""
    video: Path | None = None
    """The film to make, .mp4 or .gif."""
    arm_model: Path | None = None
    """Folder of a Franka arm's model to film instead of the plain one."""


def run_simulated(robot: str, policy_path: Path, scene: SimulationOptions, settings: RunSettings) -> int:
    """Run, say whether the action succeeded, write the film; 0 when it did, 1 when it did not or ended early.

    PolicyError, ArmError and UserError on wrong inputs, before the first motion.
    """
    video, looks = scene.video, _looks(robot, scene)
    if video is not None:
        check_video_path(video)
    policy = load_policy(policy_path)
    action = policy.action
    setup = Setup(robot, object_pose(scene.object_pose), settings.limits)
    start = start_state(scene.start, action, scene.moved_from)
    arm = make_arm(policy, action, start, setup)
    if isinstance(arm, PandaArm):
        print(f"task frame: {arm.frame}", flush=True)
    film = Recorder(arm.model, ARM_VIEW if isinstance(arm, PandaArm) else GRIPPER_VIEW, looks)
    code = drive(policy.placed(start.moved_place), arm, settings, _camera(film, arm) if video is not None else None)
    succeeded = bool(judge_all(action, [arm.trajectory()]).ok[0])
    print(f"{policy.action.name} {'succeeded' if succeeded else 'did not succeed'}")
    if isinstance(arm, PandaArm) and arm.tracking_m:
        apart = 1000.0 * np.array(arm.tracking_m)
        print(f"arm against its limited reference: median {np.median(apart):.1f} mm, largest {apart.max():.1f} mm")
    if video is not None and film.frames:
        save_video(video, film.frames, 1.0 / policy.dt)
        print(f"written to {video}")
    return code if succeeded else 1


def _looks(robot: str, scene: SimulationOptions) -> ArmLooks | None:
    if scene.arm_model is None:
        return None
    if robot != "mujoco-panda" or scene.video is None:
        raise UserError("--arm-model is how mujoco-panda looks in a film: give --robot mujoco-panda and --video too")
    return ArmLooks(scene.arm_model)


def start_state(text: str, action: Action, moved_from: str | None = None) -> StartState:
    """Return the start of x,y,z,azimuth_deg,elevation_deg with objects of middling size; ArmError otherwise.

    Where something is fetched, the gripper's x and y are from there, and moved_from is x,y of it in m from the anchor.
    """
    x, y, z, azimuth, elevation = start_pose(text)
    place = moved_place(action, moved_from)
    if place is not None:
        x, y = x + place[0], y + place[1]
    radii = np.array(radius_ranges(action, StartConfig())).mean(axis=1)
    sizes = np.full(action.objects, OBJECT_HEIGHT_M), radii
    return StartState(np.array([x, y, z]), np.array(azimuth), np.array(elevation), *sizes, place)


def default_limits(robot: str) -> Limits:
    """Return the limits of a simulated robot."""
    return panda_limits() if robot == "mujoco-panda" else Limits()


def _camera(film: Recorder, arm: WorldArm):
    def take(step: Step) -> None:
        mujoco.mj_forward(arm.model, arm.data)
        film.take(arm.data)

    return take
