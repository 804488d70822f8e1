"""The UDP protocol: a whole run over the loopback, a robot that vanishes, and messages that are none."""

import json
import socket
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from real2sim_jax.robot.arms import ArmError, Command, SimulatedArm
from real2sim_jax.robot.controller import Controller, run
from real2sim_jax.robot.limits import Limits
from real2sim_jax.robot.udp import LOOPBACK, PROTOCOL, UdpArm, parsed, state_in
from real2sim_jax.robot.udp_robot import serve, wanted

STATE = {"protocol": PROTOCOL, "type": "state", "seq": 1, "time": 0.0, "position": [0, 0, 0.2], "opening": 0.05}
STATE |= {"wxyz": [1, 0, 0, 0]}


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


@pytest.mark.parametrize("change", [{"valid_s": None}, {"linear": [0, 0]}, {"type": "stop"}, {"force": "much"}])
def test_anything_but_a_whole_command_stops_the_robot(change):
    robot, still = SimulatedArm((0.0, 0.0, 0.2), 0.0, 0.0, 0.01), Command((0.0,) * 3, (0.0,) * 3, 0.02)
    whole = {"type": "command", "linear": [0.1, 0, 0], "angular": [0, 0, 0], "opening": 0.05, "force": 20, "valid_s": 1}
    command, valid_s = wanted(whole, still)
    assert (list(command.linear), command.opening, command.force, valid_s) == ([0.1, 0, 0], 0.05, 20, 1)
    robot.send(command)
    assert robot.read().position[0] == pytest.approx(0.001)
    assert wanted(whole | change, still) == (still, 0.0)


def test_no_robot_is_one_line():
    with pytest.raises(ArmError, match="start its program first"):
        UdpArm(free_port(), 0.25)


@given(st.one_of(st.binary(max_size=300), st.recursive(st.none() | st.floats() | st.text(), st.lists).map(repr)))
def test_no_datagram_breaks_the_reader(data):
    message = parsed(data if isinstance(data, bytes) else data.encode())
    assert state_in(message) is None


@pytest.mark.parametrize(
    "change",
    [{"position": [0, 0]}, {"wxyz": [1, 0, 0, None]}, {"time": "1"}, {"opening": True}, {"type": "hello"}]
    + [{"position": [0, 0, float(value)]} for value in ("nan", "inf")],
)
def test_states_with_a_wrong_part_are_none(change):
    assert state_in(parsed(json.dumps(STATE).encode())) is not None
    assert state_in(parsed(json.dumps(STATE | change).encode())) is None


def test_another_protocol_is_nothing():
    assert parsed(json.dumps(STATE | {"protocol": 2}).encode()) == {}
