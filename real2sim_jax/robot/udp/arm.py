"""Any robot over UDP on this machine: one JSON object per datagram. docs/robots.md describes the protocol.

The robot's program listens; the controller says hello to it, gets states and sends commands. Each command says for
how long it holds: a robot that hears nothing new brakes by itself.
"""

import json
import socket
import time
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from real2sim_jax.robot.interface import Arm, ArmError, ArmState, Command
from real2sim_jax.robot.limits import is_usable

PROTOCOL = 1
LOOPBACK = "127.0.0.1"
MAX_BYTES = 2048
PATIENCE_S = 2.0
"""How long to wait for the robot's first state."""
AT_ONCE = 1000
"""Datagrams read in one go: a flood must not keep a control loop from going on."""
LARGEST_SEQ = 2**53


class Field(NamedTuple):
    """What a message's field may hold: `length` numbers in a list, or one number where that is 0."""

    length: int
    low: float
    high: float


STATE_FIELDS = {
    "time": Field(0, -1e12, 1e12),
    "position": Field(3, -100.0, 100.0),
    "wxyz": Field(4, -1.1, 1.1),
    "opening": Field(0, -0.1, 1.0),
}
COMMAND_FIELDS = {
    "linear": Field(3, -10.0, 10.0),
    "angular": Field(3, -50.0, 50.0),
    "opening": Field(0, 0.0, 1.0),
    "force": Field(0, 0.0, 1000.0),
    "valid_s": Field(0, 0.0, 10.0),
}
"""m, s, rad, N, as docs/robots.md says; bounds that no robot beside a person comes near."""


class UdpArm(Arm):
    """The robot that listens at a port of this machine."""

    def __init__(self, port: int, valid_s: float):
        """Say hello and wait for a state; commands hold for valid_s. ArmError where no robot answers."""
        super().__init__()
        if not 0.0 < valid_s <= COMMAND_FIELDS["valid_s"].high:
            raise ArmError(f"udp: commands that hold for {valid_s:g} s; expected more than 0 and at most 10 s")
        self.address, self.valid_s = (LOOPBACK, checked_port(port)), valid_s
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, 0))
        self._sequence, self._newest = 0, -1
        self._first_time: float | None = None
        self._greeting: ArmState | None = self._greet()

    def read(self) -> ArmState | None:
        """Return the newest state that has arrived since the last call, or None; time starts with the first one."""
        self._socket.setblocking(False)
        newest, self._greeting = self._greeting, None
        for _ in range(AT_ONCE):
            message = self._receive()
            if message is None:
                break
            newest = self._state(message) or newest
        return newest

    def _move(self, command: Command) -> None:
        vectors = {"linear": list(map(float, command.linear)), "angular": list(map(float, command.angular))}
        rest = {"opening": float(command.opening), "force": float(command.force), "valid_s": self.valid_s}
        self._say("command", vectors | rest)

    def _halt(self) -> None:
        """Tell the robot to brake and hold; three times, as datagrams may get lost."""
        for _ in range(3):
            self._say("stop", {})

    def _greet(self) -> ArmState:
        deadline, has_answer = time.monotonic() + PATIENCE_S, False
        self._socket.settimeout(0.1)
        while time.monotonic() < deadline:
            self._say("hello", {})
            message = self._receive()
            has_answer |= bool(message)
            if message is not None and (state := self._state(message)) is not None:
                return state
        self._socket.close()
        place = f"{LOOPBACK}:{self.address[1]}"
        if has_answer:
            raise ArmError(f"udp: what answers at {place} sends no usable state; docs/robots.md says what one is")
        raise ArmError(f"udp: no robot answers at {place}; start its program first")

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
        state, sequence = state_in(message), sequence_in(message)
        if state is None or sequence is None or sequence <= self._newest:
            return None
        self._newest = sequence
        self._first_time = state.time if self._first_time is None else self._first_time
        return ArmState(state.time - self._first_time, state.position, state.wxyz, state.opening)


def checked_port(port: int) -> int:
    """Return a port's number; ArmError on one that is none."""
    if not 1 <= port <= 65535:
        raise ArmError(f"udp: port {port}; expected 1 to 65535")
    return port


def received(link: socket.socket) -> tuple[dict[str, Any], Any] | None:
    """Return the next message and its sender, or None: nothing is there, or the other end's port is closed."""
    try:
        # One byte more: a longer datagram would be cut to what might be a message.
        data, sender = link.recvfrom(MAX_BYTES + 1)
    except OSError:
        return None
    return parsed(data), sender


def parsed(data: bytes) -> dict[str, Any]:
    """Return a datagram's JSON object; an empty one for anything else or another protocol."""
    if len(data) > MAX_BYTES:
        return {}
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    is_ours = isinstance(message, dict) and type(message.get("protocol")) is int and message["protocol"] == PROTOCOL
    return message if is_ours else {}


def sequence_in(message: dict[str, Any]) -> int | None:
    """Return a message's number, or None where it has none."""
    sequence = message.get("seq")
    return sequence if type(sequence) is int and 0 <= sequence <= LARGEST_SEQ else None


def state_in(message: dict[str, Any]) -> ArmState | None:
    """Return the state in a message, or None where a part is missing or out of bounds, or it is no pose."""
    found = numbers_in(message, "state", STATE_FIELDS)
    if found is None:
        return None
    state = ArmState(found["time"][0], np.array(found["position"]), np.array(found["wxyz"]), found["opening"][0])
    # The clock may count from anywhere; its differences are what is used.
    return state if is_usable(replace(state, time=0.0)) else None


def command_in(message: dict[str, Any]) -> tuple[Command, float] | None:
    """Return the command in a message and for how many seconds it holds, or None for anything but a whole one."""
    found = numbers_in(message, "command", COMMAND_FIELDS)
    if found is None:
        return None
    command = Command(found["linear"], found["angular"], found["opening"][0], found["force"][0])
    return command, found["valid_s"][0]


def numbers_in(message: dict[str, Any], kind: str, fields: dict[str, Field]) -> dict[str, list[float]] | None:
    """Return the numbers of a message of a kind, or None where a field is missing or not what it may hold."""
    if message.get("type") != kind:
        return None
    found = {name: _numbers(message.get(name), field) for name, field in fields.items()}
    return None if None in found.values() else {name: part for name, part in found.items() if part is not None}


def _numbers(value: Any, field: Field) -> list[float] | None:
    parts = value if field.length else [value]
    if not isinstance(parts, list) or len(parts) != max(field.length, 1):
        return None
    # JSON's whole numbers may be too large for a float; true and false are numbers to Python; NaN is never between.
    is_good = all(type(part) in (int, float) and field.low <= part <= field.high for part in parts)
    return [float(part) for part in parts] if is_good else None
