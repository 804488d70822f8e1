"""An arm's joints without dynamics, and whether a policy's path is one that the joints can follow."""

from dataclasses import dataclass

import numpy as np

from real2sim_jax.core.clock import EPISODE_S
from real2sim_jax.core.gripper import FRANKA_HAND, PUBLISHED
from real2sim_jax.core.policy import Policy
from real2sim_jax.core.rotations import azimuth_elevation_from_wxyz
from real2sim_jax.robot.controller import Controller, Step, run
from real2sim_jax.robot.franka.kinematics import Chain, TaskFrame, wxyz_from_matrix
from real2sim_jax.robot.franka.postures import LAG_M, LAG_RAD, LOWEST_LINK_M, Posture, postures
from real2sim_jax.robot.franka.tracking import JointTracker
from real2sim_jax.robot.interface import Arm, ArmError, ArmState, Command, SimulatedArm
from real2sim_jax.robot.limits import Limits

TICKS = 8
"""Joint targets per control period."""
APPROACH_S = 3.0
"""The action begins no later than this, ..."""
CONTACT_M = 0.17
"""... and contact once the gripper is lower than this: the tallest object, 10 cm, the fingers and the allowed lag."""
LAG_BEFORE_M, LAG_BEFORE_RAD = 0.2, 0.8
"""How far from a free gripper's path the arm may be before that: it begins by turning as fast as a free one can."""
YAWS_RAD = np.deg2rad(np.arange(-180, 180, 30))
"""Turns of the task frame to choose from."""
TRIES, HOPELESS, EASY = 8, 3.0, 0.5
"""How many postures to rehearse, the strain from which on only the first, and below which the rest need not be."""


@dataclass(frozen=True)
class Reach:
    """How an arm follows a policy's path."""

    q: np.ndarray
    """(7,) rad at the start."""
    chain: Chain
    before: tuple[float, float]
    """Largest distance, m and rad, from where a free gripper would be, before contact can begin."""
    after: tuple[float, float]
    """The same from then on."""
    lowest_link_m: float

    @property
    def violation_ratio(self) -> float:
        """Largest share of what is allowed, of lags and height, on the whole path; the arm can follow it below 1."""
        lags = *self.before, *self.after
        allowed = LAG_BEFORE_M, LAG_BEFORE_RAD, LAG_M, LAG_RAD
        shares = [lag / most for lag, most in zip(lags, allowed, strict=True)]
        return max(*shares, LOWEST_LINK_M / max(self.lowest_link_m, 1e-3))


class JointArm(Arm):
    """A Franka arm that does exactly what its joints are commanded: the numpy-only stand-in for a robot."""

    def __init__(
        self,
        chain: Chain,
        frame: TaskFrame,
        limits: Limits,
        q: np.ndarray,
        dt: float,
        opening: float = PUBLISHED.max_opening_m,
    ):
        """Start at joints q (7,) rad with the fingers at an opening in m; dt s is the control period."""
        super().__init__()
        self.frame, self.dt, self.time = frame, dt, 0.0
        self.tracker = JointTracker(chain, limits.joints, q, dt / TICKS)
        self.fingers = SimulatedArm((0.0, 0.0, 0.0), 0.0, 0.0, dt, opening)
        self.lowest_link_m = np.inf

    def read(self) -> ArmState:
        """Return the present state."""
        return ArmState(self.time, *pose_in_task(self.tracker, self.frame), self.fingers.state.opening)

    def _move(self, command: Command) -> None:
        linear, angular = self.frame.turned(command.linear), self.frame.turned(command.angular)
        for _ in range(TICKS):
            self.tracker.step(linear, angular)
            self.lowest_link_m = min(self.lowest_link_m, float(self.tracker.frames[2:7, 2, 3].min()))
        self.fingers.send(Command(np.zeros(3), np.zeros(3), command.opening))
        self.time += self.dt


