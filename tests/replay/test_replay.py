"""Replays: true trajectories succeed by friction alone, impossible ones fail, foreign ones are refused."""

import numpy as np
import pytest

from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.rotations import matrix_from_wxyz, multiply, wxyz_from_azimuth_elevation, wxyz_from_rotvec
from real2sim_jax.data.types import ANCHOR, MOVED
from real2sim_jax.replay import scene as replay_scene
from real2sim_jax.replay.plan import ReplayConfig, grasp_wrist, make_plan, stretches
from real2sim_jax.replay.simulate import replay
from real2sim_jax.synthetic.scenes import synthetic_scenes

CONFIG = ReplayConfig()


def scene(name, seed=11):
    return synthetic_scenes(ACTIONS[name], 1, seed)[0]


def moved(track, **changes):
    """The track with `changes` to its arrays, each a function of a copy."""
    return track.replace(**{name: change(np.array(getattr(track, name))) for name, change in changes.items()})


@pytest.mark.parametrize("name", ["pick_up", "push_left_to_right", "put_onto"])
def test_a_true_trajectory_is_repeated(name):
    truth = scene(name)
    result = replay(truth, ACTIONS[name])
    assert result.failures == []
    assert result.deviation_m < 0.01
    assert result.duration_s > CONFIG.slower * float(truth.dt) * (np.sum(result.track.valid) - 1)
    held = np.asarray(truth.touching) & result.track.valid
    assert result.track.touching[held].mean() > 0.9
    assert result.track.touching[-1] == (name == "pick_up")


def test_only_friction_carries(monkeypatch):
    monkeypatch.setattr(replay_scene, "FINGER_FRICTION", 0.02)
    assert {"lifted", "held"} <= set(replay(scene("pick_up"), ACTIONS["pick_up"]).failures)


def test_a_hand_that_never_touches_moves_nothing():
    truth = scene("push_left_to_right")
    result = replay(moved(truth, touching=np.zeros_like), ACTIONS["push_left_to_right"])
    assert {"moved", "held"} <= set(result.failures)
    places = result.track.position[:, MOVED]
    assert np.abs(places - places[0]).max() < 0.01


def test_an_anchor_in_the_way_is_pushed_and_the_replay_fails():
    truth = scene("put_next_to")

    def in_the_way(position):
        t = int(np.flatnonzero(truth.touching)[-1])
        position[:, ANCHOR, :2] = position[t, MOVED, :2] + 0.3 * (position[t, ANCHOR, :2] - position[t, MOVED, :2])
        return position

    failures = replay(moved(truth, position=in_the_way), ACTIONS["put_next_to"]).failures
    assert "anchor stays" in failures or "held" in failures


def test_what_comes_into_view_in_the_hand_starts_in_the_pads():
    truth = scene("put_onto")

    def late(touching):
        touching[: np.flatnonzero(touching)[0] + 4] = False
        return touching

    result = replay(moved(truth, touching=late), ACTIONS["put_onto"])
    start = np.flatnonzero(np.asarray(truth.touching))[0] + 4
    assert result.failures == []
    assert not result.track.valid[:start].any() and result.track.valid[start:].all() and result.track.touching[start]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"position": lambda x: np.where(np.arange(len(x))[:, None, None] == 5, np.nan, x)}, "expected finite"),
        ({"position": lambda x: 1e6 * x}, "within 10 m"),
        ({"half_extents": lambda x: 100.0 * x}, "expected sides"),
        ({"half_extents": lambda x: 0.0 * x}, "expected sides"),
        ({"wxyz": lambda x: 0.0 * x}, "unit quaternions"),
        ({"valid": np.zeros_like}, "frames"),
        ({"dt": lambda x: 0.0 * x}, "at most 1 s apart"),
    ],
    ids=["NaN", "far away", "too large", "no size", "no orientation", "no frame", "no time"],
)
def test_an_absurd_track_is_refused_in_one_line(change, says):
    with pytest.raises(UserError, match=says) as refusal:
        replay(moved(scene("pick_up"), **change), ACTIONS["pick_up"])
    assert "\n" not in str(refusal.value)


def test_another_action_is_refused():
    with pytest.raises(UserError, match="expected 3 bodies for put_onto, got 2"):
        replay(scene("pick_up"), ACTIONS["put_onto"])


