"""What a demonstration asks for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from real2sim_jax.core.actions import ACTIONS, IMITATIONS, Action, action_named
from real2sim_jax.core.predicates import PoseWithin, Upright
from real2sim_jax.data.types import MOVED, stack
from real2sim_jax.learning.demonstrations import demonstrate
from real2sim_jax.learning.imitation import as_demonstrated, as_filmed
from real2sim_jax.synthetic.scenes import synthetic_scenes

FETCH = action_named(str(Path(__file__).parents[2] / "examples" / "fetch.toml"))


def demonstrated(name, imitation, count=3):
    """Made-up scenes of one of the nine, demonstrated as an imitation; the action that they ask for."""
    scenes = synthetic_scenes(ACTIONS[name], count, 0)
    action = as_filmed(IMITATIONS[imitation], scenes)
    demos = stack([demonstrate(scene, action) for scene in scenes])
    return as_demonstrated(action, demos, 0.04, 25.0), demos


@pytest.mark.parametrize(("name", "holds"), [("pick_up", True), ("push_left_to_right", False)])
def test_one_object_ends_where_it_was_moved_to(name, holds):
    action, demos = demonstrated(name, "imitate")
    (goal,) = action.success
    assert (goal.relative_to, goal.within_m, goal.within_deg) == ("start", 0.04, 25.0)
    assert action.ends_holding is holds and action.name == "imitate"
    way = np.asarray(demos.position)[:, -1, MOVED] - np.asarray(demos.position)[:, 0, MOVED]
    np.testing.assert_allclose(np.array(goal.poses)[:, :3], way, atol=1e-6)


@pytest.mark.parametrize(("name", "side"), [("put_onto", "anchor_top"), ("put_behind", "anchor")])
def test_what_is_put_somewhere_ends_relative_to_the_anchor(name, side):
    action, _ = demonstrated(name, "imitate_with_anchor")
    (goal,) = action.success
    assert goal.relative_to == side and not action.ends_holding and action.goes_onto == (name == "put_onto")
    # It stands there: on the table, or on the anchor.
    np.testing.assert_allclose(np.array(goal.poses)[:, 2], 0.0, atol=0.005)
    assert (np.array(goal.poses)[:, 1] > 0.05).all() == (name == "put_behind")


@pytest.mark.parametrize("starts", ["table", "hand"])
def test_an_imitation_begins_as_the_videos_do(starts):
    shown = FETCH if starts == "table" else ACTIONS["put_next_to"]
    scenes = synthetic_scenes(shown, 3, 0)
    action = as_filmed(IMITATIONS["imitate_with_anchor"], scenes)
    assert action.starts == starts
    found = as_demonstrated(action, stack([demonstrate(scene, action) for scene in scenes]))
    assert (found.moved_from is None) == (starts == "hand")


def test_a_file_may_ask_for_the_demonstrated_end_beside_other_rules():
    action = Action("own", (Upright(), PoseWithin(within_m=0.1)), leaves_table=True)
    _, demos = demonstrated("pick_up", "imitate")
    upright, goal = as_demonstrated(action, demos).success
    assert upright == Upright() and len(goal.poses) == 3 and goal.within_m == 0.1


def test_a_fetched_object_stands_where_the_middlemost_demonstration_has_it():
    demos = stack([demonstrate(scene, FETCH) for scene in synthetic_scenes(FETCH, 3, 0)])
    places = np.asarray(demos.position)[:, 0, MOVED, :2]
    found = as_demonstrated(FETCH, demos)
    middle = np.argmin(np.linalg.norm(places - np.median(places, axis=0), axis=1))
    np.testing.assert_allclose(found.moved_from, places[middle], atol=1e-6)
    said = replace(FETCH, moved_from=(0.3, 0.3))
    assert as_demonstrated(said, demos) is said


def test_actions_that_ask_for_something_else_stay_as_they_are():
    _, demos = demonstrated("pick_up", "imitate")
    assert as_demonstrated(ACTIONS["pick_up"], demos) is ACTIONS["pick_up"]
    assert as_filmed(ACTIONS["push_left_to_right"], []) is ACTIONS["push_left_to_right"]
