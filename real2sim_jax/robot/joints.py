"""An arm's joints without dynamics, and whether a policy's way is one that the joints can go."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from real2sim_jax.robot.arms import ArmError, ArmState, Command, SimulatedArm
from real2sim_jax.robot.controller import Controller, Step, run
from real2sim_jax.robot.kinematics import HOME_RAD, Chain, TaskFrame, rotation_between, wxyz_from_matrix
from real2sim_jax.robot.limits import JointLimits, Limits
from real2sim_jax.robot.observation import EPISODE_S, MAX_OPENING_M
from real2sim_jax.robot.policy import Policy
from real2sim_jax.robot.rotations import azimuth_elevation_from_wxyz, matrix_from_wxyz
from real2sim_jax.robot.tracking import JointTracker

TICKS = 8
"""Joint targets per control period."""
SEEDS = 8
LOWEST_LINK_M = 0.06
"""Height over the table below which no link's axis may come."""
APPROACH_S = 3.0
LAG_M, LAG_RAD = 0.03, 0.3
"""How far from a free gripper's way, once the approach is over, a way is still called reachable."""


@dataclass(frozen=True)
class Reach:
    """How an arm goes a policy's way."""

    q: np.ndarray
    """(7,) rad at the start."""
    chain: Chain
    lag_m: float
    """Largest distance from where a free gripper would be, after the approach."""
    lag_rad: float
    lowest_link_m: float

    @property
    def is_good(self) -> bool:
        """Whether the arm follows closely and keeps its links off the table."""
        return self.lag_m < LAG_M and self.lag_rad < LAG_RAD and self.lowest_link_m > LOWEST_LINK_M


class JointArm:
    """A Franka arm that does exactly what its joints are told: the numpy-only stand-in for a robot."""

    def __init__(self, chain: Chain, frame: TaskFrame, limits: Limits, q: np.ndarray, dt: float):
        """Start at joints q (7,) rad with open fingers; dt s is the control period."""
        self.frame, self.dt, self.time = frame, dt, 0.0
        self.tracker = JointTracker(chain, limits.joints, q, dt / TICKS)
        self.fingers = SimulatedArm((0.0, 0.0, 0.0), 0.0, 0.0, dt)
        self.lowest_link_m = np.inf

    def read(self) -> ArmState:
        """Return the present state."""
        return ArmState(self.time, *pose_in_task(self.tracker, self.frame), self.fingers.state.opening)

    def send(self, command: Command) -> None:
        """Move on by one control period."""
        linear, angular = self.frame.turned(command.linear), self.frame.turned(command.angular)
        for _ in range(TICKS):
            self.tracker.step(linear, angular)
            self.lowest_link_m = min(self.lowest_link_m, float(self.tracker.frames[2:7, 2, 3].min()))
        self.fingers.send(Command(np.zeros(3), np.zeros(3), command.opening))
        self.time += self.dt

    def stop(self) -> None:
        """Nothing moves on its own here."""


