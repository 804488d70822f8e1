"""From twists to joints: damped least squares that keeps to every joint limit.

The reference pose is integrated from the twist and pulled back when the joints cannot follow (a leash), so that the
arm never has to catch up at speed. Speeds are scaled for all joints together: the twist keeps its direction.
"""

import numpy as np

from real2sim_jax.robot.franka.kinematics import Chain, rotation_between, rotation_by
from real2sim_jax.robot.limits import JointLimits

FEEDBACK_HZ = 12.0
"""How fast an error of the pose is taken back, 1/s."""
GOING_HZ = 3.0
"""How fast joints come to rest at where they are sent, 1/s."""
LEASH_M, LEASH_RAD = 0.03, 0.2
DAMPING, SINGULAR_DAMPING = 0.005, 0.1
GIVE_RAD, YIELD_HZ = 0.04, 15.0
"""How far a joint may be behind its target before the target gives way, and how fast it then does, 1/s."""
CENTRING_HZ = 0.5
"""How fast the free joint motion draws the joints to the middle of their ranges, 1/s."""


class JointTracker:
    """Joint positions and speeds that follow a twist of the gripper frame, in the base frame."""

    def __init__(self, chain: Chain, limits: JointLimits, q: np.ndarray, dt: float):
        """Start at rest at joints q (7,) rad; dt s is the period of `step`."""
        self.chain, self.limits, self.dt = chain, limits, dt
        self.low, self.high = np.array(limits.low_rad), np.array(limits.high_rad)
        self.speed = np.array(limits.speed_rad_s)
        jerk_share = 0.5 * np.array(limits.jerk_rad_s3) * dt
        # Half the jerk's share: full acceleration can be followed by full braking in the very next period.
        self.drop = np.minimum(limits.acceleration_rad_s2, jerk_share) * dt
        self.q, self.dq = np.clip(np.asarray(q, float), self.low, self.high), np.zeros(7)
        self.error = np.zeros(6)
        self._anchor()

    @property
    def pose(self) -> np.ndarray:
        """(4, 4) where the gripper frame is for the present joints."""
        return self.frames[7]

    def step(
        self, linear: np.ndarray, angular: np.ndarray, measured: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Follow a twist, m/s and rad/s in base axes, for one period; return joints (7,) rad and speeds (7,) rad/s.

        Where the measured joints (7,) stay behind, because something is in the way, the targets give way to them. A
        twist that is not finite brakes.
        """
        twist = np.concatenate([linear, angular])
        if not np.isfinite(twist).all():
            return self.brake()
        jacobian = self.chain.jacobian(self.frames)
        smallest = np.linalg.svd(jacobian, compute_uv=False)[-1]
        share = np.clip(smallest / self.limits.singular_value, self.limits.slowest_share, 1.0)
        self._move_target(share * twist)
        wanted = self._solve(jacobian, share * twist + FEEDBACK_HZ * self.error, smallest)
        self._accept(wanted if measured is None else self._yielding(wanted, measured))
        return self.q, self.dq

    def go(self, target: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
        """Go straight towards joints (7,) rad at a share of the joints' speeds for one period."""
        self._accept(_scaled(GOING_HZ * (np.asarray(target) - self.q), share * self.speed))
        self._anchor()
        return self.q, self.dq

    def brake(self) -> tuple[np.ndarray, np.ndarray]:
        """Go on with the shortest stop for one period; the reference pose is where the arm is."""
        self._accept(np.zeros(7))
        self._anchor()
        return self.q, self.dq

    def _anchor(self) -> None:
        self.frames = self.chain.frames(self.q)
        self.position, self.rotation = self.pose[:3, 3].copy(), self.pose[:3, :3].copy()

    def _move_target(self, twist: np.ndarray) -> None:
        self.position = self.position + twist[:3] * self.dt
        self.rotation = rotation_by(twist[3:] * self.dt) @ self.rotation
        straight = self.position - self.pose[:3, 3]
        turn = rotation_between(self.pose[:3, :3], self.rotation)
        self.error = np.concatenate([straight, turn])
        leashed_straight, leashed_turn = _leashed(straight, LEASH_M), _leashed(turn, LEASH_RAD)
        self.position = self.pose[:3, 3] + leashed_straight
        if leashed_turn is not turn:
            self.rotation = rotation_by(leashed_turn) @ self.pose[:3, :3]
        self.error = np.concatenate([leashed_straight, leashed_turn])

    def _solve(self, jacobian: np.ndarray, twist: np.ndarray, smallest: float) -> np.ndarray:
        """Joint speeds for a twist; a joint that is near its end gets what it may and the others do the rest."""
        slow, fast = self._range()
        weak = max(0.0, 1.0 - smallest / self.limits.singular_value)
        damping = DAMPING**2 + (SINGULAR_DAMPING * weak) ** 2
        free, speeds = np.ones(7, bool), np.zeros(7)
        for _ in range(3):
            part = jacobian * free
            inverse = part.T @ np.linalg.inv(part @ part.T + damping * np.eye(6))
            rest = CENTRING_HZ * (0.5 * (self.low + self.high) - self.q) * free
            found = inverse @ (twist - jacobian @ (speeds * ~free)) + rest - inverse @ (part @ rest)
            speeds = np.where(free, found, speeds)
            beyond = free & ((speeds < slow - 1e-12) | (speeds > fast + 1e-12))
            if not beyond.any():
                break
            speeds = np.where(beyond, np.clip(speeds, slow, fast), speeds)
            free &= ~beyond
        return np.clip(_scaled(speeds, self.speed), slow, fast)

    def _yielding(self, wanted: np.ndarray, measured: np.ndarray) -> np.ndarray:
        behind = measured - self.q
        excess = behind - np.clip(behind, -GIVE_RAD, GIVE_RAD)
        slow, fast = self._range()
        return np.clip(_scaled(wanted + YIELD_HZ * excess, self.speed), slow, fast)

    def _range(self) -> tuple[np.ndarray, np.ndarray]:
        """Joint speeds (7,) down and up from which half the braking still stops before the joint's end."""
        strength = self.drop / self.dt
        down, up = np.maximum(self.q - self.low, 0.0), np.maximum(self.high - self.q, 0.0)
        return -np.minimum(np.sqrt(strength * down), 0.5 * down / self.dt), np.minimum(
            np.sqrt(strength * up), 0.5 * up / self.dt
        )

    def _accept(self, wanted: np.ndarray) -> None:
        """Go towards the wanted speeds by the accelerations, or brake where there would be no room to brake."""
        speeds = self._towards(wanted)
        if not self._can_stop(speeds):
            speeds = self._towards(np.zeros(7))
        self.dq = speeds
        self.q = np.clip(self.q + speeds * self.dt, self.low, self.high)
        self.frames = self.chain.frames(self.q)

    def _towards(self, wanted: np.ndarray) -> np.ndarray:
        change = wanted - self.dq
        periods = np.max(np.abs(change) / self.drop)
        return wanted if periods <= 1.0 else self.dq + change / periods

    def _can_stop(self, speeds: np.ndarray) -> bool:
        """Whether one period at these speeds and braking all joints together after it stays inside the ranges."""
        periods = np.max(np.abs(speeds) / self.drop)
        whole = np.floor(periods)
        # 1 + the sum of (1 - k / periods) over the whole periods of braking.
        reach = self.dt * (1.0 + (whole - whole * (whole + 1.0) / (2.0 * periods) if periods > 0.0 else 0.0))
        end = self.q + speeds * reach
        return bool((end >= self.low - 1e-9).all() and (end <= self.high + 1e-9).all())


def _leashed(vector: np.ndarray, longest: float) -> np.ndarray:
    length = np.linalg.norm(vector)
    return vector if length <= longest else vector * (longest / length)


def _scaled(speeds: np.ndarray, largest: np.ndarray) -> np.ndarray:
    return speeds / max(1.0, float(np.max(np.abs(speeds) / largest)))
