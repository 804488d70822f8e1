"""The arms as back ends of the controller: a free gripper and a Franka arm among the scene's objects."""

from abc import abstractmethod
from dataclasses import dataclass

import mujoco
import numpy as np

from real2sim_jax.config.simulation import OBJECT_MASS
from real2sim_jax.core.actions import Action
from real2sim_jax.core.rotations import conjugate, multiply, rotate, wxyz_from_azimuth_elevation
from real2sim_jax.robot.franka.joints import TICKS
from real2sim_jax.robot.franka.kinematics import Chain, TaskFrame, wxyz_from_matrix
from real2sim_jax.robot.franka.tracking import JointTracker
from real2sim_jax.robot.interface import Arm, ArmState, Command
from real2sim_jax.robot.limits import JointLimits
from real2sim_jax.simulated_robots.panda import DAMPING, JOINTS, STIFFNESS, panda_spec
from real2sim_jax.simulation.initial_states import HELD_SQUEEZE, HELD_TURN
from real2sim_jax.simulation.joints import OBJECT_NAMES
from real2sim_jax.simulation.scene import SUBSTEPS, build_model
from real2sim_jax.simulation.types import StartState, Trajectory

SUBTICKS = 10
"""Physics steps per joint target: with TICKS of these a period, about 1 kHz."""


@dataclass(frozen=True)
class Sample:
    """The scene at one control instant, task frame."""

    gripper_position: np.ndarray
    gripper_wxyz: np.ndarray
    opening: float
    object_position: np.ndarray
    """(O, 3) m."""
    object_wxyz: np.ndarray
    """(O, 4)."""


class WorldArm(Arm):
    """A back end with a MuJoCo scene around it; keeps the trajectory to be judged."""

    def __init__(self, action: Action, start: StartState, model: mujoco.MjModel, dt: float):
        super().__init__()
        self.action, self.start, self.model, self.dt = action, start, model, dt
        _size_objects(model, start)
        self.data = mujoco.MjData(model)
        self.control_steps = 0
        _place_objects(self.data, action, start)
        self._drives = [model.actuator(name).id for name in ("left", "right")]
        for name in ("left", "right"):
            self.data.joint(name).qpos = opening_at(action, start)
            self.data.actuator(name).ctrl = opening_at(action, start)

    def _begin(self) -> None:
        mujoco.mj_forward(self.model, self.data)
        self.samples = [self._sample()]

    def read(self) -> ArmState:
        """Return the present state."""
        now = self.samples[-1]
        return ArmState(self.control_steps * self.dt, now.gripper_position, now.gripper_wxyz, now.opening)

    def _move(self, command: Command) -> None:
        self.data.ctrl[self._drives] = command.opening
        self.model.actuator_forcerange[self._drives] = [-command.force, command.force]
        self._drive(command)
        self.control_steps += 1
        self.samples.append(self._sample())

    def trajectory(self) -> Trajectory:
        """Return the episode so far."""
        columns = {name: np.array([getattr(s, name) for s in self.samples]) for name in vars(self.samples[0])}
        heights, radii = np.asarray(self.start.heights), np.asarray(self.start.radii)
        return Trajectory(**columns, heights=heights, radii=radii, dt=np.asarray(self.dt))

    @abstractmethod
    def _drive(self, command: Command) -> None: ...

    @abstractmethod
    def _gripper(self) -> tuple[np.ndarray, np.ndarray]: ...

    def _sample(self) -> Sample:
        poses = np.array([self.data.joint(name).qpos for name in OBJECT_NAMES[: self.action.bodies - 1]])
        opening = np.mean([self.data.joint(name).qpos[0] for name in ("left", "right")])
        return Sample(
            *self._gripper(),
            float(np.clip(opening, 0.0, self.action.gripper.max_opening_m)),
            poses[:, :3],
            poses[:, 3:],
        )


class GripperArm(WorldArm):
    """The training scene: a gripper that flies."""

    def __init__(self, action: Action, start: StartState, dt: float):
        """Put the gripper at a start of the action; dt s is the control period."""
        super().__init__(action, start, build_model(action.objects, gripper=action.gripper), dt)
        position, wxyz = pose_at(start)
        self.data.joint("gripper").qpos = [*position, *wxyz]
        self._begin()

    def _drive(self, command: Command) -> None:
        wxyz = np.array(self.data.joint("gripper").qpos[3:])
        # A free joint's angular velocity is in body axes.
        self.data.joint("gripper").qvel = [*command.linear, *rotate(conjugate(wxyz), command.angular)]
        for _ in range(SUBSTEPS):
            mujoco.mj_step(self.model, self.data)

    def _gripper(self) -> tuple[np.ndarray, np.ndarray]:
        pose = np.array(self.data.joint("gripper").qpos)
        return pose[:3], pose[3:] / np.linalg.norm(pose[3:])


