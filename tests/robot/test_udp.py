"""The UDP protocol: a whole run over the loopback, a robot that vanishes, and messages that are none."""

import json
import socket
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from real2sim_jax.robot.controller import Controller, run
from real2sim_jax.robot.interface import ArmError, Command, SimulatedArm
from real2sim_jax.robot.limits import Limits
from real2sim_jax.robot.udp.arm import LOOPBACK, MAX_BYTES, PROTOCOL, UdpArm, command_in, parsed, sequence_in, state_in
from real2sim_jax.robot.udp.example_robot import Listener, main, serve

STATE = {"protocol": PROTOCOL, "type": "state", "seq": 1, "time": 0.0, "position": [0, 0, 0.2], "opening": 0.05}
STATE |= {"wxyz": [1, 0, 0, 0]}
COMMAND = {"protocol": PROTOCOL, "type": "command", "seq": 2, "linear": [0.1, 0, 0], "angular": [0, 0, 0]}
COMMAND |= {"opening": 0.05, "force": 20, "valid_s": 1}
HELLO = {"protocol": PROTOCOL, "type": "hello", "seq": 1}
# What no field of numbers may hold: JSON has no NaN, but Python's reader takes it.
WRONG = [None, "1", True, [], {}, [[0, 0, 0]], float("nan"), float("inf"), -1e13, 10**400]


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def robot_for(seconds):
    port, arm = free_port(), SimulatedArm((0.0, -0.05, 0.2), 1.0, 0.3, 0.01)
    thread = threading.Thread(target=serve, args=(port, arm, seconds))
    thread.start()
    return port, arm, thread


def test_a_run_over_the_loopback_moves_the_robot(policy):
    port, arm, thread = robot_for(4.0)
    seen = []
    # Patient: a machine with other work may be late.
    limits = Limits(command_timeout_s=3.0, policy_timeout_s=1.0, state_timeout_s=1.0)
    outcome = run(Controller(policy, limits), UdpArm(port, 0.25), 24, seen.append, real_time=True)
    thread.join()
    assert outcome.reason == ""
    states = [step.state.position for step in seen if step.state is not None]
    assert np.linalg.norm(states[-1] - states[0]) > 0.05
    # After the stop the robot stays where it was told to.
    assert np.linalg.norm(arm.read().position - states[-1]) < 0.1


def test_a_robot_that_vanishes_ends_the_run_smoothly(policy):
    port, _, thread = robot_for(1.0)
    seen = []
    outcome = run(Controller(policy), UdpArm(port, 0.25), 60, seen.append, real_time=True)
    thread.join()
    assert "no state for 0.25 s" in outcome.reason and outcome.steps < 40
    speeds = [np.linalg.norm(step.command.linear) for step in seen if step.fault]
    assert speeds[-1] == 0.0 and (np.diff(speeds[-4:]) <= 0.0).all()


def test_a_command_that_is_not_renewed_runs_out():
    port, arm, thread = robot_for(1.5)
    link = UdpArm(port, 0.1)
    link.send(Command(np.array([0.1, 0, 0]), np.zeros(3), 0.05))
    time.sleep(0.6)
    first = arm.read().position.copy()
    time.sleep(0.3)
    assert 0.0 < first[0] < 0.03 and np.array_equal(arm.read().position, first)
    thread.join()


def without(message, name):
    return {key: value for key, value in message.items() if key != name}


def mutations(message, fields):
    """The message with one field absent, of another kind, too short, too long or out of bounds."""
    for name in fields:
        yield without(message, name)
        for wrong in WRONG:
            yield message | {name: wrong}
            if isinstance(message[name], list):
                yield message | {name: [*message[name][:-1], wrong]}
        one = message[name]
        yield message | {name: [*one, 0] if isinstance(one, list) else [one]}
        yield message | {name: one[:-1] if isinstance(one, list) else str(one)}


NEXT = COMMAND | {"seq": 3}


def not_commands():
    """What a robot may hear from its controller that is no whole command; all newer than what came before."""
    yield from mutations(NEXT, ("linear", "angular", "opening", "force", "valid_s"))
    yield from ({**NEXT, name: value} for name, value in (("force", -1), ("valid_s", -1), ("linear", [11, 0, 0])))
    yield from ({**NEXT, "type": kind} for kind in ("stop", "state", "Command", None, 3))
    yield from (without(NEXT, "seq"), NEXT | {"seq": "3"}, NEXT | {"seq": True}, NEXT | {"seq": -1})
    yield from (NEXT | {"seq": 2.5}, NEXT | {"seq": 2**60}, {}, {"protocol": PROTOCOL})


def moves(listener, now=0.5):
    command = listener.command(now)
    return any(command.linear) or any(command.angular)


def driven():
    listener = Listener()
    listener.hear(HELLO, "a", 0.0)
    listener.hear(COMMAND, "a", 0.0)
    return listener


def test_a_whole_command_moves_the_robot_while_it_holds():
    listener = driven()
    assert moves(listener, 0.99) and not moves(listener, 1.01)
    assert (list(listener.command(0.5).linear), listener.command(0.5).force) == ([0.1, 0, 0], 20)
    # One that has run out was no stop: the next one is carried out.
    listener.hear(COMMAND | {"seq": 3}, "a", 2.0)
    assert moves(listener, 2.5)


