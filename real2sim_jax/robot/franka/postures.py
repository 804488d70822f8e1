"""Postures in which an arm can begin a path: many guesses at once, each followed along the whole path.

Seven joints reach a pose in infinitely many postures, and most of them run into a joint's end before the path's. So
guesses are solved for where the path begins and where the approach ends, and followed from there in both directions.
"""

from dataclasses import dataclass

import numpy as np

from real2sim_jax.robot.franka.kinematics import HOME_RAD, Chain
from real2sim_jax.robot.limits import JointLimits

GUESSES = 16
ROUNDS, ROUNDS_A_POSE = 80, 3
DAMPING, CENTRING = 1e-2, 0.02
"""Of the least squares; and the share of the distance to the middle of their ranges that free joints go in a round."""
LARGEST_STEP_RAD = 0.4
AT_POSE = 1e-3
"""m and rad: closer than this is there."""
LAG_M, LAG_RAD = 0.03, 0.3
"""How far from a free gripper's path, once the approach is over, a path is still called reachable."""
LOWEST_LINK_M = 0.06
"""Height over the table below which no link's axis may come."""
SPEED_RATIO, HASTE_IN_APPROACH = 1.5, 3.0
"""How many times too fast for the joints a path may be: an arm may be late by the lag, and later in the approach."""


@dataclass(frozen=True)
class Posture:
    """Joints in which to begin."""

    chain: Chain
    q: np.ndarray
    """(7,) rad, where the gripper frame is at the path's first pose."""
    violation_ratio: float
    """Largest share of what is allowed, of lag, speed or height, on the path; an arm can hardly follow it above 1."""


def postures(poses: np.ndarray, approach: int, limits: JointLimits, dt: float, tool_m: float) -> list[Posture]:
    """Return different postures that reach the first pose of a path, least violation ratio first.

    poses (T, 4, 4): the gripper frame in the base frame every dt s; the approach ends at the pose of that index. The
    gripper's two fingers are alike, so both turns of it are tried. Empty where the first pose is out of reach.
    """
    found: list[Posture] = []
    for flipped in (False, True):
        chain = Chain(tool_m, flipped)
        for anchor in (0, approach):
            paths = _followed(chain, poses, anchor, limits)
            ratios = _violation_ratios(chain, paths, poses, approach, limits, dt)
            found += [Posture(chain, q, float(ratio)) for q, ratio in zip(paths[0], ratios, strict=True)]
    different: list[Posture] = []
    for one in sorted(found, key=lambda posture: posture.violation_ratio):
        if not any(one.chain == other.chain and np.allclose(one.q, other.q, atol=0.3) for other in different):
            different.append(one)
    return different


def solved(chain: Chain, target: np.ndarray, q: np.ndarray, limits: JointLimits, rounds: int) -> np.ndarray:
    """Bring joints (N, 7) rad closer to where the gripper frame is at a pose (4, 4), within their ranges."""
    low, high = np.array(limits.low_rad), np.array(limits.high_rad)
    for _ in range(rounds):
        frames = chain.frames(q)
        jacobian = chain.jacobian(frames)
        inverse = jacobian.swapaxes(-1, -2) @ np.linalg.inv(
            jacobian @ jacobian.swapaxes(-1, -2) + DAMPING**2 * np.eye(6)
        )
        rest = CENTRING * (0.5 * (low + high) - q)[..., None]
        step = (rest + inverse @ (pose_error(frames, target)[..., None] - jacobian @ rest))[..., 0]
        step *= np.minimum(1.0, LARGEST_STEP_RAD / np.maximum(np.abs(step).max(axis=-1, keepdims=True), 1e-9))
        q = np.clip(q + step, low, high)
    return q


def pose_error(frames: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return what is left (..., 6), m and sines of rad in base axes, from the chain's gripper frame to a pose."""
    now = frames[..., 7, :3, :3].swapaxes(-1, -2)
    turn = 0.5 * np.cross(now, target[..., :3, :3].swapaxes(-1, -2)).sum(axis=-2)
    return np.concatenate([target[..., :3, 3] - frames[..., 7, :3, 3], turn], axis=-1)


def _followed(chain: Chain, poses: np.ndarray, anchor: int, limits: JointLimits) -> np.ndarray:
    """Return joints (T, N, 7) along the path of those guesses that reach its pose of that index and the first one."""
    low, high = np.array(limits.low_rad), np.array(limits.high_rad)
    shares = np.random.default_rng(0).uniform(0.15, 0.85, (GUESSES - 1, 7))
    q = solved(chain, poses[anchor], np.concatenate([HOME_RAD[None], low + shares * (high - low)]), limits, ROUNDS)
    q = q[_is_at(chain, q, poses[anchor])]
    path = np.repeat(q[None], len(poses), axis=0)
    for order in (range(anchor + 1, len(poses)), range(anchor - 1, -1, -1)):
        now = q
        for i in order:
            now = path[i] = solved(chain, poses[i], now, limits, ROUNDS_A_POSE)
    return path[:, _is_at(chain, path[0], poses[0])]


def _is_at(chain: Chain, q: np.ndarray, target: np.ndarray) -> np.ndarray:
    return np.abs(pose_error(chain.frames(q), target)).max(axis=-1, initial=0.0) < AT_POSE


def _violation_ratios(
    chain: Chain, paths: np.ndarray, poses: np.ndarray, approach: int, limits: JointLimits, dt: float
) -> np.ndarray:
    """Largest share (N,) of what is allowed along paths (T, N, 7)."""
    frames = chain.frames(paths)
    error = pose_error(frames, poses[:, None])
    speed = (np.abs(np.diff(paths, axis=0)) / (dt * np.array(limits.speed_rad_s))).max(axis=-1)
    shares = [
        np.linalg.norm(error[..., :3], axis=-1).max(axis=0) / LAG_M,
        np.linalg.norm(error[..., 3:], axis=-1).max(axis=0) / LAG_RAD,
        LOWEST_LINK_M / np.maximum(frames[..., 2:7, 2, 3].min(axis=(0, 2)), 1e-3),
        speed[:approach].max(axis=0) / HASTE_IN_APPROACH,
        speed[approach:].max(axis=0) / SPEED_RATIO,
    ]
    return np.max(shares, axis=0)
