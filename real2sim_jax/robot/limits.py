"""Every bound that a robot keeps to, with its unit, and the shape of the gripper that must not touch the table."""

from dataclasses import dataclass, field, fields

import numpy as np

from real2sim_jax.core.gripper import PUBLISHED, Gripper
from real2sim_jax.core.observation import MAX_ANGULAR_RAD_S, MAX_LINEAR_M_S
from real2sim_jax.core.rotations import conjugate, rotate
from real2sim_jax.robot.interface import ArmState

UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class JointLimits:
    """Bounds of a seven-joint arm; the defaults lie within those of both Franka arms, Panda and FR3."""

    low_rad: tuple[float, ...] = (-2.65, -1.66, -2.8, -2.95, -2.7, 0.64, -2.8)
    high_rad: tuple[float, ...] = (2.65, 1.66, 2.8, -0.25, 2.7, 3.65, 2.8)
    speed_rad_s: tuple[float, ...] = (1.3, 1.3, 1.3, 1.3, 1.8, 1.8, 1.8)
    """60 to 70 % of the published 2.175 and 2.61 rad/s."""
    acceleration_rad_s2: tuple[float, ...] = (10.0, 7.0, 10.0, 10.0, 12.0, 15.0, 15.0)
    """Also how hard the joints brake; the published limits are 15, 7.5, 10, 12.5, 15, 20, 20."""
    jerk_rad_s3: tuple[float, ...] = (5000.0, 3500.0, 5000.0, 5000.0, 6000.0, 7500.0, 7500.0)
    singular_value: float = 0.05
    """Below this smallest singular value of the Jacobian (m and rad mixed) the twist is slowed in proportion."""
    slowest_share: float = 0.1
    """The twist is never slowed below this share near a singularity, so that the arm can leave it."""

    def __post_init__(self):
        for item in fields(self):
            if not np.isfinite(getattr(self, item.name)).all():
                raise ValueError(f"joint limit {item.name}: expected finite numbers")
        if not (np.array(self.low_rad) < self.high_rad).all():
            raise ValueError("joint limits: expected low_rad below high_rad")


@dataclass(frozen=True)
class Limits:
    """Bounds of motion in the task frame, and of what may be late.

    A twist is shortened, never turned: speeds, accelerations and jerks hold for the norms of the linear and of the
    angular part. Jerk is the change of acceleration from one control period to the next, per period. Braking keeps
    to the same bounds. ValueError on a bound that is not a positive finite number.
    """

    workspace_low_m: tuple[float, float, float] = (-0.6, -0.6, 0.0)
    """Lowest x, y, z of the gripper frame."""
    workspace_high_m: tuple[float, float, float] = (0.6, 0.6, 0.6)
    """Highest x, y, z of the gripper frame."""
    table_clearance_m: float = 0.002
    """Height above the table that the lowest point of the open gripper keeps."""
    linear_m_s: float = float(np.sqrt(3.0) * MAX_LINEAR_M_S)
    angular_rad_s: float = float(np.sqrt(3.0) * MAX_ANGULAR_RAD_S)
    linear_m_s2: float = 4.0
    angular_rad_s2: float = 25.0
    linear_m_s3: float = 100.0
    angular_rad_s3: float = 600.0
    opening_m: float = PUBLISHED.max_opening_m
    """Largest distance of one finger from the middle; a gripper's own holds too."""
    grip_force_n: float = 20.0
    """Largest force of one finger."""
    state_timeout_s: float = 0.25
    """A state that is missing, unchanged or no pose brakes at once; for this long, it ends the run."""
    policy_timeout_s: float = 0.05
    """A policy that thinks longer than this is not listened to in that period."""
    command_timeout_s: float = 0.25
    """An arm that gets no command for this long stops by itself; a control loop this late is ended."""
    joints: JointLimits = field(default_factory=JointLimits)
    """For arms whose joints are controlled from here."""

    def __post_init__(self):
        for name, value in vars(self).items():
            if isinstance(value, float) and not 0.0 < value < np.inf and name != "table_clearance_m":
                raise ValueError(f"limit {name} = {value}: expected a finite number above 0")
        if not np.isfinite([*self.workspace_low_m, *self.workspace_high_m, self.table_clearance_m]).all():
            raise ValueError("limits of the workspace: expected finite numbers")
        if not (np.array(self.workspace_low_m) < self.workspace_high_m).all():
            raise ValueError("limits of the workspace: expected the lowest below the highest")

    def linear_drop(self, dt: float) -> float:
        """Largest change of the linear velocity in one control period, m/s."""
        # With half the jerk's share, full acceleration can be followed by full braking in the very next period.
        return min(self.linear_m_s2, 0.5 * self.linear_m_s3 * dt) * dt

    def angular_drop(self, dt: float) -> float:
        """Largest change of the angular velocity in one control period, rad/s."""
        return min(self.angular_rad_s2, 0.5 * self.angular_rad_s3 * dt) * dt


def gripper_rectangles(gripper: Gripper) -> np.ndarray:
    """Return the gripper as rectangles across its approach axis, fingers fully open.

    (3, 3) m: half x, half y and z in its frame, of each.
    """
    x, y, z = gripper.palm_half_m
    ends = gripper.palm_centre_m - z, gripper.palm_centre_m + z
    return np.array(
        [(x, y, ends[0]), (x, y, ends[1]), (gripper.finger_half_m[0], gripper.reach_m, gripper.finger_tip_m)]
    )


def lowest_point(wxyz: np.ndarray, gripper: Gripper) -> np.ndarray:
    """Return the heights (...,) m of the lowest point of the open gripper over its frame, for orientations (..., 4)."""
    return lowest_along(rotate(conjugate(wxyz), UP), gripper_rectangles(gripper))


def lowest_along(up: np.ndarray, rectangles: np.ndarray) -> np.ndarray:
    """Return the heights (...,) m of the rectangles' lowest point, for the world's up (..., 3) in their axes."""
    half_x, half_y, along = rectangles.T
    return np.min(up[..., 2:] * along - np.abs(up[..., :1]) * half_x - np.abs(up[..., 1:2]) * half_y, axis=-1)


def is_usable(state: ArmState) -> bool:
    """Whether a measured state is finite and its orientation a unit quaternion to 1 %."""
    numbers = np.array([state.time, *state.position, *state.wxyz, state.opening], float)
    # Comparisons with NaN are false; a squared norm outside 0.98..1.02 is a norm off by 1 %.
    return bool((np.abs(numbers) < 1e6).all() and 0.98 < numbers[4:8] @ numbers[4:8] < 1.02)
