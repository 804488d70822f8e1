"""The limiter: every command passes through it, and each leaves room to brake before the next limit.

A command is only sent when the arm could brake from it, within its accelerations, without leaving the workspace or
touching the table; otherwise the arm brakes now, which the command before has left room for. Written in plain
floats: on vectors of three they are several times faster than arrays.
"""

from dataclasses import dataclass
from math import cos, isfinite, nan, sin, sqrt

import numpy as np

from real2sim_jax.robot.interface import ArmState, Command
from real2sim_jax.robot.limits import Limits, is_usable, lowest_along, up_in_gripper
from real2sim_jax.robot.scalar import Vector, floats, unrotated

TOLERANCE = 1e-9
ZERO = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Twist:
    """A motion of the gripper frame: linear (3,) m/s and angular (3,) rad/s, along and about world axes."""

    linear: Vector = ZERO
    angular: Vector = ZERO

    @property
    def at_rest(self) -> bool:
        """Whether nothing moves."""
        return not any(self.linear) and not any(self.angular)


class Limiter:
    """Turns what is asked for into what may be sent; knows what was sent last."""

    def __init__(self, limits: Limits, dt: float):
        """Start at rest; dt s is the control period."""
        self.limits = limits
        self.dt = dt
        self.last = Twist()
        self.opening: float | None = None
        self._drops = limits.linear_drop(dt), limits.angular_drop(dt)

    def limit(self, state: ArmState, wanted: Command) -> Command:
        """Return the command as far as it keeps to the limits; whatever is not finite brakes.

        Outside the workspace or under the clearance, motion that leads further out is cut and motion back is let
        through.
        """
        linear, angular = floats(wanted.linear), floats(wanted.angular)
        if not is_usable(state) or not all(map(isfinite, (*linear, *angular, wanted.opening))):
            return self.brake(state)
        linear = shortened(linear, self.limits.linear_m_s)
        angular = shortened(angular, self.limits.angular_rad_s)
        path = _Path(state, self.limits, self.dt, self._drops)
        slid = path.slid(Twist(linear, angular))
        next_twist = self._towards(slid)
        if not (path.is_cleared and next_twist == slid) and not path.is_free(next_twist):
            next_twist = self._towards(Twist())
        self.last, self.opening = next_twist, min(max(float(wanted.opening), 0.0), self.limits.opening_m)
        return self._command(self.opening, wanted.force)

    def brake(self, state: ArmState | None) -> Command:
        """Return the next command of the shortest stop; the fingers keep what they hold."""
        self.last = self._towards(Twist())
        opening = self.opening
        if opening is None:
            measured = state.opening if state is not None else nan
            opening = measured if isfinite(measured) else self.limits.opening_m
        return self._command(min(max(opening, 0.0), self.limits.opening_m), self.limits.grip_force_n)

    def _command(self, opening: float, force: float) -> Command:
        force = min(max(force, 0.0), self.limits.grip_force_n) if isfinite(force) else self.limits.grip_force_n
        return Command(np.array(self.last.linear), np.array(self.last.angular), float(opening), force)

    def _towards(self, wanted: Twist) -> Twist:
        linear_drop, angular_drop = self._drops
        return Twist(
            _towards(self.last.linear, wanted.linear, linear_drop),
            _towards(self.last.angular, wanted.angular, angular_drop),
        )


