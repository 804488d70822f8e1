"""Arms and the loop around them."""

import numpy as np
import pytest

from real2sim_jax.core.rotations import matrix_from_wxyz
from real2sim_jax.robot.controller import Controller, run
from real2sim_jax.robot.interface import ArmError, Command, RecordedArm, SimulatedArm, load_stream

DT = 1.0 / 12.0


def test_simulated_arm_integrates_the_twist_about_world_axes():
    arm = SimulatedArm((0.1, 0.0, 0.2), 0.0, 0.0, DT)
    for _ in range(12):
        arm.send(Command(np.array([0.1, 0.0, -0.05]), np.array([0, 0, np.pi / 2]), 0.0))
    state = arm.read()
    np.testing.assert_allclose(state.position, [0.2, 0.0, 0.15])
    # Level and pointing along +x, then a quarter turn about z: the approach axis is +y.
    np.testing.assert_allclose(matrix_from_wxyz(state.wxyz)[:, 2], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(state.time, 1.0)
    # After a second the fingers have gone all but e^(-1 s / 0.15 s) of their way.
    np.testing.assert_allclose(state.opening, 0.075 * np.exp(-1.0 / SimulatedArm.FINGER_LAG_S))


def test_recorded_arm_gives_back_what_it_was_given(policy):
    arm, seen = SimulatedArm((0.0, -0.05, 0.2), 1.0, 0.3, DT), []
    run(Controller(policy), arm, 20, seen.append)
    recorded, again = RecordedArm([step.observation for step in seen]), []
    outcome = run(Controller(policy), recorded, 40, again.append)
    for a, b in zip(seen, again, strict=False):
        np.testing.assert_allclose(b.observation, a.observation, atol=1e-12)
    # A stream that has come to its end shows nothing new: the arm brakes, and after a quarter of a second gives up.
    assert outcome.steps < 40 and "not newer" in outcome.reason
    assert not again[-1].command.linear.any() and not again[-1].command.angular.any()


def test_the_arm_is_stopped_when_anything_goes_wrong(policy):
    class Broken(SimulatedArm):
        halted = False

        def _move(self, command):
            raise OSError("cable")

        def _halt(self):
            self.halted = True

    arm = Broken((0.0, 0.0, 0.2), 0.0, 0.0, DT)
    with pytest.raises(OSError, match="cable"):
        run(Controller(policy), arm, 3)
    assert arm.halted


@pytest.mark.parametrize("observations", [np.zeros((0, 8)), np.zeros((4, 7)), np.zeros(8), np.array([["a"] * 8])])
def test_other_streams_are_refused(tmp_path, observations):
    path = tmp_path / "stream.npz"
    np.savez(path, observations=observations)
    with pytest.raises(ArmError, match=r"stream\.npz: expected observations"):
        load_stream(path)


def test_pickled_streams_are_refused(tmp_path):
    path = tmp_path / "stream.npz"
    np.savez(path, observations=np.array([{}], dtype=object))
    with pytest.raises(ArmError, match="ValueError"):
        load_stream(path)
