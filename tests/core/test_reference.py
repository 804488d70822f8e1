"""The reference's target and what the network can do to it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from real2sim_jax.core.observation import observation
from real2sim_jax.core.reference import Reference
from real2sim_jax.core.rotations import wxyz_from_rotvec

STILL = Reference(
    position=np.zeros((2, 3)),
    wxyz=np.tile([1.0, 0.0, 0.0, 0.0], (2, 1)),
    velocity=np.zeros((2, 3)),
    grip=np.full(2, -1.2),
    gains=np.array([4.0, 3.0]),
    reach=np.array([0.2, 1.5]),
)
PULL = 0.3 / 4.0 / 0.2
"""Of the reach: the error for which the controller asks for the greatest speed."""
CERTAIN = 50.0
"""Of an output: its tanh is 1."""

directions = st.lists(st.floats(-1, 1), min_size=3, max_size=3).map(np.array).filter(lambda v: np.linalg.norm(v) > 0.1)


def seen(position=(0.0, 0.0, 0.0), rotvec=(0.0, 0.0, 0.0)):
    return observation(np.array(0.0), np.array(position), wxyz_from_rotvec(np.array(rotvec)), np.array(0.02))


def output(shift=(0.0, 0.0, 0.0), turn=(0.0, 0.0, 0.0), grip=0.0):
    """The network's output that shifts and turns the target by shares of the reach."""
    shares = np.clip([*shift, *turn], -1.0 + 1e-15, 1.0 - 1e-15)
    return np.append(np.arctanh(shares), grip)


@given(directions, st.floats(0.3, 5.0))
def test_from_however_far_the_network_can_stop_the_hand_turn_it_aside_and_send_it_back(direction, distance):
    unit = direction / np.linalg.norm(direction)
    aside = np.cross(unit, [0.0, 0.0, 1.0] if abs(unit[2]) < 0.9 else [1.0, 0.0, 0.0])
    aside /= np.linalg.norm(aside)
    obs = seen(distance * unit)
    for share, expected in (
        (0.0 * unit, -unit),
        (PULL * unit, 0.0 * unit),
        (PULL * unit + 0.6 * aside, aside),
        (0.9 * unit, unit),
    ):
        np.testing.assert_allclose(STILL.action(obs, output(shift=share))[:3], expected, atol=1e-6)


@given(directions, st.floats(0.0, PULL))
def test_near_the_reference_the_network_moves_the_target(direction, share):
    part = share * direction / np.linalg.norm(direction)
    there = STILL.action(seen(0.2 * part, 1.5 * part), output(part, part))
    np.testing.assert_allclose(there[:6], 0.0, atol=1e-5)


@pytest.mark.parametrize("grip, expected", [(0.0, np.tanh(-1.2)), (CERTAIN, 1.0), (-CERTAIN, -1.0)])
def test_the_network_has_the_last_word_on_the_grip(grip, expected):
    assert STILL.action(seen(), output(grip=grip))[6] == pytest.approx(expected)


def test_the_demonstrated_velocity_is_fed_forward():
    moving = replace(STILL, velocity=np.tile([0.15, 0.0, 0.0], (2, 1)))
    np.testing.assert_allclose(moving.action(seen(), output())[:3], [0.5, 0.0, 0.0], atol=1e-9)
