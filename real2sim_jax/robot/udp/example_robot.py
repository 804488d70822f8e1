"""The other end of the UDP protocol, to copy from: a simulated robot.

python -m real2sim_jax.robot.udp.example_robot [PORT]
"""

import contextlib
import json
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

from real2sim_jax.robot.interface import ArmError, ArmState, Command, SimulatedArm
from real2sim_jax.robot.options import Parser
from real2sim_jax.robot.udp.arm import AT_ONCE, LOOPBACK, PROTOCOL, checked_port, command_in, received, sequence_in

PORT, PERIOD_S = 5115, 0.01


class Listener:
    """Whom the robot listens to and the last command; after a stop it waits for a new hello."""

    def __init__(self):
        """Begin with nobody, at rest."""
        self.peer: Any = None
        self._last_command, self._deadline = still(0.075), 0.0
        self._newest, self._is_stopped = -1, True

    def hear(self, message: dict[str, Any], sender: Any, now: float) -> None:
        """Take a message in at a time in s; from the controller, anything but a whole command is a stop."""
        sequence = sequence_in(message)
        if sequence is not None and sender == self.peer and sequence <= self._newest:
            return
        if message.get("type") == "hello" and sequence is not None:
            # A new controller counts from the start again.
            self.peer, self._newest, self._is_stopped = sender, sequence, False
            self._last_command = still(self._last_command.opening)
        elif sender == self.peer:
            self._newest = self._newest if sequence is None else sequence
            self._obey(None if sequence is None else command_in(message), now)

    def command(self, now: float) -> Command:
        """Return what to do at a time in s: the last command while it holds, else to stand still."""
        return self._last_command if now < self._deadline else still(self._last_command.opening)

    def _obey(self, timed: tuple[Command, float] | None, now: float) -> None:
        if timed is None or self._is_stopped:
            self._is_stopped, self._last_command = True, still(self._last_command.opening)
        else:
            self._last_command, self._deadline = timed[0], now + timed[1]


def serve(port: int, arm: SimulatedArm, seconds: float = float("inf")) -> None:
    """Answer one controller after the other; states go out every PERIOD_S to whoever said hello last.

    ArmError where the port is taken.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        try:
            link.bind((LOOPBACK, checked_port(port)))
        except OSError as error:
            raise ArmError(f"udp: cannot listen at {LOOPBACK}:{port} ({error.strerror})") from error
        link.setblocking(False)
        listener, sequence, end = Listener(), 0, time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(AT_ONCE):
                if (got := received(link)) is None:
                    break
                listener.hear(*got, time.monotonic())
            # A real robot brakes within its accelerations here; this one weighs nothing.
            arm.send(listener.command(time.monotonic()))
            if listener.peer is not None:
                sequence += 1
                # A controller that is gone is nothing to end for.
                with contextlib.suppress(OSError):
                    link.sendto(datagram(sequence, arm.read()), listener.peer)
            time.sleep(PERIOD_S)


def datagram(sequence: int, state: ArmState) -> bytes:
    """Return a state as a message."""
    head = {"protocol": PROTOCOL, "type": "state", "seq": sequence, "time": state.time}
    pose = {"position": list(state.position), "wxyz": list(state.wxyz), "opening": state.opening}
    return json.dumps(head | pose).encode() + b"\n"


def still(opening: float) -> Command:
    """Return the command to stand still."""
    return Command((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), opening)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C (130) or for the given time (0); 2 with one line when the port cannot be had."""
    parser = Parser(prog="python -m real2sim_jax.robot.udp.example_robot", description="A simulated robot behind UDP.")
    parser.add_argument("port", type=int, nargs="?", default=PORT, help="where to listen on this machine (%(default)s)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="how long to serve (until Ctrl-C)")
    options = parser.parse_args(arguments)
    try:
        serve(options.port, SimulatedArm((0.0, -0.05, 0.12), 1.57, 0.52, PERIOD_S), options.seconds)
    except ArmError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