def pose_in_task(tracker: JointTracker, frame: TaskFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the gripper frame's position (3,) m and orientation (4,) in the task frame."""
    return frame.from_base(tracker.pose[:3, 3], wxyz_from_matrix(tracker.pose[:3, :3]))


def check_reach(
    policy: Policy, start: tuple[np.ndarray, np.ndarray], frame: TaskFrame, limits: Limits, tool_m: float
) -> Reach:
    """Return joints from which the arm goes the policy's way from a start pose in the task frame.

    The policy sees only time and the gripper, so its whole way can be tried beforehand, joints included. ArmError says
    by how much the best try fails.
    """
    tries: list[Reach] = []
    azimuth, elevation = azimuth_elevation_from_wxyz(np.asarray(start[1]))
    free = episode(policy, limits, SimulatedArm(start[0], azimuth, elevation, policy.dt))
    for chain, q in postures(start, frame, limits.joints, tool_m):
        reach = rehearse(policy, chain, frame, limits, q, free)
        if reach.is_good:
            return reach
        tries.append(reach)
    place = ", ".join(f"{value:.2f}" for value in start[0])
    if not tries:
        raise ArmError(f"the arm cannot reach the start pose at ({place}) m; move the object with --object-pose")
    best = min(tries, key=lambda reach: reach.lag_m + 0.1 * reach.lag_rad)
    raise ArmError(
        f"the arm cannot go the policy's way from ({place}) m: it strays by {1000 * best.lag_m:.0f} mm and "
        f"{best.lag_rad:.2f} rad, its lowest link at {best.lowest_link_m:.2f} m; move the object with --object-pose"
    )


def rehearse(
    policy: Policy, chain: Chain, frame: TaskFrame, limits: Limits, q: np.ndarray, free: list[ArmState]
) -> Reach:
    """Run a whole episode on the joints alone and compare it with a free gripper's states."""
    arm = JointArm(chain, frame, limits, q, policy.dt)
    late = [
        (a, b) for a, b in zip(episode(policy, limits, arm), free, strict=True) if a.time > APPROACH_S - 0.5 * policy.dt
    ]
    lag_m = max(float(np.linalg.norm(a.position - b.position)) for a, b in late)
    lag_rad = max(2.0 * float(np.arccos(min(1.0, abs(a.wxyz @ b.wxyz)))) for a, b in late)
    return Reach(np.asarray(q), chain, lag_m, lag_rad, arm.lowest_link_m)


def episode(policy: Policy, limits: Limits, arm: JointArm | SimulatedArm) -> list[ArmState]:
    """Return the states of one episode."""
    seen: list[Step] = []
    run(Controller(policy, limits), arm, round(EPISODE_S / policy.dt), seen.append)
    return [step.state for step in seen if step.state is not None]


def postures(
    start: tuple[np.ndarray, np.ndarray], frame: TaskFrame, limits: JointLimits, tool_m: float
) -> Iterator[tuple[Chain, np.ndarray]]:
    """Yield chains and joints (7,) whose gripper frame is at a start pose of the task frame, roomiest first."""
    position, wxyz = frame.to_base(*start)
    target = np.eye(4)
    target[:3, :3], target[:3, 3] = matrix_from_wxyz(wxyz), position
    rng, found = np.random.default_rng(0), []
    low, high = np.array(limits.low_rad), np.array(limits.high_rad)
    seeds = [HOME_RAD, *rng.uniform(0.7 * low + 0.3 * high, 0.3 * low + 0.7 * high, (SEEDS - 1, 7))]
    for flipped in (False, True):
        chain = Chain(tool_m, flipped)
        for seed in seeds:
            q = solve(chain, target, seed, low, high)
            if q is not None and not any(np.allclose(q, other, atol=0.3) for other, *_ in found):
                found.append((q, chain, _room(chain, q, low, high)))
    for q, chain, _ in sorted(found, key=lambda item: -item[2])[:4]:
        yield chain, q


def solve(chain: Chain, target: np.ndarray, seed: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
    """Return joints (7,) inside low..high whose gripper frame is at a pose (4, 4), from a first guess, or None."""
    q = np.clip(seed, low, high)
    for _ in range(80):
        frames = chain.frames(q)
        turn = rotation_between(frames[7, :3, :3], target[:3, :3])
        error = np.concatenate([target[:3, 3] - frames[7, :3, 3], turn])
        if np.abs(error).max() < 1e-4:
            return q
        jacobian = chain.jacobian(frames)
        step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 1e-3 * np.eye(6), error)
        q = np.clip(q + step * min(1.0, 0.4 / np.abs(step).max()), low, high)
    return None


def opening_of(width_m: float) -> float:
    """Return the opening in m of one finger for a gap between both, within what the policy knows."""
    return float(np.clip(width_m / 2.0, 0.0, MAX_OPENING_M))


def _room(chain: Chain, q: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """How far a posture is from joint ends, singularities and the table; larger is better."""
    frames = chain.frames(q)
    ends = float(np.minimum((q - low) / (high - low), (high - q) / (high - low)).min())
    smallest = float(np.linalg.svd(chain.jacobian(frames), compute_uv=False)[-1])
    return min(ends, smallest, float(frames[2:7, 2, 3].min()))
