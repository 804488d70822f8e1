"""The other end of the UDP protocol, to copy from: a simulated robot. python -m real2sim_jax.robot.udp_robot [PORT]."""

import json
import socket
import sys
import time

import numpy as np

from real2sim_jax.robot.arms import Command, SimulatedArm
from real2sim_jax.robot.udp import LOOPBACK, MAX_BYTES, PROTOCOL, parsed, vector_in

PORT, PERIOD_S = 5115, 0.01
STILL = Command(np.zeros(3), np.zeros(3), 0.075)


def serve(port: int, arm: SimulatedArm, seconds: float = float("inf")) -> None:
    """Answer one controller after the other; states go out every PERIOD_S to whoever said hello last."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind((LOOPBACK, port))
        link.setblocking(False)
        peer, command, deadline, sequence, newest = None, STILL, 0.0, 0, -1
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            while (received := receive(link)) is not None:
                message, sender = received
                if message.get("type") == "hello":
                    # A new controller counts from the start again.
                    peer, newest = sender, -1
                number = message.get("seq")
                if sender == peer and isinstance(number, int) and number > newest:
                    newest, (command, valid_s) = number, wanted(message, command)
                    deadline = time.monotonic() + valid_s
            # A real robot brakes within its accelerations here; this one weighs nothing.
            is_valid = time.monotonic() < deadline
            arm.send(command if is_valid else Command(np.zeros(3), np.zeros(3), command.opening))
            if peer is not None:
                sequence += 1
                link.sendto(described(arm, sequence), peer)
            time.sleep(PERIOD_S)


def receive(link: socket.socket) -> tuple | None:
    """Return the next message and its sender, or None when there is none."""
    try:
        data, sender = link.recvfrom(MAX_BYTES)
    except OSError:
        return None
    return parsed(data), sender


def wanted(message: dict, last: Command) -> tuple[Command, float]:
    """Return the command in a message and for how many seconds it holds; anything but a command is a stop."""
    linear, angular = vector_in(message, "linear", 3), vector_in(message, "angular", 3)
    opening, valid_s = vector_in(message, "opening", 1), vector_in(message, "valid_s", 1)
    if message.get("type") != "command" or linear is None or angular is None or opening is None or valid_s is None:
        return Command(np.zeros(3), np.zeros(3), last.opening), 0.0
    return Command(np.array(linear), np.array(angular), opening[0]), valid_s[0]


def described(arm: SimulatedArm, sequence: int) -> bytes:
    """Return the arm's state as a datagram."""
    state = arm.read()
    pose = {"time": state.time, "position": list(state.position), "wxyz": list(state.wxyz), "opening": state.opening}
    return json.dumps({"protocol": PROTOCOL, "type": "state", "seq": sequence} | pose).encode() + b"\n"


if __name__ == "__main__":
    serve(int(sys.argv[1]) if len(sys.argv) > 1 else PORT, SimulatedArm((0.0, -0.05, 0.12), 1.57, 0.52, PERIOD_S))