def pose_in_task(tracker: JointTracker, frame: TaskFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the gripper frame's position (3,) m and orientation (4,) in the task frame."""
    return frame.from_base(tracker.pose[:3, 3], wxyz_from_matrix(tracker.pose[:3, :3]))


def check_reach(policy: Policy, start: tuple[np.ndarray, np.ndarray], frame: TaskFrame, limits: Limits) -> Reach:
    """Return joints from which the arm follows the policy's path from a start pose in the task frame.

    The policy sees only time and the gripper, so its whole path can be tried beforehand, joints included. ArmError says
    by how much the best try fails.
    """
    free = _free_episode(policy, start, limits)
    found = _postures(policy, free, frame, limits)
    place = ", ".join(f"{value:.2f}" for value in start[0])
    if not found:
        raise ArmError(f"the arm cannot reach the start pose at ({place}) m; move the object with --object-pose")
    tries: list[Reach] = []
    for posture in [found[0], *(other for other in found[1:TRIES] if other.violation_ratio < HOPELESS)]:
        tries.append(rehearse(policy, posture.chain, frame, limits, posture.q, free))
        if tries[-1].violation_ratio < EASY:
            break
    best = min(tries, key=lambda reach: reach.violation_ratio)
    if best.violation_ratio >= 1.0:
        raise ArmError(f"the arm cannot follow the policy's path from ({place}) m: {_reasons(best)}")
    return best


def reach_at(
    policy: Policy,
    start: tuple[np.ndarray, np.ndarray],
    object_pose: tuple[float, float, float | None],
    limits: Limits,
) -> tuple[TaskFrame, Reach]:
    """Return the task frame of an object at x and y in m, turned by yaw in rad, and how the arm follows the path there.

    Without a yaw the turn that suits the arm best is taken: the benchmark's objects are upright cylinders, so from
    which side they are handled is free. ArmError as from `check_reach`, for the turn of the least strain.
    """
    x_m, y_m, yaw = object_pose
    if yaw is not None:
        frame = TaskFrame(x_m, y_m, yaw)
        return frame, check_reach(policy, start, frame, limits)
    free = _free_episode(policy, start, limits)
    frames = [TaskFrame(x_m, y_m, float(yaw)) for yaw in YAWS_RAD]
    first = {frame: _postures(policy, free, frame, limits)[:1] for frame in frames}
    reachable = [frame for frame in frames if first[frame]]
    failures: list[ArmError] = []
    for frame in sorted(reachable or frames[:1], key=lambda frame: [one.violation_ratio for one in first[frame]]):
        try:
            return frame, check_reach(policy, start, frame, limits)
        except ArmError as error:
            failures.append(error)
    raise failures[0]


def _free_episode(policy: Policy, start: tuple[np.ndarray, np.ndarray], limits: Limits) -> list[ArmState]:
    azimuth, elevation = azimuth_elevation_from_wxyz(np.asarray(start[1]))
    return episode(
        policy, limits, SimulatedArm(start[0], azimuth, elevation, policy.dt, policy.action.gripper.max_opening_m)
    )


def _postures(policy: Policy, free: list[ArmState], frame: TaskFrame, limits: Limits) -> list[Posture]:
    poses = np.stack([frame.pose_to_base(state.position, state.wxyz) for state in free])
    return postures(poses, round(APPROACH_S / policy.dt), limits.joints, policy.dt, policy.action.gripper.mount_m)


def rehearse(
    policy: Policy, chain: Chain, frame: TaskFrame, limits: Limits, q: np.ndarray, free: list[ArmState]
) -> Reach:
    """Run a whole episode on the joints alone and compare it with a free gripper's states."""
    arm = JointArm(chain, frame, limits, q, policy.dt, policy.action.gripper.max_opening_m)
    states = episode(policy, limits, arm)
    lags = [(float(np.linalg.norm(a.position - b.position)), _angle(a, b)) for a, b in zip(states, free, strict=True)]
    contact = contact_index(free, policy.dt)
    before, after = np.array(lags[:contact] or [(0.0, 0.0)]).max(axis=0), np.array(lags[contact:]).max(axis=0)
    return Reach(np.asarray(q), chain, (before[0], before[1]), (after[0], after[1]), arm.lowest_link_m)


def contact_index(free: list[ArmState], dt: float) -> int:
    """Return the index of the first state, dt s apart, from which on the gripper may touch something.

    That is when it has come down from above for the last time before the action begins: on its path up and over, which
    every start has room for, it leaves what stands there.
    """
    approach = free[: round(APPROACH_S / dt)]
    return max((i + 1 for i, state in enumerate(approach) if state.position[2] > CONTACT_M), default=0)


def _angle(a: ArmState, b: ArmState) -> float:
    return 2.0 * float(np.arccos(min(1.0, abs(a.wxyz @ b.wxyz))))


def _reasons(reach: Reach) -> str:
    before, after = (f"{1000 * lag_m:.0f} mm and {lag_rad:.2f} rad" for lag_m, lag_rad in (reach.before, reach.after))
    return (
        f"it strays by {before} before contact can begin and by {after} after, its lowest link at "
        f"{reach.lowest_link_m:.2f} m; move the object with --object-pose"
    )


def episode(policy: Policy, limits: Limits, arm: JointArm | SimulatedArm) -> list[ArmState]:
    """Return the states of one episode."""
    seen: list[Step] = []
    run(Controller(policy, limits), arm, round(EPISODE_S / policy.dt), seen.append)
    return [step.state for step in seen if step.state is not None]


def opening_of(width_m: float) -> float:
    """Return the opening in m of one of Franka's fingers for a gap between both, within what the policy knows."""
    return float(np.clip(width_m / 2.0, 0.0, FRANKA_HAND.max_opening_m))
