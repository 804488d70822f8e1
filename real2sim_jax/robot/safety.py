"""What ends a run before its time: the emergency stop, states that do not come, loops that hang."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from real2sim_jax.robot.interface import ArmState
from real2sim_jax.robot.limits import Limits, is_usable

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class EmergencyStop:
    """A button that any thread or signal may press, once and for all; the first reason stays."""

    def __init__(self):
        # No Event: its lock is not for signal handlers, which may interrupt whoever holds it.
        self.is_pressed = False
        self.reason = ""

    def press(self, reason: str = "emergency stop") -> None:
        """Ask for a smooth stop; returns at once."""
        self.reason = self.reason or reason
        self.is_pressed = True

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """Press on SIGINT, SIGTERM and SIGHUP; a second one interrupts. Only possible on the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        old = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.is_pressed:
            raise KeyboardInterrupt
        self.press(f"{signal.Signals(number).name} received")


class StateGuard:
    """Decides whether a state may be acted on, and when there has been none for too long."""

    def __init__(self, limits: Limits, dt: float):
        """The clock is the number of control periods of dt s, so that a simulation may run at any speed."""
        self.limits = limits
        self.dt = dt
        self._last_time: float | None = None
        self._faulty_s = 0.0

    def fault(self, state: ArmState | None) -> str:
        """Return why a state cannot be acted on, or nothing."""
        reason = self._reason(state)
        self._faulty_s = self._faulty_s + self.dt if reason else 0.0
        return reason

    @property
    def has_given_up(self) -> bool:
        """Whether the faults in a row have lasted for the time-out."""
        return self._faulty_s >= self.limits.state_timeout_s - 1e-9

    def _reason(self, state: ArmState | None) -> str:
        if state is None:
            return "no state"
        if not is_usable(state):
            return "a state that is no pose"
        if self._last_time is not None and state.time <= self._last_time:
            return "a state that is not newer than the last one"
        self._last_time = state.time
        return ""


class Watchdog:
    """Stops an arm from a thread of its own when the control loop has not come by for a while."""

    def __init__(self, stop_arm: Callable[[], None], button: EmergencyStop, timeout_s: float):
        """Call `stop_arm` and press the button when `beat` was not called for timeout_s."""
        self._stop_arm, self._button, self._timeout_s = stop_arm, button, timeout_s
        self._last = time.monotonic()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> "Watchdog":
        self.beat()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def beat(self) -> None:
        """Say that the loop is alive."""
        self._last = time.monotonic()

    def _watch(self) -> None:
        while not self._done.wait(self._timeout_s / 10.0):
            if time.monotonic() - self._last > self._timeout_s:
                self._button.press(f"the control loop hung for {self._timeout_s:g} s")
                # The stop at the end of the run raises it again, on the thread that can tell.
                with contextlib.suppress(Exception):
                    self._stop_arm()
                return