@pytest.mark.parametrize("yaw_deg", [-80, -30, 0, 45, 70])
def test_pads_take_two_faces_and_the_wrist_bends_little(yaw_deg):
    hand = wxyz_from_azimuth_elevation(np.array(0.4), np.array(0.5))
    held = wxyz_from_rotvec(np.array([0.0, 0.0, np.deg2rad(yaw_deg)]))
    gripper = matrix_from_wxyz(multiply(hand, grasp_wrist(hand, held[None], np.array([0.03, 0.05, 0.02]), np.pi / 4)))
    faces = np.abs(matrix_from_wxyz(held).T @ gripper[:, 1])
    assert np.isclose(np.sort(faces), [0.0, 0.0, 1.0], atol=1e-6).all() and faces[2] < 1e-6
    assert gripper[:, 2] @ matrix_from_wxyz(hand)[:, 2] > np.cos(np.pi / 4) - 1e-6


def test_the_narrower_side_is_taken_where_the_wrist_allows_it():
    held, steep = np.array([1.0, 0.0, 0.0, 0.0]), wxyz_from_azimuth_elevation(np.array(0.0), np.array(1.2))
    closing = matrix_from_wxyz(
        multiply(steep, grasp_wrist(steep, held[None], np.array([0.02, 0.05, 0.02]), np.pi / 4))
    )[:, 1]
    assert abs(closing[0]) > 0.99
    level = wxyz_from_azimuth_elevation(np.array(0.0), np.array(0.0))
    closing = matrix_from_wxyz(
        multiply(level, grasp_wrist(level, held[None], np.array([0.02, 0.05, 0.02]), np.pi / 4))
    )[:, 1]
    assert abs(closing[1]) > 0.99


def test_a_plate_that_is_laid_down_is_taken_by_its_edges():
    hand = wxyz_from_azimuth_elevation(np.array(np.pi / 2), np.array(0.0))
    upright, flat = wxyz_from_rotvec(np.array([[0.0, 1.4, 0.0], [0.0, 0.0, 0.0]]))
    thin = np.array([0.05, 0.08, 0.005])
    axis = matrix_from_wxyz(upright).T @ matrix_from_wxyz(
        multiply(hand, grasp_wrist(hand, np.stack([upright, flat]), thin, 1.6))
    )
    assert np.argmax(np.abs(axis[:, 1])) != 2
    axis = matrix_from_wxyz(upright).T @ matrix_from_wxyz(multiply(hand, grasp_wrist(hand, upright[None], thin, 1.6)))
    assert np.argmax(np.abs(axis[:, 1])) == 2


def openings(touching, action="push_left_to_right"):
    """Openings of the plan at the track's frames, for other frames of touch than the true ones."""
    plan = make_plan(moved(scene(action), touching=lambda old: touching[: len(old)]), ACTIONS[action], CONFIG)
    return np.array([node.opening for node in plan.nodes if node.frame >= 0])


def test_pads_open_between_two_holds_but_not_for_a_flicker():
    touching = np.zeros(100, bool)
    touching[[*range(5, 12), *range(14, 20), *range(26, 30)]] = True
    opening = openings(touching)
    assert (opening[5:20] == 0.0).all() and (opening[20:26] > 0.03).all() and (opening[26:30] == 0.0).all()


def test_an_action_that_ends_holding_holds_to_the_end():
    touching = np.zeros(100, bool)
    touching[10:15] = True
    assert (openings(touching, "pick_up")[10:] == 0.0).all() and (openings(touching)[15:] > 0.0).all()


def test_a_rigid_wrist_keeps_its_bend():
    truth = scene("pick_up")
    bends = [
        np.array([node.wrist for node in make_plan(truth, ACTIONS["pick_up"], ReplayConfig(rigid=rigid)).nodes])
        for rigid in (True, False)
    ]
    assert np.allclose(np.abs(np.sum(bends[0] * bends[0][0], axis=-1)), 1.0)
    assert not np.allclose(np.abs(np.sum(bends[1] * bends[1][0], axis=-1)), 1.0)


def test_stretches():
    assert stretches(np.array([True, False, True, True])) == [(0, 0), (2, 3)]
    assert stretches(np.zeros(3, bool)) == []
