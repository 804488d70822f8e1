"""Arms that the controller can drive: a recorded one, a simulated one, and what a real one must offer."""

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from real2sim_jax.core.clock import EPISODE_S
from real2sim_jax.core.errors import InputError
from real2sim_jax.core.gripper import PUBLISHED
from real2sim_jax.core.observation import POLICY_FIELDS
from real2sim_jax.core.rotations import multiply, wxyz_from_azimuth_elevation, wxyz_from_rotvec

Array = Any

GRIP_FORCE_N = 20.0
"""Of one finger, as in the simulator."""
STOP_PATIENCE_S = 0.1
"""How long a stop waits for a command that is on its way; one that hangs must not keep it from the arm."""


class ArmError(InputError):
    """An arm or a recording that cannot be used, with the reason in one line."""


class ArmStopped(ArmError):
    """A command after the stop; none goes out before a new run with a new arm."""


@dataclass(frozen=True)
class ArmState:
    """What the arm measures, in the task frame (world axes, origin on the table where the task happens)."""

    time: float
    """s since the start."""
    position: Array
    """(3,) m of the gripper frame."""
    wxyz: Array
    """(4,) of the gripper frame."""
    opening: float
    """m of one finger from the middle."""


@dataclass(frozen=True)
class Command:
    """What the arm is asked to do until the next control instant."""

    linear: Array
    """(3,) m/s of the gripper frame along world axes."""
    angular: Array
    """(3,) rad/s of the gripper frame about world axes."""
    opening: float
    """m of one finger from the middle."""
    force: float = GRIP_FORCE_N
    """N that one finger may press with."""


class Arm(ABC):
    """A back end: `read`, then `send`, once per control period, and `stop` at every end, errors included.

    Derived classes say how: `read`, `_move` and `_halt`. What holds for all of them is here: a stop comes from any
    thread at any moment, is for good, and no command is carried out after it.

    A back end whose own limits are lower than the controller's (joint speeds, say) scales the twist down itself. One
    that moves on by itself must come to rest when no command arrives for `Limits.command_timeout_s`.
    """

    def __init__(self):
        """Take commands until the stop."""
        # No Event: its lock is not for signal handlers, which may interrupt whoever holds it.
        self.is_stopped = False
        # Of one command or halt at a time; the handler of a signal may stop the arm in the middle of either.
        self._turn = threading.RLock()
        self._sender: int | None = None

    @abstractmethod
    def read(self) -> ArmState | None:
        """Return the newest state, None where none has come; must not block for long. ArmError ends the run."""

    @final
    def send(self, command: Command) -> None:
        """Take the command over; ArmStopped after the stop."""
        with self._turn:
            if self.is_stopped:
                raise ArmStopped("the arm was stopped; it takes commands again in a new run")
            self._sender = threading.get_ident()
            try:
                if not self.is_stopped:
                    self._move(command)
            finally:
                self._sender = None
                # A stop that came during the command, by a signal on this thread or out of turn, has the last word.
                if self.is_stopped:
                    self._halt()

    @final
    def stop(self) -> None:
        """Bring the arm to rest and hold it there, for good; may be called again.

        From a signal handler in the middle of `send` it takes effect as soon as that ends.
        """
        self.is_stopped = True
        if self._sender == threading.get_ident():
            return
        has_turn = self._turn.acquire(timeout=STOP_PATIENCE_S)
        try:
            self._halt()
        finally:
            if has_turn:
                self._turn.release()

    @abstractmethod
    def _move(self, command: Command) -> None:
        """Take the command over; must not block for longer than a small part of the control period."""

    def _halt(self) -> None:  # noqa: B027
        """Come to rest and hold; on any thread, perhaps more than once. Nothing to do where nothing moves by itself."""


class DryArm(Arm):
    """Any arm, looked at and never moved."""

    def __init__(self, arm: Arm):
        """Take the arm whose state is read."""
        super().__init__()
        self.arm = arm

    def read(self) -> ArmState | None:
        """Return the arm's state."""
        return self.arm.read()

    def _move(self, command: Command) -> None:
        pass

    def _halt(self) -> None:
        self.arm.stop()


class SimulatedArm(Arm):
    """A weightless arm without obstacles: the twist integrated exactly, the fingers with a first-order lag."""

    FINGER_LAG_S = 0.15

    def __init__(
        self,
        position: Array,
        azimuth: float,
        elevation: float,
        dt: float,
        opening: float = PUBLISHED.max_opening_m,
    ):
        """Start at a position (3,) m, a direction in rad and an opening in m; dt s is the control period."""
        super().__init__()
        wxyz = wxyz_from_azimuth_elevation(np.asarray(azimuth), np.asarray(elevation))
        self.state = ArmState(0.0, np.asarray(position, float), wxyz, opening)
        self.dt = dt

    def read(self) -> ArmState:
        """Return the present state."""
        return self.state

    def _move(self, command: Command) -> None:
        position, wxyz = moved(self.state, command, self.dt)
        share = 1.0 - np.exp(-self.dt / self.FINGER_LAG_S)
        opening = self.state.opening + share * (command.opening - self.state.opening)
        self.state = ArmState(self.state.time + self.dt, position, wxyz, float(opening))


class RecordedArm(Arm):
    """Plays back a recorded stream of observations; commands are taken and forgotten."""

    def __init__(self, observations: Array):
        """Play back observations (N, 8) laid out as POLICY_FIELDS; ArmError on another shape or none at all."""
        super().__init__()
        observations = np.asarray(observations)
        if observations.ndim != 2 or observations.shape[1] != len(POLICY_FIELDS) or not len(observations):
            raise ArmError(f"expected observations (N, {len(POLICY_FIELDS)}), got {observations.shape}")
        if observations.dtype.kind not in "fiu":
            raise ArmError(f"expected observations as numbers, got {observations.dtype}")
        self.observations = observations.astype(float)
        self.index = 0

    def __len__(self) -> int:
        """Number of recorded observations."""
        return len(self.observations)

    def read(self) -> ArmState:
        """Return the recorded state at the present index; the last one holds on."""
        row = self.observations[min(self.index, len(self) - 1)]
        return ArmState(float(row[0] * EPISODE_S), row[1:4], wxyz_from_rotvec(row[4:7]), float(row[7]))

    def _move(self, command: Command) -> None:
        self.index += 1


def moved(state: ArmState, command: Command, dt: float) -> tuple[Array, Array]:
    """Return position (3,) and orientation wxyz (4,) after a constant twist for dt s."""
    wxyz = multiply(wxyz_from_rotvec(np.asarray(command.angular) * dt), state.wxyz)
    return state.position + np.asarray(command.linear) * dt, wxyz / np.linalg.norm(wxyz)


def load_stream(path: str | Path) -> RecordedArm:
    """Read a recorded stream: an .npz with `observations` (N, 8), as `--log` writes it; ArmError says what is wrong."""
    path = Path(path)
    if not path.is_file():
        raise ArmError(f"{path}: expected a recorded stream, found none")
    try:
        with np.load(path, allow_pickle=False) as file:
            observations = file["observations"]
    except Exception as error:
        # Whatever numpy and zipfile raise for a damaged or foreign file means the same to the user.
        raise ArmError(f"{path}: expected an .npz with 'observations' ({type(error).__name__})") from error
    try:
        return RecordedArm(observations)
    except ArmError as error:
        raise ArmError(f"{path}: {error}") from error
