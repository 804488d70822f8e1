"""A Franka Panda or FR3 through franky-control (extra `franka`): joint targets at 100 Hz, the gripper beside them.

Two threads of its own keep the arm and the gripper going; the controller only leaves its newest command. Without a
new one for `Limits.command_timeout_s` the arm brakes by itself.
"""

import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from real2sim_jax.core.errors import one_line
from real2sim_jax.robot.franka.joints import opening_of
from real2sim_jax.robot.franka.kinematics import Chain, TaskFrame, wxyz_from_matrix
from real2sim_jax.robot.franka.tracking import JointTracker
from real2sim_jax.robot.interface import Arm, ArmError, ArmState, Command
from real2sim_jax.robot.limits import Limits

PERIOD_S = 0.01
STIFFNESS_NM_RAD = (600.0, 600.0, 600.0, 600.0, 250.0, 150.0, 50.0)
COLLISION_NM, COLLISION_N = 60.0, 60.0
"""Torque and force at which the arm stops by itself."""
HAND_WIDTH_M, HAND_SPEED_M_S, GRASP_STEP_M = 0.08, 0.1, 0.005
APPROACH_SHARE, THERE_RAD, APPROACH_S = 0.25, 0.002, 60.0
"""Share of the joints' speeds with which the start posture is approached, how exactly, and how long that may take."""


@dataclass(frozen=True)
class FrankaSettings:
    """How to reach the arm."""

    host: str = "172.16.0.2"
    has_real_time_kernel: bool = False
    """Ask for real-time scheduling, as Franka recommends; fails on an ordinary kernel."""
    has_gripper: bool = True


