"""Against Franka's real protocol on the loopback: `make setup-franka` installs the simulator; skipped without it."""

import contextlib
import os
import socket
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from real2sim_jax.core.gripper import FRANKA_HAND
from real2sim_jax.core.policy import load_policy
from real2sim_jax.robot.backends import ConnectionConfig, base_limits, make_robot
from real2sim_jax.robot.controller import Controller, run
from real2sim_jax.robot.franka.arm import FrankaArm, FrankaSettings
from real2sim_jax.robot.franka.kinematics import HOME_RAD, Chain, TaskFrame
from real2sim_jax.robot.interface import ArmError, ArmStopped, Command, DryArm
from real2sim_jax.robot.limits import Limits
from tests.policies import random_policy

pytestmark = pytest.mark.long

HOST, PORT = "127.0.0.1", 1337
REPOSITORY = Path(__file__).parents[2]
SIMULATOR = REPOSITORY / ".venv-franka"
POLICY = REPOSITORY / "experiments" / "skills" / "results" / "pick_up" / "seed0" / "policy.npz"
# Patient with a busy machine: the protocol and the motion are under test here, not the scheduler.
PATIENCE = {"command_timeout_s": 5.0, "policy_timeout_s": 1.0, "state_timeout_s": 5.0}


def franka_policy():
    """A kept policy as one of Franka's hand."""
    policy = load_policy(POLICY)
    return replace(policy, action=replace(policy.action, gripper=FRANKA_HAND))


def test_a_policy_of_another_gripper_is_refused_in_one_line():
    with pytest.raises(ArmError, match="for the gripper 'published', which Franka's hand is not") as refused:
        make_robot("franka", load_policy(POLICY), ConnectionConfig(), Limits())
    assert "--gripper franka_hand" in str(refused.value) and "\n" not in str(refused.value)


@pytest.fixture
def simulator(tmp_path):
    pytest.importorskip("franky", reason="franky-control is absent: make setup-franka")
    if not (SIMULATOR / "fr3.xml").is_file():
        pytest.skip("franka-sim is absent: make setup-franka")
    if is_listening():
        pytest.skip(f"port {PORT} is taken")
    log = tmp_path / "server.log"
    with open(log, "w") as file:
        environment = os.environ | {"FR3_MJCF": str(SIMULATOR / "fr3.xml")}
        command = [SIMULATOR / "bin" / "python", "-W", "ignore", Path(__file__).with_name("franka_server.py")]
        server = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: "Server ready for new client" in log.read_text(), 60.0)
        yield server, log
    finally:
        server.kill()
        server.wait()


def is_listening():
    with socket.socket() as probe:
        return probe.connect_ex((HOST, PORT)) == 0


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the simulator did not start"
        time.sleep(0.1)


@contextlib.contextmanager
def unless_starved(server):
    """Skip where the simulator lives but was late: libfranka gives up after a second, the arm after 20 ms."""
    try:
        yield
    except ArmError as error:
        load = os.getloadavg()[0]
        is_late = "UDP receive: Timeout" in str(error)
        is_late |= "ended the motion by itself" in str(error) and load > (os.cpu_count() or 1)
        if is_late and server.poll() is None:
            pytest.skip(f"the machine is too busy (load {load:.1f})")
        raise


@pytest.mark.timeout(180)
def test_a_policy_runs_for_ten_seconds_without_an_abort(simulator):
    policy, limits = franka_policy(), Limits(**PATIENCE, angular_rad_s=base_limits("franka").angular_rad_s)
    seen = []
    with unless_starved(simulator[0]):
        arm = make_robot("franka", policy, ConnectionConfig(host=HOST), limits)
        outcome = run(Controller(policy, limits), arm, 120, seen.append, real_time=True, clock=arm.clock)
    print(f"tracking: mean {1e3 * np.mean(arm.tracking_m):.2f} mm, largest {1e3 * np.max(arm.tracking_m):.2f} mm")
    assert outcome.reason == "" and seen[119].state.time > 9.5
    assert np.mean(arm.tracking_m) < 0.008
    assert np.linalg.norm(seen[-1].state.position - seen[0].state.position) > 0.1
    openings = [step.state.opening for step in seen]
    assert openings[0] > 0.035 and openings[-1] < 0.01
    assert "violat" not in simulator[1].read_text()


@pytest.mark.timeout(120)
def test_a_pulled_plug_ends_the_run_cleanly(simulator):
    server, _ = simulator
    limits = Limits(**PATIENCE)
    with unless_starved(server):
        arm = FrankaArm(FrankaSettings(HOST), TaskFrame(), Chain(FRANKA_HAND.mount_m), limits, HOME_RAD)
    seen = []

    def pull(step):
        seen.append(step)
        if len(seen) == 24:
            server.kill()

    begin = time.monotonic()
    with pytest.raises(ArmError, match="franka"):
        run(Controller(random_policy(scale=0.1), limits), arm, 240, pull, real_time=True)
    assert len(seen) >= 24 and time.monotonic() - begin < 30.0
    assert not any(thread.is_alive() for thread in arm._threads)


def test_no_robot_is_one_line():
    pytest.importorskip("franky")
    if is_listening():
        pytest.skip(f"port {PORT} is taken")
    with pytest.raises(ArmError, match=r"franka at 127\.0\.0\.1") as caught:
        FrankaArm(FrankaSettings(HOST), TaskFrame(), Chain(FRANKA_HAND.mount_m), Limits(), HOME_RAD)
    assert "\n" not in str(caught.value)


@pytest.mark.timeout(180)
def test_no_target_follows_the_stop_of_another_thread(simulator):
    limits = Limits(**PATIENCE)
    with unless_starved(simulator[0]):
        arm = FrankaArm(FrankaSettings(HOST), TaskFrame(), Chain(FRANKA_HAND.mount_m), limits, HOME_RAD)
        stopper = threading.Timer(1.0, arm.stop)
        stopper.start()
        outcome = run(Controller(random_policy(scale=0.1), limits), arm, 240, real_time=True)
    stopper.join()
    assert outcome.reason == "the arm was stopped" and 2 < outcome.steps < 120
    assert not any(thread.is_alive() for thread in arm._threads) and not arm.tracker.dq.any()
    held = arm.tracker.q.copy()
    with pytest.raises(ArmStopped):
        arm.send(Command(np.array([0.1, 0.0, 0.0]), np.zeros(3), 0.02))
    time.sleep(0.3)
    assert np.array_equal(arm.tracker.q, held)


@pytest.mark.timeout(120)
def test_a_dry_run_leaves_the_arm_where_it_is(simulator):
    policy, limits = franka_policy(), Limits(**PATIENCE)
    seen = []
    with unless_starved(simulator[0]):
        arm = make_robot("franka", policy, ConnectionConfig(host=HOST, stays=True), limits)
        run(Controller(policy, limits), DryArm(arm), 12, seen.append, real_time=True, clock=arm.clock)
    assert not any(thread.is_alive() for thread in arm._threads)
    assert np.linalg.norm([step.wanted.linear for step in seen if step.wanted], axis=1).max() > 0.05
    assert np.linalg.norm(seen[-1].state.position - seen[0].state.position) < 0.005
