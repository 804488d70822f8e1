"""Against Franka's real protocol on the loopback: `make setup-franka` installs the simulator; skipped without it."""

import os
import re
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from real2sim_jax.robot.arms import ArmError
from real2sim_jax.robot.controller import Controller, run
from real2sim_jax.robot.franka import FrankaArm, FrankaSettings
from real2sim_jax.robot.kinematics import FRANKA_HAND_M, HOME_RAD, Chain, TaskFrame
from real2sim_jax.robot.limits import Limits
from tests.robot.conftest import random_policy

# A real-time simulator needs a calm machine: asked for by name, not part of the default run.
pytestmark = pytest.mark.slow

HOST, PORT = "127.0.0.1", 1337
SIMULATOR = Path(__file__).parents[2] / ".venv-franka"
SERVER = f"""
import logging
logging.basicConfig(level=logging.INFO)
from franka_sim.franka_sim_server import FrankaSimServer
FrankaSimServer(host={HOST!r}, enforce_motion_limits=True, physics="mujoco").start()
"""
# Patient with a busy machine: the protocol and the motion are under test here, not the scheduler.
LIMITS = Limits(angular_rad_s=1.5, command_timeout_s=2.0, policy_timeout_s=1.0, state_timeout_s=1.0)


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
        command = [str(SIMULATOR / "bin" / "python"), "-W", "ignore", "-c", SERVER]
        server = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: "Server ready for new client" in log.read_text(), 30.0)
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


def skip_if_overloaded(log):
    """A simulator that cannot keep up plays the robot's 1 kHz loop wrongly: then nothing can be said."""
    slow = [float(share) for share in re.findall(r"running at ([0-9.]+)x real time", log.read_text())]
    # Its own measure comes every five seconds only; an abort may be earlier.
    if os.getloadavg()[0] > (os.cpu_count() or 1) or min(slow, default=1.0) < 0.9:
        pytest.skip(f"the machine is too busy for a robot's 1 kHz loop (load {os.getloadavg()[0]:.1f}, {slow})")


def connected(log):
    try:
        # From where the arm is: franky's own motion to a posture breaks off as soon as this machine drops packets.
        settings = FrankaSettings(HOST, approach=False)
        return FrankaArm(settings, TaskFrame(), Chain(FRANKA_HAND_M), LIMITS, HOME_RAD)
    except ArmError:
        skip_if_overloaded(log)
        raise


def swinging():
    """A controller whose policy swings about for ten seconds and opens and closes the hand."""
    controller = Controller(random_policy(), LIMITS)

    class Swing:
        def act(self, time_s, position, wxyz, opening):
            phase = 2.0 * np.pi * time_s / 5.0
            linear = 0.5 * np.sin(phase), 0.5 * np.cos(phase), 0.3 * np.cos(phase)
            return np.array([*linear, 0.15 * np.sin(phase), 0.0, 0.15 * np.cos(phase), np.sign(np.sin(phase))])

    controller.forward = Swing()  # type: ignore[assignment]
    return controller


@pytest.mark.timeout(120)
def test_ten_seconds_without_an_abort(simulator):
    _, log = simulator
    arm, seen = connected(log), []
    try:
        outcome = run(swinging(), arm, 120, seen.append, real_time=True)
    except ArmError:
        skip_if_overloaded(log)
        raise
    if outcome.reason or np.mean(arm.tracking_m) >= 0.008:
        skip_if_overloaded(log)
    print(f"tracking: mean {1e3 * np.mean(arm.tracking_m):.2f} mm, largest {1e3 * np.max(arm.tracking_m):.2f} mm")
    assert outcome.reason == "" and np.mean(arm.tracking_m) < 0.008
    openings = [step.state.opening for step in seen if step.state is not None]
    assert min(openings) < 0.01 and max(openings) > 0.035
    assert "violat" not in log.read_text()


@pytest.mark.timeout(120)
def test_a_pulled_plug_ends_the_run_cleanly(simulator):
    server, log = simulator
    arm, seen = connected(log), []

    def pull(step):
        seen.append(step)
        if len(seen) == 24:
            server.kill()

    begin = time.monotonic()
    with pytest.raises(ArmError, match="franka"):
        run(swinging(), arm, 240, pull, real_time=True)
    assert time.monotonic() - begin < 15.0
    assert not any(thread.is_alive() for thread in arm._threads)


def test_no_robot_is_one_line():
    pytest.importorskip("franky")
    if is_listening():
        pytest.skip(f"port {PORT} is taken")
    with pytest.raises(ArmError, match=r"franka at 127\.0\.0\.1") as caught:
        FrankaArm(FrankaSettings(HOST), TaskFrame(), Chain(FRANKA_HAND_M), LIMITS, HOME_RAD)
    assert "\n" not in str(caught.value)
