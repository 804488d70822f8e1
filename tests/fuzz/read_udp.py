"""Both ends of the UDP protocol, each over the loopback, with datagrams that are none."""

import contextlib
import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from real2sim_jax.robot.interface import ArmError, ArmState, SimulatedArm
from real2sim_jax.robot.udp.arm import LOOPBACK, PROTOCOL, UdpArm
from real2sim_jax.robot.udp.example_robot import serve
from tests.fuzz import mutate_bytes, mutate_tree, oracles
from tests.fuzz.case import Reader

STATE = {"protocol": PROTOCOL, "type": "state", "seq": 10, "time": 0.5, "position": [0.0, 0.0, 0.2],
         "wxyz": [1.0, 0.0, 0.0, 0.0], "opening": 0.05}  # fmt: skip
COMMAND = {"protocol": PROTOCOL, "type": "command", "seq": 10, "linear": [0.1, 0.0, 0.0], "angular": [0.0, 0.0, 0.5],
           "opening": 0.05, "force": 20.0, "valid_s": 0.2}  # fmt: skip
DATAGRAM = "datagram.json"
LONGEST = 60_000


def write_state(folder: Path) -> None:
    (folder / DATAGRAM).write_text(json.dumps(STATE))


def write_command(folder: Path) -> None:
    (folder / DATAGRAM).write_text(json.dumps(COMMAND))


def damage_datagram(folder: Path, rng: random.Random, seed: int) -> None:
    path = folder / DATAGRAM
    if seed % 4 == 3:
        mutate_bytes.damage(path, rng, seed // 4)
    else:
        tree = mutate_tree.damaged(json.loads(path.read_text()), rng, seed - seed // 4)
        path.write_text(mutate_tree.json_text(tree), encoding="utf-8", errors="surrogatepass")


@dataclass
class Link:
    """A controller's arm and the socket of its robot."""

    arm: UdpArm
    robot: socket.socket
    peer: Any


@cache
def connected() -> Link:
    """A controller that has greeted a robot, which is this test."""
    robot = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    robot.bind((LOOPBACK, 0))
    peers: list[Any] = []

    def answer() -> None:
        peers.append(robot.recvfrom(2048)[1])
        robot.sendto(json.dumps(STATE | {"seq": 0, "time": 0.0}).encode(), peers[0])

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    arm = UdpArm(robot.getsockname()[1], 0.2)
    thread.join()
    return Link(arm, robot, peers[0])


def read_state(folder: Path) -> list[ArmState | None]:
    """What the controller makes of a datagram, and of a good one after it; ArmError where the first is no state."""
    link = connected()
    # A new run: what earlier datagrams said of the sequence is forgotten.
    link.arm._newest = 0
    link.robot.sendto((folder / DATAGRAM).read_bytes()[:LONGEST], link.peer)
    found = _arrived(link.arm)
    link.arm._newest = 0
    link.robot.sendto(json.dumps(STATE).encode(), link.peer)
    after = _arrived(link.arm)
    if found is None and after is not None:
        raise ArmError("no state")
    return [found, after]


def _arrived(arm: UdpArm) -> ArmState | None:
    end = time.monotonic() + 0.02
    found = None
    while found is None and time.monotonic() < end:
        found = arm.read()
    return found


def wrong_state(found: list[ArmState | None]) -> list[str]:
    """A state is a pose, or none; and a good one is read after it."""
    state, after = found
    if state is None or after is None:
        return ["the good state after it was not read"]
    numbers = (state.time, *state.position, *state.wxyz, state.opening)
    return oracles.first(
        oracles.array("state", np.asarray(numbers), (9,)), oracles.unit("wxyz", state.wxyz),
        oracles.between("position", state.position, -oracles.FARTHEST_M, oracles.FARTHEST_M),
    )  # fmt: skip


@cache
def robot() -> tuple[socket.socket, SimulatedArm, int, threading.Thread]:
    """A robot that serves, and a controller's socket."""
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.bind((LOOPBACK, 0))
    link.settimeout(0.5)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    arm = _start()
    thread = threading.Thread(target=serve, args=(port, arm), daemon=True)
    thread.start()
    time.sleep(0.1)
    return link, arm, port, thread


def _start() -> SimulatedArm:
    return SimulatedArm((0.0, -0.05, 0.2), 1.0, 0.3, 0.01)


def send_command(folder: Path) -> dict[str, Any]:
    """What the robot says of itself after a datagram, and whether it still serves."""
    link, arm, port, thread = robot()
    if not thread.is_alive():
        robot.cache_clear()
        link, arm, port, thread = robot()
    arm.state = _start().state
    link.sendto(_message("hello", 1), (LOOPBACK, port))
    before = _state(link)
    link.sendto(json.dumps(COMMAND | {"seq": 2, "linear": [0.0] * 3, "valid_s": 0.01}).encode(), (LOOPBACK, port))
    link.sendto((folder / DATAGRAM).read_bytes()[:LONGEST], (LOOPBACK, port))
    time.sleep(0.03)
    link.sendto(_message("hello", 1), (LOOPBACK, port))
    after = _state(link)
    link.sendto(_message("stop", 2), (LOOPBACK, port))
    return {"alive": thread.is_alive(), "before": before, "after": after}


def _message(kind: str, number: int) -> bytes:
    return json.dumps({"protocol": PROTOCOL, "type": kind, "seq": number}).encode()


def _state(link: socket.socket) -> dict[str, Any] | None:
    """The newest state."""
    newest = None
    with contextlib.suppress(OSError):
        newest = link.recv(4096)
    link.setblocking(False)
    newest = [newest, *_waiting(link)][-1]
    link.settimeout(0.5)
    return None if newest is None else json.loads(newest)


def _waiting(link: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(OSError):
        while True:
            yield link.recv(4096)


def wrong_robot(found: dict[str, Any]) -> list[str]:
    """The robot serves on, is somewhere, and has not flown there."""
    if not found["alive"] or found["after"] is None or found["before"] is None:
        return ["the robot does not answer any more"]
    before, after = (np.array(found[name]["position"]) for name in ("before", "after"))
    return oracles.first(
        oracles.array("position", after, (3,)), oracles.unit("wxyz", found["after"]["wxyz"]),
        oracles.between("way in a few periods, m", np.linalg.norm(after - before), 0.0, 0.5),
        oracles.between("opening", found["after"]["opening"], 0.0, 0.2),
    )  # fmt: skip


READERS = (
    Reader("UDP states", write_state, damage_datagram, read_state, wrong_state, 250),
    Reader("UDP commands", write_command, damage_datagram, send_command, wrong_robot, 200),
)
