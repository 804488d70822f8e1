"""Any robot over UDP on this machine: one JSON object per datagram. docs/robots.md describes the protocol.

The robot's program listens; the controller says hello to it, gets states and sends commands. Each command says for
how long it holds: a robot that hears nothing new brakes by itself.
"""

import json
import math
import socket
import time
from typing import Any

import numpy as np

from real2sim_jax.robot.arms import ArmError, ArmState, Command

PROTOCOL = 1
LOOPBACK = "127.0.0.1"
MAX_BYTES = 2048
PATIENCE_S = 2.0
"""How long to wait for the robot's first state."""


class UdpArm:
    """The robot that listens at a port of this machine."""

    def __init__(self, port: int, valid_s: float):
        """Say hello and wait for a state; commands hold for valid_s. ArmError where no robot answers."""
        self.address, self.valid_s = (LOOPBACK, port), valid_s
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, 0))
        self._sequence, self._newest = 0, -1
        self._first_time: float | None = None
        self._stopped = False
        self._greet()

    def read(self) -> ArmState | None:
        """Return the newest state that has arrived since the last call, or None; time starts with the first one."""
        self._socket.setblocking(False)
        newest = None
        while (message := self._receive()) is not None:
            newest = self._state(message) or newest
        return newest

    def send(self, command: Command) -> None:
        """Send a command."""
        numbers = {"linear": command.linear.tolist(), "angular": command.angular.tolist(), "opening": command.opening}
        self._say("command", numbers | {"force": command.force, "valid_s": self.valid_s})

    def stop(self) -> None:
        """Tell the robot to brake and hold; three times, as datagrams may get lost."""
        if not self._stopped:
            self._stopped = True
            for _ in range(3):
                self._say("stop", {})

    def _greet(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        self._socket.settimeout(0.1)
        while time.monotonic() < deadline:
            self._say("hello", {})
            message = self._receive()
            if message is not None and self._state(message) is not None:
                self._newest = -1
                return
        self._socket.close()
        raise ArmError(f"udp: no robot answers at {LOOPBACK}:{self.address[1]}; start its program first")

    def _say(self, kind: str, content: dict[str, Any]) -> None:
        self._sequence += 1
        message = {"protocol": PROTOCOL, "type": kind, "seq": self._sequence} | content
        try:
            self._socket.sendto(json.dumps(message).encode() + b"\n", self.address)
        except OSError as error:
            raise ArmError(f"udp: cannot send to {LOOPBACK}:{self.address[1]} ({error.strerror})") from error

    def _receive(self) -> dict[str, Any] | None:
        """Return the robot's next message; None when there is none to be read."""
        got = received(self._socket)
        return None if got is None else got[0] if got[1] == self.address else {}

    def _state(self, message: dict[str, Any]) -> ArmState | None:
        """Return the state in a message, unless it is none or an old one."""
        state, sequence = state_in(message), message.get("seq")
        if state is None or not isinstance(sequence, int) or sequence <= self._newest:
            return None
        self._newest = sequence
        self._first_time = state.time if self._first_time is None else self._first_time
        return ArmState(state.time - self._first_time, state.position, state.wxyz, state.opening)


def received(link: socket.socket) -> tuple[dict[str, Any], Any] | None:
    """Return the next message and its sender, or None: nothing is there, or the other end's port is closed."""
    try:
        data, sender = link.recvfrom(MAX_BYTES)
    except OSError:
        return None
    return parsed(data), sender


def parsed(data: bytes) -> dict[str, Any]:
    """Return a datagram's JSON object; an empty one for anything else or another protocol."""
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) and message.get("protocol") == PROTOCOL else {}


def state_in(message: dict[str, Any]) -> ArmState | None:
    """Return the state in a message, or None where a part of it is missing or no finite number."""
    if message.get("type") != "state":
        return None
    time_s, opening = vector_in(message, "time", 1), vector_in(message, "opening", 1)
    position, wxyz = vector_in(message, "position", 3), vector_in(message, "wxyz", 4)
    if time_s is None or opening is None or position is None or wxyz is None:
        return None
    return ArmState(time_s[0], np.array(position), np.array(wxyz), opening[0])


def vector_in(message: dict[str, Any], name: str, length: int) -> list[float] | None:
    """Return a message's numbers, or None where they are not `length` finite ones."""
    value: Any = message.get(name)
    numbers = value if isinstance(value, list) else [value]
    if len(numbers) != length or not all(_is_number(number) for number in numbers):
        return None
    return [float(number) for number in numbers]


def _is_number(value: Any) -> bool:
    # JSON's whole numbers may be too large for a float; true and false are numbers to Python.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e9 and math.isfinite(value)
