"""The limiter: every command passes through it, and each leaves room to brake before the next limit.

A command is only sent when the arm could brake from it, within its accelerations, without leaving the workspace or
touching the table; otherwise the arm brakes now, which the command before has left room for.
"""

from math import isfinite, nan
from typing import NamedTuple

import numpy as np

from real2sim_jax.core.gripper import Gripper
from real2sim_jax.core.rotations import conjugate, rotate, wxyz_from_rotvec
from real2sim_jax.robot.interface import ArmState, Command
from real2sim_jax.robot.limits import UP, Limits, gripper_rectangles, is_usable, lowest_along

TOLERANCE = 1e-9


class Twist(NamedTuple):
    """A motion of the gripper frame along and about world axes."""

    linear: np.ndarray = np.zeros(3)
    """(3,) m/s."""
    angular: np.ndarray = np.zeros(3)
    """(3,) rad/s."""

    @property
    def at_rest(self) -> bool:
        """Whether nothing moves."""
        return not np.any(self)


class Limiter:
    """Turns what is asked for into what may be sent; knows what was sent last."""

    def __init__(self, limits: Limits, dt: float, gripper: Gripper):
        """Start at rest; dt s is the control period."""
        self.limits = limits
        self.rectangles = gripper_rectangles(gripper)
        self.widest_m = min(limits.opening_m, gripper.max_opening_m)
        self.dt = dt
        self.last = Twist()
        self.opening: float | None = None
        self.drops = limits.linear_drop(dt), limits.angular_drop(dt)

    def limit(self, state: ArmState, wanted: Command) -> Command:
        """Return the command as far as it keeps to the limits; whatever is not finite brakes.

        Outside the workspace or under the clearance, motion that leads further out is cut and motion back is let
        through.
        """
        if not is_usable(state) or not np.isfinite([*wanted.linear, *wanted.angular, wanted.opening]).all():
            return self.brake(state)
        linear = shortened(np.asarray(wanted.linear, float), self.limits.linear_m_s)
        angular = shortened(np.asarray(wanted.angular, float), self.limits.angular_rad_s)
        path = _Path(state, self)
        next_twist = self._towards(path.slid(Twist(linear, angular)))
        if not path.is_free(next_twist):
            next_twist = self._towards(Twist())
        self.last, self.opening = next_twist, min(max(float(wanted.opening), 0.0), self.widest_m)
        return self._command(self.opening, wanted.force)

    def brake(self, state: ArmState | None) -> Command:
        """Return the next command of the shortest stop; the fingers keep what they hold."""
        self.last = self._towards(Twist())
        opening = self.opening
        if opening is None:
            measured = state.opening if state is not None else nan
            opening = measured if isfinite(measured) else self.widest_m
        return self._command(min(max(opening, 0.0), self.widest_m), self.limits.grip_force_n)

    def _command(self, opening: float, force: float) -> Command:
        force = min(max(force, 0.0), self.limits.grip_force_n) if isfinite(force) else self.limits.grip_force_n
        return Command(*self.last, float(opening), force)

    def _towards(self, wanted: Twist) -> Twist:
        return Twist(*(_towards(*pair) for pair in zip(self.last, wanted, self.drops, strict=True)))


class _Path:
    """Where a twist leads from a state: one period of it, then braking to rest."""

    def __init__(self, state: ArmState, limiter: Limiter):
        limits, self.dt, self.drops, self.rectangles = limiter.limits, limiter.dt, limiter.drops, limiter.rectangles
        self.position = np.asarray(state.position, float)
        self.to_gripper = conjugate(np.asarray(state.wxyz, float))
        # An axis that is outside already may stay where it is.
        self.low = np.minimum(limits.workspace_low_m, self.position)
        self.high = np.maximum(limits.workspace_high_m, self.position)
        lowest = self.position[2] + lowest_along(rotate(self.to_gripper, UP), self.rectangles)
        self.floor = min(limits.table_clearance_m, float(lowest))

    def slid(self, twist: Twist) -> Twist:
        """Return the twist without what leads out of the workspace or into the table."""
        seconds = self._straight(twist.linear)[-1]
        linear = np.clip(twist.linear, (self.low - self.position) / seconds, (self.high - self.position) / seconds)
        angular, needed = twist.angular, self._needed_climb(linear, twist.angular)
        if linear[2] < needed and needed > 0.0:
            # The rotation would push the gripper into the table: leave it out rather than climb unasked.
            angular = np.zeros(3)
            needed = self._needed_climb(linear, angular)
        linear[2] = max(linear[2], min(needed, 0.0))
        return Twist(linear, angular)

    def is_free(self, twist: Twist) -> bool:
        """Whether the twist and the braking after it stay inside the workspace and above the table."""
        end = self.position + twist.linear * self._straight(twist.linear)[-1]
        inside = (self.low - TOLERANCE <= end) & (end <= self.high + TOLERANCE)
        return bool(inside.all() and twist.linear[2] >= self._needed_climb(*twist) - TOLERANCE)

    def _needed_climb(self, linear: np.ndarray, angular: np.ndarray) -> float:
        """Smallest vertical speed in m/s at which the gripper keeps above the table, twice a period until rest."""
        straight, turned = self._straight(linear), _stretches(_norm(angular), self.drops[1], self.dt)
        count = max(len(straight), len(turned))
        straight, turned = (np.pad(part, (0, count - len(part)), "edge") for part in (straight, turned))
        up = rotate(conjugate(wxyz_from_rotvec(turned[:, None] * angular)), UP)
        lowest = lowest_along(rotate(self.to_gripper, up), self.rectangles)
        return float(np.max((self.floor - self.position[2] - lowest) / straight))

    def _straight(self, linear: np.ndarray) -> np.ndarray:
        return _stretches(_norm(linear), self.drops[0], self.dt)


def shortened(vector: np.ndarray, longest: float) -> np.ndarray:
    """Return the vector (3,), shortened to a length without turning it."""
    # Scaled by the largest component first: squares of huge but finite numbers overflow.
    largest = max(np.abs(vector).max(), 1e-300)
    unit = vector / largest
    length = _norm(unit)
    return vector if length <= longest / largest else unit * (longest / length)


def _norm(vector: np.ndarray) -> float:
    return float(np.sqrt(vector @ vector))


def _towards(last: np.ndarray, wanted: np.ndarray, drop: float) -> np.ndarray:
    """Go from one velocity straight towards another, by at most `drop`."""
    change = wanted - last
    length = _norm(change)
    return wanted if length <= drop else last + drop / length * change


def _stretches(speed: float, drop: float, dt: float) -> np.ndarray:
    """How far, in s of the first speed, an arm gets in each half period while it brakes by `drop` a period."""
    shares = np.repeat(np.maximum(1.0 - np.arange(max(1, np.ceil(speed / drop))) * drop / max(speed, drop), 0.0), 2)
    return np.cumsum(0.5 * dt * shares)
