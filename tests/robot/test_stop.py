"""No motion after a stop: whoever stops an arm, on whatever thread and at whatever moment, has the last word."""

import json
import random
import signal
import socket
import sys
import threading
import time
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from real2sim_jax.core.actions import action_named
from real2sim_jax.robot.controller import Controller, run
from real2sim_jax.robot.franka.joints import JointArm
from real2sim_jax.robot.franka.kinematics import HOME_RAD, Chain, TaskFrame
from real2sim_jax.robot.interface import Arm, ArmStopped, Command, DryArm, RecordedArm, SimulatedArm
from real2sim_jax.robot.limits import JointLimits, Limits
from real2sim_jax.robot.safety import EmergencyStop
from real2sim_jax.robot.udp.arm import LOOPBACK, UdpArm
from real2sim_jax.robot.udp.example_robot import datagram
from real2sim_jax.simulated_robots.world import GripperArm, PandaArm
from real2sim_jax.simulation.types import StartState
from tests.policies import scripted_policy

DT = 1.0 / 12.0
FORWARD = Command(np.array([0.1, 0.0, 0.0]), np.zeros(3), 0.05)
PUSH = np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.3, 1.0])


class Ear:
    """The robot's end of the UDP protocol, which answers the hello and then only listens."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((LOOPBACK, 0))
        self.heard = []
        answering = threading.Thread(target=self.answer)
        answering.start()
        self.arm = UdpArm(self.socket.getsockname()[1], 0.25)
        answering.join()
        self.socket.setblocking(False)

    def answer(self):
        _, peer = self.socket.recvfrom(2048)
        self.socket.sendto(datagram(1, SimulatedArm((0.0, 0.0, 0.2), 0.0, 0.0, DT).read()), peer)

    def kinds(self):
        """What has come since the hello, in order."""
        while True:
            try:
                self.heard.append(json.loads(self.socket.recv(2048))["type"])
            except BlockingIOError:
                return [kind for kind in self.heard if kind != "hello"]


def simulated():
    arm = SimulatedArm((0.0, 0.0, 0.2), 0.0, 0.0, DT)
    return arm, lambda: tuple(arm.state.position)


def recorded():
    arm = RecordedArm(np.zeros((4, 8)))
    return arm, lambda: arm.index


def dry():
    inner, moved = simulated()
    return DryArm(inner), moved


def joints():
    arm = JointArm(Chain(), TaskFrame(), Limits(), HOME_RAD, DT)
    return arm, lambda: tuple(arm.tracker.q)


def udp():
    ear = Ear()
    return ear.arm, lambda: ear.kinds().count("command")


def start():
    return StartState(np.array([0.0, -0.05, 0.15]), np.array(1.57), np.array(0.3), np.array([0.07]), np.array([0.045]))


def gripper():
    arm = GripperArm(action_named("pick_up"), start(), DT)
    return arm, lambda: (arm.data.time, *arm.data.ctrl)


def panda():
    arm = PandaArm(action_named("pick_up"), start(), DT, TaskFrame(), Chain(), HOME_RAD, JointLimits())
    return arm, lambda: (arm.data.time, *arm.data.ctrl)


LIGHT = [simulated, recorded, dry, joints, udp]
BACK_ENDS = [*LIGHT, gripper, panda]


def kinds_of_arm(kind=Arm):
    for derived in kind.__subclasses__():
        if derived.__module__.startswith("real2sim_jax"):
            yield derived
            yield from kinds_of_arm(derived)


def test_every_back_end_shares_one_stop():
    found = {kind.__name__: kind for kind in kinds_of_arm()}
    assert {"UdpArm", "FrankaArm", "DryArm", "SimulatedArm", "RecordedArm", "GripperArm", "PandaArm"} <= set(found)
    for kind in found.values():
        assert kind.send is Arm.send and kind.stop is Arm.stop, kind


@pytest.mark.parametrize("make", BACK_ENDS)
def test_commands_are_carried_out_until_the_stop_and_never_after(make):
    @settings(max_examples=12 if make in LIGHT else 2)
    @given(st.lists(st.sampled_from(["send", "read", "stop"]), min_size=1, max_size=12))
    def check(calls):
        arm, moved = make()
        is_stopped, before = False, moved()
        for call in calls:
            if call == "send" and is_stopped:
                with pytest.raises(ArmStopped, match="stopped"):
                    arm.send(FORWARD)
            elif call == "send":
                arm.send(FORWARD)
                assert make is dry or moved() != before
            else:
                getattr(arm, call)()
            is_stopped |= call == "stop"
            assert not is_stopped or call != "send" or moved() == before
            before = moved()

    check()


def test_a_dry_run_stops_the_arm_that_it_looks_at():
    inner, _ = simulated()
    DryArm(inner).stop()
    with pytest.raises(ArmStopped):
        inner.send(FORWARD)


@pytest.fixture
def quick_switches():
    """Threads take turns as often as Python lets them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def race(make, seed):
    """Two threads send while a third one stops at a random moment; return what moved by the stop and in the end."""
    rng = random.Random(seed)
    arm, moved = make()
    refused, at_stop = [], []

    def send():
        while True:
            try:
                arm.send(FORWARD)
            except ArmStopped as error:
                return refused.append(error)
            # A socket that nobody reads from holds some hundred datagrams.
            time.sleep(1e-5)

    def stop():
        time.sleep(rng.choice((0.0, rng.uniform(0.0, 2e-4))))
        arm.stop()
        at_stop.append(moved())

    threads = [threading.Thread(target=work) for work in rng.sample([send, send, stop], 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    assert len(refused) == 2
    return at_stop[0], moved()


@pytest.mark.parametrize("make, rounds", [(simulated, 400), (recorded, 200), (dry, 200), (joints, 50), (udp, 100)])
def test_no_thread_gets_a_command_through_after_the_stop(quick_switches, make, rounds):
    for seed in range(rounds):
        at_stop, in_the_end = race(make, seed)
        assert at_stop == in_the_end, seed


def test_nothing_but_stops_follows_a_stop_on_the_wire(quick_switches):
    for seed in range(100):
        ear = Ear()
        race(lambda ear=ear: (ear.arm, lambda: 0), seed)
        kinds = ear.kinds()
        assert "command" not in kinds[kinds.index("stop") :] and kinds.count("stop") >= 3, seed


@contextmanager
def stopped_by_alarm(arm, delay_s):
    """A signal whose handler stops the arm, twice, in the middle of whatever this thread does then."""
    landed = []

    def stop(number, frame):
        arm.stop()
        arm.stop()
        landed.append(frame.f_code.co_name)

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, delay_s)
    try:
        yield landed
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX signals")
def test_a_signal_handler_stops_the_arm_in_the_middle_of_a_command():
    places = set()
    for seed in range(300):
        ear = Ear()
        with stopped_by_alarm(ear.arm, random.Random(seed).uniform(1e-5, 2e-3)) as landed, pytest.raises(ArmStopped):
            while True:
                ear.arm.send(FORWARD)
                ear.kinds()
        kinds = ear.kinds()
        assert "command" not in kinds[kinds.index("stop") :], seed
        places |= set(landed)
    assert places & {"send", "_move", "_say"}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX signals")
def test_a_signal_handler_stops_an_arm_that_is_being_stopped():
    for seed in range(300):
        arm, button = simulated()[0], EmergencyStop()
        with stopped_by_alarm(arm, random.Random(seed).uniform(1e-5, 3e-4)) as landed:
            while not landed:
                arm.stop()
                button.press()


def test_a_stop_out_of_turn_has_the_last_word_over_the_command_that_hung():
    class Hanging(SimulatedArm):
        calls: ClassVar[list[str]] = []

        def _move(self, command):
            time.sleep(0.3)
            self.calls.append("command")

        def _halt(self):
            self.calls.append("halt")

    arm = Hanging((0.0, 0.0, 0.3), 0.0, 0.0, DT)
    thread = threading.Thread(target=arm.send, args=(FORWARD,))
    thread.start()
    time.sleep(0.05)
    arm.stop()
    thread.join()
    assert arm.calls == ["halt", "command", "halt"]


def pushing(limits=None, act=lambda obs: PUSH):
    return Controller(scripted_policy(act), limits or Limits(linear_m_s2=1.0))


@pytest.mark.long
def test_a_run_ends_where_another_thread_stops_the_arm(quick_switches):
    """Whatever the loop is doing: following the policy, braking for the button, or not yet begun."""
    reasons, controllers = set(), [pushing() for _ in range(4)]
    for seed in range(2000):
        rng = random.Random(seed)
        arm, moved = simulated()
        at_stop = []

        def stop(arm=arm, moved=moved, rng=rng, at_stop=at_stop):
            time.sleep(rng.uniform(0.0, 1e-3))
            arm.stop()
            at_stop.append(moved())

        stopper, controller = threading.Thread(target=stop), controllers[seed % 4]
        controller.limiter.last, controller.guard._last_time = type(controller.limiter.last)(), None
        stopper.start()
        outcome = run(controller, arm, 10**6)
        stopper.join()
        assert moved() == at_stop[0], seed
        reasons.add(outcome.reason)
    assert reasons == {"the arm was stopped"}


@pytest.mark.parametrize("hang_at", [1, 4, 9])
def test_after_the_watchdog_has_stopped_the_arm_nothing_is_sent(hang_at):
    calls = []

    def act(obs):
        calls.append(1)
        time.sleep(0.5 if len(calls) == hang_at else 0.0)
        return PUSH

    ear, limits = Ear(), Limits(linear_m_s2=1.0, command_timeout_s=0.1, policy_timeout_s=5.0)
    states = SimulatedArm((0.0, 0.0, 0.3), 0.0, 0.0, DT)

    def read():
        # The robot's own clock goes on; what it measures does not matter here.
        states.state = type(states.state)(states.state.time + DT, *list(vars(states.state).values())[1:])
        return states.state

    ear.arm.read = read
    outcome = run(pushing(limits, act), ear.arm, 40, real_time=True)
    kinds = ear.kinds()
    assert "hung" in outcome.reason and outcome.steps == kinds.count("command") == hang_at - 1
    assert "command" not in kinds[kinds.index("stop") :]


def test_a_command_that_hangs_does_not_keep_the_stop_from_the_arm():
    class Hanging(SimulatedArm):
        halted = None

        def _move(self, command):
            time.sleep(1.0)

        def _halt(self):
            self.halted = self.halted or time.monotonic()

    arm = Hanging((0.0, 0.0, 0.3), 0.0, 0.0, DT)
    begin = time.monotonic()
    threading.Thread(target=arm.send, args=(FORWARD,), daemon=True).start()
    time.sleep(0.05)
    arm.stop()
    assert arm.halted is not None and arm.halted - begin < 0.5
