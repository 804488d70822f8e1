import jax
import numpy as np
import pytest

from real2sim_jax.config.learning import TrackingConfig, TrainConfig
from real2sim_jax.core.actions import action_named
from real2sim_jax.core.gripper import PUBLISHED
from real2sim_jax.core.rotations import azimuth_elevation_from_wxyz
from real2sim_jax.data.types import HAND, stack
from real2sim_jax.learning.demonstrations import demonstrate
from real2sim_jax.learning.references import best_reference, references_of
from real2sim_jax.learning.train import make_env
from real2sim_jax.simulation.initial_states import lowest_point
from real2sim_jax.synthetic.scenes import synthetic_scenes
from tests.demos import PICK_UP, lift, lifts


@pytest.mark.long
def test_the_demonstration_that_works_is_followed():
    # The second one passes above everything that the gripper could hold.
    above = lift()
    position = above.position.copy()
    position[:, HAND, 2] += 0.2
    demos = stack([lift(0.2), above.replace(position=position)])
    for order in ([0, 1], [1, 0]):
        turned = jax.tree.map(lambda leaf, order=order: leaf[np.array(order)], demos)
        best = best_reference(make_env(PICK_UP, turned, TrainConfig()), turned, TrackingConfig())
        np.testing.assert_allclose(best.position, demos.position[0, :, HAND], atol=1e-6)


def test_the_reference_is_the_demonstrated_hand_and_nothing_else():
    demos = lifts()
    for reference, hand, grip in zip(
        references_of(demos, TrackingConfig(), PICK_UP), demos.position[:, :, HAND], demos.grip, strict=True
    ):
        np.testing.assert_allclose(reference.position, hand, atol=1e-6)
        np.testing.assert_array_equal(reference.grip < 0.0, grip > 0.5)


def test_the_reference_asks_for_no_pose_that_is_not_allowed():
    action = action_named("put_onto")
    for scene in synthetic_scenes(action, 3, 0):
        demo = demonstrate(scene, action)
        steep = np.array([np.cos(0.75), 0.0, np.sin(0.75), 0.0], np.float32)
        wxyz, position = demo.wxyz.copy(), demo.position.copy()
        wxyz[:, HAND], position[:, HAND, 2] = steep, 0.0
        (reference,) = references_of(stack([demo.replace(wxyz=wxyz, position=position)]), TrackingConfig(), action)
        _, elevation = azimuth_elevation_from_wxyz(reference.wxyz)
        assert np.abs(np.rad2deg(elevation)).max() < 85.0
        for place, turn in zip(reference.position, reference.wxyz, strict=True):
            assert lowest_point(place, turn, np.asarray(0.075), PUBLISHED) > 0.0


def test_what_starts_in_the_hand_is_held_until_the_demonstrated_release():
    action = action_named("put_behind")
    demos = stack([demonstrate(scene, action) for scene in synthetic_scenes(action, 3, 0)])
    for reference in references_of(demos, TrackingConfig(), PICK_UP):
        closed = reference.grip < 0.0
        # Once open, it stays open.
        assert closed[0] and not closed[-1] and (np.diff(closed.astype(int)) <= 0).all()