class FrankaArm(Arm):
    """See the module; ArmError when franky is absent, the arm cannot be reached or reports an error."""

    def __init__(self, settings: FrankaSettings, frame: TaskFrame, chain: Chain, limits: Limits, q: np.ndarray | None):
        """Connect, start the threads and go to the start posture q (7,) rad; None stays where the arm is."""
        super().__init__()
        self.frame, self.chain, self.limits = frame, chain, limits
        self._franky, self._robot = _connect(settings)
        here = np.array(self._robot.state.q)
        self.tracker, self._joints = JointTracker(chain, limits.joints, here, PERIOD_S), here
        self._first = self.tracker.q if q is None else q
        self._command, self._command_time = Command(np.zeros(3), np.zeros(3), 0.04), 0.0
        self._start = 0.0
        self._state: ArmState | None = None
        self._there = threading.Event()
        self._fault, self._width = "", HAND_WIDTH_M
        self.tracking_rad: list[float] = []
        """Largest joint error of the arm against its limited reference, one per period."""
        self.tracking_m: list[float] = []
        """The same for the gripper frame."""
        self._threads = [threading.Thread(target=self._drive, name="franka", daemon=True)]
        if settings.has_gripper:
            gripper = self._guarded(lambda: self._franky.Gripper(settings.host))
            self._threads.append(threading.Thread(target=self._grip, args=(gripper,), daemon=True))
        for thread in self._threads:
            thread.start()
        self._wait_for_start()

    def read(self) -> ArmState | None:
        """Return the newest measured state in the task frame; ArmError once the arm has failed."""
        if self._fault:
            raise ArmError(f"franka: {self._fault}")
        return self._state

    def _move(self, command: Command) -> None:
        """Leave the command for the arm's thread."""
        self._command, self._command_time = command, time.monotonic()

    def _halt(self) -> None:
        """Wait until the arm's thread, which no longer listens to commands, has braked and given the arm back."""
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout=3.0)

    def clock(self) -> float:
        """Return the arm's own time in s since it was at its start posture, as last measured."""
        return self._state.time if self._state is not None else 0.0

    def _wait_for_start(self) -> None:
        try:
            is_there = self._there.wait(APPROACH_S)
        except BaseException:
            # Ctrl-C while the arm is moving: it must not go on alone.
            self.stop()
            raise
        if self._fault or not is_there:
            self.stop()
            raise ArmError(f"franka: {self._fault or f'not at the start posture after {APPROACH_S:g} s'}")

    def _drive(self) -> None:
        """Feed the arm; whatever goes wrong becomes the fault that `read` reports."""
        try:
            session = self._franky.JointImpedanceTracker(self._robot, stiffness=np.array(STIFFNESS_NM_RAD))
            with session as tracker:
                self._follow(tracker)
        except Exception as error:
            self._fault = self._fault or one_line(str(error) or type(error).__name__)
        finally:
            self._there.set()

    def _follow(self, tracker: Any) -> None:
        due = self._robot.state.time.to_sec()
        while not (self.is_stopped and not self.tracker.dq.any()):
            tracker.set_target(*self._next_target())
            self._measure()
            due += PERIOD_S
            # By the arm's own clock: that of a simulated arm on a busy machine is slow.
            while (left := due - self._robot.state.time.to_sec()) > 0.0 and self._robot.is_in_control:
                time.sleep(left)
            if not self._robot.is_in_control:
                self._fault = "the arm ended the motion by itself (reflex, limit or emergency button)"
                return
        # A target speed that is not zero would let the arm drift on.
        tracker.set_target(self.tracker.q, np.zeros(7))
        time.sleep(0.2)

    def _next_target(self) -> tuple[np.ndarray, np.ndarray]:
        if not self._there.is_set() and not self.is_stopped:
            if np.abs(self.tracker.q - self._first).max() < THERE_RAD:
                self._begin()
            return self.tracker.go(self._first, APPROACH_SHARE)
        is_late = time.monotonic() - self._command_time > self.limits.command_timeout_s
        if self.is_stopped or is_late:
            return self.tracker.brake()
        command = self._command
        linear, angular = self.frame.turned(command.linear), self.frame.turned(command.angular)
        return self.tracker.step(linear, angular, self._joints)

    def _begin(self) -> None:
        """Let time and measurements begin: the arm is at its start posture."""
        self._start = self._robot.state.time.to_sec()
        self.tracking_rad.clear()
        self.tracking_m.clear()
        self._measure()
        self._there.set()

    def _measure(self) -> None:
        state = self._robot.state
        self._joints = q = np.array(state.q)
        pose = self.chain.frames(q)[7]
        self.tracking_rad.append(float(np.abs(q - self.tracker.q).max()))
        self.tracking_m.append(float(np.linalg.norm(pose[:3, 3] - self.tracker.pose[:3, 3])))
        place = self.frame.from_base(pose[:3, 3], wxyz_from_matrix(pose[:3, :3]))
        self._state = ArmState(state.time.to_sec() - self._start, *place, opening_of(self._width))

    def _grip(self, gripper: Any) -> None:
        """Open and close as commanded: a grasp when the fingers shall close, a move when they shall open."""
        asked = HAND_WIDTH_M
        try:
            while not self.is_stopped:
                time.sleep(0.05)
                self._width = float(gripper.width)
                width = min(2.0 * self._command.opening, HAND_WIDTH_M)
                if abs(width - asked) > GRASP_STEP_M:
                    _move_fingers(gripper, width, self._command.force, closing=width < asked)
                    asked = width
        except Exception as error:
            self._fault = self._fault or f"gripper: {str(error) or type(error).__name__}"

    def _guarded(self, action: Any) -> Any:
        try:
            return action()
        except Exception as error:
            raise ArmError(f"franka: {str(error) or type(error).__name__}") from error


def _connect(settings: FrankaSettings) -> tuple[Any, Any]:
    try:
        import franky  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ArmError("the franka back end needs franky-control: pip install 'real2sim-jax[franka]'") from error
    wanted = franky.RealtimeConfig.Enforce if settings.has_real_time_kernel else franky.RealtimeConfig.Ignore
    try:
        robot = franky.Robot(settings.host, realtime_config=wanted)
        robot.recover_from_errors()
        robot.set_collision_behavior([COLLISION_NM] * 7, [COLLISION_NM] * 7, [COLLISION_N] * 6, [COLLISION_N] * 6)
    except Exception as error:
        raise ArmError(f"franka at {settings.host}: {str(error) or type(error).__name__}") from error
    return franky, robot


def _move_fingers(gripper: Any, width: float, force: float, closing: bool) -> None:
    if closing:
        # The tolerances let the grasp end on whatever is between the fingers.
        gripper.grasp_async(width, HAND_SPEED_M_S, force, HAND_WIDTH_M, HAND_WIDTH_M)
    else:
        gripper.move_async(width, HAND_SPEED_M_S)
