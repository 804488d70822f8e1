import numpy as np

from real2sim_jax.core.actions import action_named
from real2sim_jax.core.rotations import rotate
from real2sim_jax.data.types import Demonstration, stack
from real2sim_jax.learning.guides import GuideConfig, most_typical, reference_from
from real2sim_jax.simulation.reward import reward_targets
from tests.demos import PICK_UP, lift, lifts

START = 36
"""Sample at which the action begins."""


def test_the_guide_follows_the_most_typical_demonstration_and_not_the_mean():
    outlier = lift(height=0.9, drift=0.8)
    demos = stack([outlier, lift(0.2), lift(0.22)])
    assert most_typical(reward_targets(demos)) in (1, 2)
    guide = reference_from(PICK_UP, demos, GuideConfig())
    assert np.abs(guide.position[:, 0]).max() < 1e-6
    assert 0.15 < np.ptp(guide.position[START:, 2]) < 0.25


def test_the_guide_comes_from_above_and_then_along_the_fingers():
    guide = reference_from(PICK_UP, lifts(), GuideConfig())
    axis = rotate(guide.wxyz[START], np.array([0.0, 0.0, 1.0]))
    assert guide.position[0, 2] > guide.position[START, 2] + 0.25
    half_a_second = guide.position[START] - guide.position[START - 6]
    speed = GuideConfig().approach_m / GuideConfig().approach_s
    np.testing.assert_allclose(half_a_second, 0.5 * speed * axis, atol=1e-5)


def test_the_guide_closes_before_the_contact_and_ends_as_the_action_ends():
    guide = reference_from(PICK_UP, lifts(), GuideConfig())
    closed = guide.grip < 0.0
    # Contact at 3 s (row 36), 0.4 s earlier is row 31; picking up ends closed.
    assert not closed[:31].any() and closed[31:].all()
    assert np.tanh(guide.grip[-1]) == -1.0


def test_the_guide_holds_an_object_that_starts_in_the_hand():
    one = lift()
    position = np.concatenate([one.position, np.zeros((121, 1, 3), np.float32)], axis=1)
    two = Demonstration(
        position=position,
        wxyz=np.concatenate([one.wxyz, one.wxyz[:, 1:]], axis=1),
        grip=np.where(np.arange(121) < 80, one.grip, 0.0),
        acting=one.acting,
        half_extents=np.concatenate([one.half_extents, one.half_extents[1:]]),
        dt=one.dt,
    )
    grip = reference_from(action_named("put_onto"), stack([two]), GuideConfig()).grip
    assert (grip[:80] < 0.0).all() and (grip[80:] > 0.0).all()
