"""From track to demonstration: clock, frame, scale, hand and grip, each against the definition."""

from pathlib import Path

import numpy as np
import pytest

from real2sim_jax.config.learning import DemonstrationConfig
from real2sim_jax.core.actions import ACTIONS, action_named
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.rotations import conjugate, rotate
from real2sim_jax.data.types import ANCHOR, HAND, MOVED
from real2sim_jax.learning.demonstrations import comes_held, demonstrate, stack_demonstrations
from real2sim_jax.synthetic.scenes import synthetic_scenes

START, END = 36, 84
"""Samples at 3 s and 7 s."""


@pytest.fixture(scope="module")
def scenes():
    return {name: synthetic_scenes(action, 1, 4)[0] for name, action in ACTIONS.items()}


@pytest.mark.parametrize("name", ACTIONS)
def test_clock_origin_and_rest(scenes, name):
    action, track = ACTIONS[name], scenes[name]
    demo = demonstrate(track, action)
    assert demo.position.shape == (121, action.bodies, 3) and demo.grip.shape == (121,)
    assert demo.acting.sum() == END - START + 1 and demo.acting[START] and demo.acting[END]
    still = demo.position[: START + 1]
    np.testing.assert_allclose(still, np.broadcast_to(still[0], still.shape), atol=1e-6)
    origin = demo.position[:, ANCHOR, :2] if action.has_anchor else demo.position[0, MOVED, :2]
    np.testing.assert_allclose(origin, 0.0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(demo.wxyz, axis=-1), 1.0, atol=1e-6)
    np.testing.assert_allclose(demo.wxyz[0, MOVED], [1, 0, 0, 0], atol=1e-6)


@pytest.mark.parametrize("name", ACTIONS)
def test_hand_is_the_object_while_touching_and_retreats_afterwards(scenes, name):
    action, demo = ACTIONS[name], demonstrate(scenes[name], ACTIONS[name])
    holding = demo.grip[START:END] > 0.5
    apart = demo.position[START:END, HAND] - demo.position[START:END, MOVED]
    np.testing.assert_allclose(apart[holding], 0.0, atol=1e-5)
    raised = 0.0 if action.ends_holding else 0.2
    np.testing.assert_allclose((demo.position[:, HAND] - demo.position[:, MOVED])[END + 1 :, 2], raised, atol=1e-6)
    assert (demo.grip[END + 1 :] == float(action.ends_holding)).all()
    # What starts in the hand is held.
    assert (demo.grip[:START] == float(action.has_anchor)).all()


@pytest.fixture(scope="module")
def fetch():
    return action_named(str(Path(__file__).parents[2] / "examples" / "fetch.toml"))


def test_a_filmed_grasp_is_demonstrated_as_it_is(fetch):
    track = synthetic_scenes(fetch, 1, 4)[0]
    demo = demonstrate(track, fetch)
    assert not comes_held(track)
    bottom = demo.position[:, MOVED, 2] - demo.half_extents[MOVED, 2]
    assert abs(bottom[START]) < 0.005 and bottom.max() > 0.04 and abs(bottom[-1]) < 0.005
    np.testing.assert_array_equal(demo.grip[:START], 0.0)
    assert np.linalg.norm(demo.position[0, MOVED, :2]) > 0.25


def test_what_comes_in_the_hand_is_taken_from_the_table_below(scenes, fetch):
    track = scenes["put_next_to"]
    assert comes_held(track)
    shown, demo = demonstrate(track, ACTIONS["put_next_to"]), demonstrate(track, fetch)
    bottom = demo.position[:, MOVED, 2] - demo.half_extents[MOVED, 2]
    np.testing.assert_allclose(bottom[: START + 1], 0.0, atol=1e-6)
    np.testing.assert_allclose(demo.position[0, MOVED, :2], shown.position[0, MOVED, :2], atol=1e-6)
    assert (demo.grip[:START] == 0.0).all() and demo.grip[START] == 1.0
    # It ends as the video does.
    np.testing.assert_allclose(demo.position[END:], shown.position[END:], atol=1e-6)


def test_what_is_fetched_stands_where_an_open_gripper_fits_beside_the_anchor(scenes, fetch):
    track = scenes["put_onto"]
    position = np.asarray(track.position).copy()
    position[:, [HAND, MOVED], :2] += (position[:, ANCHOR] - position[:1, MOVED])[:, None, :2]
    demo = demonstrate(track.replace(position=position), fetch)
    np.testing.assert_allclose(np.linalg.norm(demo.position[0, MOVED, :2]), 0.095 + 0.045, atol=1e-6)


def test_motion_is_camera_aligned_and_scaled(scenes):
    track, action = scenes["push_right_to_left"], ACTIONS["push_right_to_left"]
    demo = demonstrate(track, action, DemonstrationConfig(scale=2.0))
    acting = np.flatnonzero(track.acting)
    way = np.asarray(track.position)[acting[-1], MOVED] - np.asarray(track.position)[acting[0], MOVED]
    moved = demo.position[-1, MOVED] - demo.position[0, MOVED]
    np.testing.assert_allclose(np.linalg.norm(moved), 2.0 * np.linalg.norm(way), rtol=1e-4)
    azimuth = float(track.camera.azimuth)
    right = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    np.testing.assert_allclose(moved[0], 2.0 * way @ right, rtol=1e-4)
    np.testing.assert_allclose(demo.half_extents, 2.0 * track.half_extents, rtol=1e-6)


def test_held_things_are_held_level(scenes):
    demo = demonstrate(scenes["put_behind"], ACTIONS["put_behind"])
    along = rotate(demo.wxyz[:, HAND], np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(along[:, 2], 0.0, atol=1e-6)


def test_what_is_put_onto_a_wide_anchor_keeps_its_share_of_the_way_to_the_edge(scenes):
    track, action = scenes["put_onto"], ACTIONS["put_onto"]
    wide = np.array(track.half_extents)
    wide[ANCHOR, :2] = 0.3
    demo = demonstrate(track.replace(half_extents=wide), action, DemonstrationConfig(scale=1.0))
    last = np.flatnonzero(track.touching & track.acting)[-1]
    shown = np.asarray(track.position)[last, MOVED] - np.asarray(track.position)[last, ANCHOR]
    kept = np.linalg.norm(demo.position[END, MOVED, :2])
    share = np.abs(rotate(conjugate(np.asarray(track.wxyz)[last, ANCHOR]), shown))[:2].max() / 0.3
    np.testing.assert_allclose(kept, 0.045 * share, rtol=1e-3)


def test_pick_up_starts_on_the_table(scenes):
    demo = demonstrate(scenes["pick_up"], ACTIONS["pick_up"])
    np.testing.assert_allclose(demo.position[0, MOVED, 2], demo.half_extents[MOVED, 2], atol=1e-5)


def test_stack_and_wrong_input(scenes):
    demo = demonstrate(scenes["pick_up"], ACTIONS["pick_up"])
    assert stack_demonstrations([demo, demo]).position.shape == (2, 121, 2, 3)
    with pytest.raises(UserError, match="at least one"):
        stack_demonstrations([])
    with pytest.raises(UserError, match="bodies"):
        demonstrate(scenes["pick_up"], ACTIONS["put_onto"])
    idle = scenes["pick_up"].replace(acting=np.zeros_like(scenes["pick_up"].acting))
    with pytest.raises(UserError, match="no frame"):
        demonstrate(idle, ACTIONS["pick_up"])
