"""What the robot may be told to do: every command passes through here."""

from dataclasses import dataclass

import numpy as np

from real2sim_jax.robot.arms import ArmState, Command, moved
from real2sim_jax.robot.observation import MAX_ANGULAR_RAD_S, MAX_LINEAR_M_S, MAX_OPENING_M
from real2sim_jax.robot.rotations import rotate

# Corners of the gripper, fingers fully open, in its frame, m: the palm's front and back face and the fingertips.
_SIGNS = np.array([(x, y) for x in (-1, 1) for y in (-1, 1)])
PALM_HALF_X_M, PALM_HALF_Y_M, PALM_FRONT_M, PALM_BACK_M = 0.0315, 0.102, -0.0816, -0.1736
FINGER_HALF_X_M, FINGER_OUTER_Y_M, FINGER_TIP_M = 0.01, MAX_OPENING_M + 0.02, 0.0384
GRIPPER_CORNERS = np.concatenate(
    [
        np.column_stack([_SIGNS * (half_x, half_y), np.full(4, z)])
        for half_x, half_y, z in (
            (PALM_HALF_X_M, PALM_HALF_Y_M, PALM_BACK_M),
            (PALM_HALF_X_M, PALM_HALF_Y_M, PALM_FRONT_M),
            (FINGER_HALF_X_M, FINGER_OUTER_Y_M, FINGER_TIP_M),
        )
    ]
)


@dataclass(frozen=True)
class Limits:
    """Bounds of motion in the task frame; the defaults leave everything that the policy learned to do.

    A twist is shortened, never turned: the largest speeds hold for its norm.
    """

    workspace_low_m: tuple[float, float, float] = (-0.6, -0.6, 0.0)
    """Lowest x, y, z of the gripper frame."""
    workspace_high_m: tuple[float, float, float] = (0.6, 0.6, 0.6)
    """Highest x, y, z of the gripper frame."""
    table_clearance_m: float = 0.002
    """Height above the table that the lowest point of the open gripper keeps."""
    linear_m_s: float = float(np.sqrt(3.0) * MAX_LINEAR_M_S)
    angular_rad_s: float = float(np.sqrt(3.0) * MAX_ANGULAR_RAD_S)
    opening_m: float = MAX_OPENING_M
    """Largest distance of one finger from the middle."""


def lowest_point(wxyz: np.ndarray) -> float:
    """Return the height in m of the lowest point of the open gripper over its frame's origin, for orientation (4,)."""
    return float(rotate(wxyz[None, :], GRIPPER_CORNERS)[:, 2].min())


def is_usable(state: ArmState) -> bool:
    """Whether a measured state is finite and its orientation a unit quaternion to 1 %."""
    finite = np.isfinite([state.time, *state.position, *state.wxyz, state.opening]).all()
    return bool(finite) and bool(np.abs(state.wxyz).max() < 2.0 and abs(np.linalg.norm(state.wxyz) - 1.0) < 0.01)


def hold(state: ArmState, limits: Limits) -> Command:
    """Return the command to stay where the arm is."""
    opening = state.opening if np.isfinite(state.opening) else limits.opening_m
    return Command(np.zeros(3), np.zeros(3), float(np.clip(opening, 0.0, limits.opening_m)))


def limited(state: ArmState, command: Command, limits: Limits, dt: float) -> Command:
    """Return the command as far as it keeps to the limits for the next dt s.

    A command or state that is not finite, or an orientation that is none, becomes a stop. Outside the workspace or
    under the clearance, motion that leads further out is cut and motion back is let through.
    """
    asked = [*command.linear, *command.angular, command.opening]
    if not np.isfinite(asked).all() or not is_usable(state):
        return hold(state, limits)
    linear = _into_workspace(state, _shortened(command.linear, limits.linear_m_s), limits, dt)
    angular = _shortened(command.angular, limits.angular_rad_s)
    opening = float(np.clip(command.opening, 0.0, limits.opening_m))
    return _above_table(state, Command(linear, angular, opening), limits, dt)


def _shortened(vector: np.ndarray, longest: float) -> np.ndarray:
    vector = np.asarray(vector, float)
    # Scaled by the largest component first: squares of huge but finite numbers overflow.
    largest = np.abs(vector).max()
    if largest == 0.0:
        return vector
    norm = largest * np.linalg.norm(vector / largest)
    return vector if norm <= longest else vector / largest * (longest / np.linalg.norm(vector / largest))


def _into_workspace(state: ArmState, linear: np.ndarray, limits: Limits, dt: float) -> np.ndarray:
    slowest = np.minimum(0.0, (np.asarray(limits.workspace_low_m) - state.position) / dt)
    fastest = np.maximum(0.0, (np.asarray(limits.workspace_high_m) - state.position) / dt)
    return np.clip(linear, slowest, fastest)


def _above_table(state: ArmState, command: Command, limits: Limits, dt: float) -> Command:
    _, turned = moved(state, command, dt)
    angular, needed = command.angular, _needed_climb(state, turned, limits, dt)
    if command.linear[2] < needed and needed > 0.0:
        # The rotation would push the gripper into the table: leave it out rather than climb unasked.
        angular, needed = np.zeros(3), _needed_climb(state, state.wxyz, limits, dt)
    climb = max(command.linear[2], min(needed, 0.0))
    return Command(np.array([*command.linear[:2], climb]), angular, command.opening)


def _needed_climb(state: ArmState, wxyz: np.ndarray, limits: Limits, dt: float) -> float:
    """Smallest vertical speed in m/s after which the gripper, turned to wxyz, keeps the clearance."""
    return (limits.table_clearance_m - state.position[2] - lowest_point(wxyz)) / dt
