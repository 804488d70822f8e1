"""The other end of the UDP protocol, to copy from: a simulated robot. python -m real2sim_jax.robot.udp_robot [PORT]."""

import json
import socket
import sys
import time

from real2sim_jax.robot.arms import Command, SimulatedArm
from real2sim_jax.robot.udp import LOOPBACK, PROTOCOL, received, vector_in

PORT, PERIOD_S = 5115, 0.01


def serve(port: int, arm: SimulatedArm, seconds: float = float("inf")) -> None:
    """Answer one controller after the other; states go out every PERIOD_S to whoever said hello last."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind((LOOPBACK, port))
        link.setblocking(False)
        peer, command, deadline, sequence, newest = None, still(0.075), 0.0, 0, -1
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            while (got := received(link)) is not None:
                message, sender = got
                if message.get("type") == "hello":
                    # A new controller counts from the start again.
                    peer, newest = sender, -1
                number = message.get("seq")
                if sender == peer and isinstance(number, int) and number > newest:
                    newest, (command, valid_s) = number, wanted(message, still(command.opening))
                    deadline = time.monotonic() + valid_s
            # A real robot brakes within its accelerations here; this one weighs nothing.
            arm.send(command if time.monotonic() < deadline else still(command.opening))
            if peer is not None:
                sequence, state = sequence + 1, arm.read()
                head = {"protocol": PROTOCOL, "type": "state", "seq": sequence, "time": state.time}
                pose = {"position": list(state.position), "wxyz": list(state.wxyz), "opening": state.opening}
                link.sendto(json.dumps(head | pose).encode() + b"\n", peer)
            time.sleep(PERIOD_S)


def wanted(message: dict, stop: Command) -> tuple[Command, float]:
    """Return the command in a message and for how many seconds it holds; anything but a whole command is a stop."""
    linear, angular = vector_in(message, "linear", 3), vector_in(message, "angular", 3)
    opening, force = vector_in(message, "opening", 1), vector_in(message, "force", 1)
    valid_s = vector_in(message, "valid_s", 1)
    if message.get("type") != "command" or not (linear and angular and opening and force and valid_s):
        return stop, 0.0
    return Command(linear, angular, opening[0], force[0]), valid_s[0]


def still(opening: float) -> Command:
    """Return the command to stand still."""
    return Command((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), opening)


if __name__ == "__main__":
    serve(int(sys.argv[1]) if len(sys.argv) > 1 else PORT, SimulatedArm((0.0, -0.05, 0.12), 1.57, 0.52, PERIOD_S))
