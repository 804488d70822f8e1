"""Every success rule with a trajectory that passes and one that breaks it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from real2sim_jax.benchmarks.reconstruction import failures_of, summary
from real2sim_jax.core.actions import ACTIONS, IMITATIONS, Action, action_named
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.predicates import Beside, TurnedBy
from real2sim_jax.core.rotations import wxyz_from_azimuth_elevation
from real2sim_jax.data.types import ANCHOR, HAND, MOVED
from real2sim_jax.synthetic.scenes import synthetic_scenes


@pytest.fixture(scope="module")
def truths():
    return {name: synthetic_scenes(action, 1, 7)[0] for name, action in ACTIONS.items()}


def moved_by(track, shift, body=MOVED, frames=slice(None)):
    position = np.array(track.position)
    position[frames, body] += np.asarray(shift, np.float32)
    return track.replace(position=position)


@pytest.mark.parametrize("name", ACTIONS)
def test_the_truth_passes_and_a_sunken_object_does_not(truths, name):
    assert failures_of(truths[name], ACTIONS[name]) == []
    assert "in the table" in failures_of(moved_by(truths[name], [0, 0, -0.3]), ACTIONS[name])


@pytest.mark.parametrize("name", [name for name in ACTIONS if name.startswith(("pull", "push"))])
def test_slides(truths, name):
    track, action = truths[name], ACTIONS[name]
    backwards = track.replace(position=np.array(track.position)[::-1])
    assert failures_of(backwards, action) == ["moved"]
    wxyz = np.array(track.wxyz)
    azimuth = np.deg2rad(action.hand_azimuth_deg + 100.0) + float(track.camera.azimuth)
    wxyz[:, HAND] = wxyz_from_azimuth_elevation(np.array(azimuth), np.array(0.3))
    assert failures_of(track.replace(wxyz=wxyz), action) == ["hand side"]
    hop = moved_by(track, [0, 0, 3 * track.half_extents[MOVED, 2]], frames=slice(3, 5))
    assert failures_of(hop, action) == ["level"]


def test_pick_up(truths):
    track = truths["pick_up"]
    assert failures_of(moved_by(track, [0, 0, 0.05]), ACTIONS["pick_up"]) == ["starts on table"]
    still = track.replace(position=np.repeat(np.array(track.position)[:1], len(track.valid), axis=0))
    assert failures_of(still, ACTIONS["pick_up"]) == ["lifted"]


@pytest.mark.parametrize("name", ["put_behind", "put_in_front_of", "put_next_to"])
def test_beside(truths, name):
    track = truths[name]
    on_the_anchor = np.array(track.position)[-1, ANCHOR] - np.array(track.position)[-1, MOVED]
    assert "in the sector" in failures_of(moved_by(track, on_the_anchor), ACTIONS[name])
    assert failures_of(moved_by(track, [0, 0, 0.5]), ACTIONS[name]) == ["below the anchor's top"]


def test_a_place_behind_is_none_in_front(truths):
    assert "in the sector" in failures_of(truths["put_behind"], ACTIONS["put_in_front_of"])
    assert "in the sector" in failures_of(truths["put_in_front_of"], ACTIONS["put_behind"])


def test_onto(truths):
    track = truths["put_onto"]
    assert failures_of(moved_by(track, [0, 0, 0.04]), ACTIONS["put_onto"]) == ["on its top"]
    assert failures_of(moved_by(track, [0.5, 0, 0]), ACTIONS["put_onto"]) == ["above the anchor"]


def test_successes_are_counted_by_action():
    shown = {"12": ACTIONS["pick_up"], "13": ACTIONS["put_onto"], "14": ACTIONS["put_onto"]}
    table = summary({"12": [], "13": ["on its top"], "14": []}, shown)
    assert table == {"pick_up": (1, 1), "put_onto": (1, 2), "all": (2, 3)}


EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_scenes_made_of_an_actions_rules_show_it(path):
    action = action_named(str(path))
    assert action.name == path.stem
    for truth in synthetic_scenes(action, 3, 0):
        assert failures_of(truth, action) == []
        if action.has_anchor:
            assert "in the sector" in failures_of(truth, replace(action, success=(Beside(("away",)),)))
            continue
        backwards = truth.replace(position=np.array(truth.position)[::-1], wxyz=np.array(truth.wxyz)[::-1])
        assert set(failures_of(backwards, action)) & {"moved", "turned"}


def test_a_turn_is_told_from_none_and_from_one_the_other_way():
    left, right = (Action("turn", (TurnedBy(angle),), leaves_table=True) for angle in (90.0, -90.0))
    for truth in synthetic_scenes(left, 3, 0):
        assert failures_of(truth, left) == [] and failures_of(truth, right) == ["turned"]
        still = truth.replace(wxyz=np.repeat(np.array(truth.wxyz)[:1], len(truth.valid), axis=0))
        assert failures_of(still, left) == ["turned"]


def test_what_a_record_does_not_tell_is_not_made_up():
    for action in (IMITATIONS["imitate"], Action("tip", (TurnedBy(90.0, "right"),))):
        with pytest.raises(UserError, match="tells no course to make up; give --tracks or --video"):
            synthetic_scenes(action, 1, 0)