class PandaArm(WorldArm):
    """A Franka arm at 1 kHz: joint targets by differential inverse kinematics, velocities fed forward."""

    def __init__(
        self,
        action: Action,
        start: StartState,
        dt: float,
        frame: TaskFrame,
        chain: Chain,
        q: np.ndarray,
        limits: JointLimits,
    ):
        """Start at joints q (7,) rad, which bring the chain's gripper frame to the start pose."""
        model = panda_spec(action.objects, frame, dt / (TICKS * SUBTICKS), action.gripper).compile()
        super().__init__(action, start, model, dt)
        self.frame, self.chain = frame, chain
        self.tracker = JointTracker(chain, limits, q, dt / TICKS)
        self._joints = [model.joint(name).qposadr[0] for name in JOINTS]
        self._servos = [model.actuator(name).id for name in JOINTS]
        self.data.qpos[self._joints] = q
        self.data.ctrl[self._servos] = q
        self.tracking_m: list[float] = []
        """Distance between the gripper and its limited reference at each control instant."""
        self._begin()

    def _drive(self, command: Command) -> None:
        linear, angular = self.frame.turned(command.linear), self.frame.turned(command.angular)
        step = self.model.opt.timestep
        for _ in range(TICKS):
            q, dq = self.tracker.step(linear, angular, self.data.qpos[self._joints])
            for i in range(SUBTICKS):
                reference = q - dq * step * (SUBTICKS - 1 - i)
                # Without the velocity the servo's damping would hold the arm 100 ms behind.
                self.data.ctrl[self._servos] = reference + dq * DAMPING / STIFFNESS
                mujoco.mj_step(self.model, self.data)
        self.tracking_m.append(float(np.linalg.norm(self._pose()[:3, 3] - self.tracker.pose[:3, 3])))

    def _pose(self) -> np.ndarray:
        return self.chain.frames(self.data.qpos[self._joints])[7]

    def _gripper(self) -> tuple[np.ndarray, np.ndarray]:
        pose = self._pose()
        return self.frame.from_base(pose[:3, 3], wxyz_from_matrix(pose[:3, :3]))


def pose_at(start: StartState) -> tuple[np.ndarray, np.ndarray]:
    """Return the gripper's position (3,) m and orientation (4,) of a start."""
    wxyz = wxyz_from_azimuth_elevation(np.asarray(start.azimuth, float), np.asarray(start.elevation, float))
    return np.asarray(start.gripper_position, float), wxyz


def opening_at(action: Action, start: StartState) -> float:
    """Return the finger opening in m at a start: closed on the held object, or fully open."""
    return float(np.asarray(start.radii)[0]) - HELD_SQUEEZE if action.starts_held else action.gripper.max_opening_m


def _size_objects(model: mujoco.MjModel, start: StartState) -> None:
    for i, (radius, height) in enumerate(zip(np.asarray(start.radii), np.asarray(start.heights), strict=True)):
        geom, body = model.geom(OBJECT_NAMES[i]).id, model.body(OBJECT_NAMES[i]).id
        model.geom_size[geom, :2] = radius, height / 2.0
        model.geom_rbound[geom] = np.hypot(radius, height / 2.0)
        model.geom_aabb[geom, 3:] = radius, radius, height / 2.0
        side = OBJECT_MASS * (3.0 * radius**2 + height**2) / 12.0
        model.body_inertia[body] = side, side, OBJECT_MASS * radius**2 / 2.0


def _place_objects(data: mujoco.MjData, action: Action, start: StartState) -> None:
    heights = np.asarray(start.heights, float)
    data.joint(OBJECT_NAMES[action.bodies - 2]).qpos = [0.0, 0.0, heights[-1] / 2.0, 1.0, 0.0, 0.0, 0.0]
    if start.moved_place is not None:
        data.joint("moved").qpos = [*np.asarray(start.moved_place), heights[0] / 2.0, 1.0, 0.0, 0.0, 0.0]
    if action.starts_held:
        position, wxyz = pose_at(start)
        data.joint("moved").qpos = [*position, *multiply(wxyz, np.array(HELD_TURN))]