def test_after_a_stop_nothing_moves_until_a_new_hello():
    for number, stop in enumerate(not_commands()):
        listener = driven()
        listener.hear(parsed(json.dumps(stop).encode()), "a", 0.1)
        assert not moves(listener), stop
        # Neither a command, a hello that comes late, nor a stranger's command gets it going again.
        listener.hear(COMMAND | {"seq": 2**53}, "a", 0.2)
        listener.hear(HELLO, "a", 0.2)
        listener.hear(COMMAND | {"seq": 2**53}, "b", 0.2)
        assert not moves(listener), stop
        listener.hear(HELLO, "b", 0.3)
        assert not moves(listener)
        listener.hear(COMMAND, "a", 0.3)
        assert not moves(listener)
        listener.hear(COMMAND, "b", 0.3)
        assert moves(listener), number


KINDS = st.sampled_from([HELLO, COMMAND, COMMAND, COMMAND | {"type": "stop"}, {}, without(COMMAND, "force")])
HEARD = st.tuples(KINDS, st.sampled_from("ab"), st.integers(0, 8))


@given(st.lists(HEARD, max_size=30), st.lists(HEARD, max_size=30))
def test_in_whatever_order_messages_come_no_command_follows_a_stop(before, after):
    listener = Listener()
    for message, sender, seq in before:
        listener.hear(message | {"seq": seq}, sender, 0.0)
    listener.hear({}, listener.peer, 0.0)
    assert not moves(listener)
    for message, sender, seq in after:
        if message.get("type") != "hello":
            listener.hear(message | {"seq": seq}, sender, 0.0)
        assert not moves(listener)


def test_rubbish_and_floods_do_not_keep_the_robot_from_its_controller():
    port, arm, thread = robot_for(3.0)
    link = UdpArm(port, 0.25)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for i in range(3000):
            stranger.sendto((b"\xff{" * (i % 400), b"[" * 2000, json.dumps(COMMAND).encode())[i % 3], link.address)
    time.sleep(0.3)
    assert np.array_equal(arm.read().position, [0.0, -0.05, 0.2])
    link.send(Command(np.array([0.1, 0, 0]), np.zeros(3), 0.05))
    time.sleep(0.3)
    assert arm.read().position[0] > 0.005 and link.read() is not None
    link.stop()
    thread.join()


def test_the_first_state_is_there_at_once():
    port, _, thread = robot_for(0.5)
    assert UdpArm(port, 0.25).read() is not None
    thread.join()


def test_a_robot_without_a_pose_is_one_line():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as robot:
        robot.bind((LOOPBACK, 0))

        def answer():
            _, peer = robot.recvfrom(2048)
            for seq in range(30):
                robot.sendto(json.dumps(STATE | {"wxyz": [0, 0, 0, 0], "seq": seq}).encode(), peer)

        threading.Thread(target=answer).start()
        with pytest.raises(ArmError, match="no usable state"):
            UdpArm(robot.getsockname()[1], 0.25)


@pytest.mark.parametrize("port", [0, -1, 65536, 10**9])
def test_ports_that_are_none_are_one_line(port, capsys):
    with pytest.raises(ArmError, match="expected 1 to 65535"):
        UdpArm(port, 0.25)
    assert main([str(port)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("valid_s", [0.0, -1.0, 11.0, float("nan")])
def test_commands_hold_for_a_moment(valid_s):
    with pytest.raises(ArmError, match="at most 10 s"):
        UdpArm(5115, valid_s)


def test_the_robots_program_says_what_it_takes_and_what_is_wrong(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0 and "port" in capsys.readouterr().out
    assert main([str(free_port()), "--seconds", "0.05"]) == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((LOOPBACK, 0))
        assert main([str(taken.getsockname()[1])]) == 2
    assert "cannot listen" in capsys.readouterr().err


def test_no_robot_is_one_line():
    with pytest.raises(ArmError, match="start its program first"):
        UdpArm(free_port(), 0.25)


@given(st.one_of(st.binary(max_size=300), st.recursive(st.none() | st.floats() | st.text(), st.lists).map(repr)))
def test_no_datagram_breaks_the_reader(data):
    message = parsed(data if isinstance(data, bytes) else data.encode())
    assert state_in(message) is None


def test_states_with_a_wrong_part_are_none():
    assert state_in(parsed(json.dumps(STATE).encode())) is not None
    for message in mutations(STATE, ("time", "position", "wxyz", "opening")):
        assert state_in(parsed(json.dumps(message).encode())) is None, message
    for wxyz in ([0, 0, 0, 0], [1, 1, 0, 0], [0.98, 0, 0, 0], [-1.02, 0, 0, 0], [1e-30, 0, 0, 0]):
        assert state_in(STATE | {"wxyz": wxyz}) is None, wxyz
    assert state_in(STATE | {"type": "hello"}) is None
    # A clock that counts from 1970 is one.
    assert state_in(STATE | {"time": 1.8e9, "wxyz": [0.0, -1.0, 0.001, 0.0]}) is not None


def test_whole_commands_are_read():
    command, valid_s = command_in(parsed(json.dumps(COMMAND).encode())) or (None, 0.0)
    assert command is not None and (command.linear, command.opening, valid_s) == ([0.1, 0, 0], 0.05, 1)


@pytest.mark.parametrize("seq", [None, True, 1.0, "1", -1, 2**60, [1], float("nan")])
def test_a_number_of_a_message_is_a_whole_one(seq):
    assert sequence_in({"seq": seq}) is None


@pytest.mark.parametrize("protocol", [2, 1.0, True, "1", None])
def test_another_protocol_is_nothing(protocol):
    assert parsed(json.dumps(STATE | {"protocol": protocol}).encode()) == {}


def test_a_datagram_that_is_too_long_is_nothing():
    data = json.dumps(STATE).encode()
    assert parsed(data + b" " * (MAX_BYTES - len(data))) != {} == parsed(data + b" " * (MAX_BYTES + 1 - len(data)))