class _Path:
    """Where a twist leads from a state: one period of it, then braking to rest."""

    def __init__(self, state: ArmState, limits: Limits, dt: float, drops: tuple[float, float]):
        self.limits, self.dt, self.drops = limits, dt, drops
        self.position = floats(state.position)
        self.wxyz = floats(state.wxyz)
        self.up = up_in_gripper(self.wxyz)
        self.lowest = lowest_along(self.up)
        # An axis that is outside already may stay where it is.
        self.low = [min(a, b) for a, b in zip(limits.workspace_low_m, self.position, strict=True)]
        self.high = [max(a, b) for a, b in zip(limits.workspace_high_m, self.position, strict=True)]
        self.floor = min(limits.table_clearance_m, self.position[2] + self.lowest)
        self.is_cleared = False
        """Whether what `slid` returned is known to be free."""

    def slid(self, twist: Twist) -> Twist:
        """Return the twist without what leads out of the workspace or into the table."""
        seconds = _stretches(norm(twist.linear), self.drops[0], self.dt)[-1]
        linear = [
            min(max(v, (low - p) / seconds), (high - p) / seconds)
            for v, p, low, high in zip(twist.linear, self.position, self.low, self.high, strict=True)
        ]
        angular, needed = twist.angular, self._needed_climb(linear, twist.angular)
        if linear[2] < needed and needed > 0.0:
            # The rotation would push the gripper into the table: leave it out rather than climb unasked.
            angular, needed = ZERO, self._needed_climb(linear, ZERO)
        self.is_cleared = linear[2] >= needed
        linear[2] = max(linear[2], min(needed, 0.0))
        return Twist(linear, angular)

    def is_free(self, twist: Twist) -> bool:
        """Whether the twist and the braking after it stay inside the workspace and above the table."""
        seconds = _stretches(norm(twist.linear), self.drops[0], self.dt)[-1]
        for v, p, low, high in zip(twist.linear, self.position, self.low, self.high, strict=True):
            if not low - TOLERANCE <= p + v * seconds <= high + TOLERANCE:
                return False
        return all(
            self.position[2] + twist.linear[2] * straight + lowest >= self.floor - TOLERANCE
            for straight, lowest in self._samples(twist.linear, twist.angular)
        )

    def _needed_climb(self, linear: Vector, angular: Vector) -> float:
        """Smallest vertical speed in m/s at which the gripper keeps above the table all the way to rest."""
        samples = self._samples(linear, angular)
        return max((self.floor - self.position[2] - lowest) / straight for straight, lowest in samples)

    def _samples(self, linear: Vector, angular: Vector) -> list[tuple[float, float]]:
        """Twice a period until rest: how far the linear motion has gone (in s) and the gripper's lowest point."""
        straight = _stretches(norm(linear), self.drops[0], self.dt)
        speed = norm(angular)
        if speed == 0.0:
            return [(part, self.lowest) for part in straight]
        turned = _stretches(speed, self.drops[1], self.dt)
        count = max(len(straight), len(turned))
        axis = self._axis_in_gripper(angular, speed)
        ends = straight + straight[-1:] * (count - len(straight)), turned + turned[-1:] * (count - len(turned))
        return [(a, lowest_along(_turned(self.up, axis, -speed * b))) for a, b in zip(*ends, strict=True)]

    def _axis_in_gripper(self, angular: Vector, speed: float) -> Vector:
        x, y, z = unrotated(self.wxyz, angular)
        return x / speed, y / speed, z / speed


def norm(vector: Vector) -> float:
    """Euclidean length of a vector (3,)."""
    x, y, z = vector
    return sqrt(x * x + y * y + z * z)


def shortened(vector: Vector, longest: float) -> Vector:
    """Return the vector (3,), shortened to a length without turning it."""
    largest = max(map(abs, vector))
    if largest == 0.0:
        return vector
    # Scaled by the largest component first: squares of huge but finite numbers overflow.
    unit = [part / largest for part in vector]
    length = norm(unit)
    return vector if largest * length <= longest else [part * (longest / length) for part in unit]


def _towards(last: Vector, wanted: Vector, drop: float) -> Vector:
    """Go from one velocity straight towards another, by at most `drop`."""
    change = [b - a for a, b in zip(last, wanted, strict=True)]
    length = norm(change)
    if length <= drop:
        return wanted
    return [a + drop / length * c for a, c in zip(last, change, strict=True)]


def _stretches(speed: float, drop: float, dt: float) -> list[float]:
    """How far, in s of the first speed, an arm gets in each half period while it brakes by `drop` a period."""
    share, lost, total, ends = 1.0, drop / speed if speed > 0.0 else 1.0, 0.0, []
    while share > 0.0:
        ends += [total + 0.5 * share * dt, total + share * dt]
        total, share = ends[-1], share - lost
    return ends


def _turned(vector: Vector, axis: Vector, angle: float) -> tuple[float, float, float]:
    """Rotate a vector (3,) about a unit axis (3,) by an angle in rad (Rodrigues)."""
    c, s = cos(angle), sin(angle)
    (x, y, z), (a, b, d) = vector, axis
    along = (1.0 - c) * (a * x + b * y + d * z)
    return (
        c * x + s * (b * z - d * y) + along * a,
        c * y + s * (d * x - a * z) + along * b,
        c * z + s * (a * y - b * x) + along * d,
    )
