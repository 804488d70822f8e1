"""The embedded demonstrations show their actions, and what is observed of them is what a video would show."""

import numpy as np
import pytest

from real2sim_jax.benchmarks.reconstruction import failures_of
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.data.types import MOVED
from real2sim_jax.rendering.raycast import body_masks
from real2sim_jax.synthetic.scenes import (
    HARD_KINDS,
    Noise,
    hard_tracks,
    observe_masks,
    synthetic_scenes,
    synthetic_tracks,
)

SILENT = Noise(side_px=0.0, hole_fraction=0.0)


@pytest.mark.parametrize("name", ACTIONS)
def test_the_truth_shows_the_action_and_the_boxes_are_in_the_image(name):
    for boxes, truth in synthetic_tracks(ACTIONS[name], 3, seed=5):
        assert failures_of(truth, ACTIONS[name]) == []
        assert boxes.boxes.shape == (*truth.position.shape[:2], 4)
        assert boxes.seen[:, MOVED].any() and truth.touching.any() and truth.acting.any()
        kept = boxes.boxes[boxes.seen]
        assert (kept >= 0).all() and (kept[:, 2] <= 427).all() and (kept[:, 3] <= 240).all()
        assert (kept[:, 2:] > kept[:, :2]).all()


def test_the_same_seed_gives_the_same_scenes_and_another_gives_others():
    first, again, other = (synthetic_tracks(ACTIONS["pick_up"], 1, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0].boxes, again[0].boxes)
    assert first[1].camera.distance != other[1].camera.distance


@pytest.mark.parametrize("kind", HARD_KINDS)
def test_hard_scenes_show_their_actions_and_differ_from_the_usual_ones(kind):
    scenes = hard_tracks(kind, 10, seed=4)
    assert len(scenes) == 10 and all(failures_of(truth, action) == [] for action, _, truth in scenes)
    again = hard_tracks(kind, 10, seed=4)
    np.testing.assert_array_equal([b.boxes.sum() for _, b, _ in scenes], [b.boxes.sum() for _, b, _ in again])
    action = scenes[-1][0]
    usual = [float(one.half_extents[MOVED:].max()) for one in synthetic_scenes(action, 10, seed=4)]
    shares = [shown_share(one) for _, _, one in scenes] if kind == "a fifth in view" else []
    seen = {
        "picked up towards the camera": min(t.position[-1, MOVED, 1] - t.position[0, MOVED, 1] for _, _, t in scenes)
        < -0.15,
        "a fifth in view": shares != [] and 0.05 < np.median(shares) < 0.35,
        "2 to 40 cm": max(float(t.half_extents[MOVED:].max()) for _, _, t in scenes) > max(usual),
        "cameras from 10 to 60 deg": min(float(t.camera.elevation) for _, _, t in scenes) < np.deg2rad(25),
        "slow hands": min(int(t.acting.sum()) for _, _, t in scenes) >= 48,
    }
    assert seen[kind]


def shown_share(truth):
    """How much of the moved object's silhouette shows in the last frame, of what would show without the others."""
    visible, whole = body_masks(truth, 213, 120)
    return visible[-1, MOVED].sum() / whole[-1, MOVED].sum()


def test_boxes_enclose_the_visible_masks():
    boxes, truth = synthetic_tracks(ACTIONS["put_onto"], 1, 3, SILENT)[0]
    masks = observe_masks(truth, width=213)
    for t, body in zip(*np.nonzero(boxes.seen), strict=True):
        rows, columns = np.nonzero(masks.masks[t, body])
        extent = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) * 427 / 213
        np.testing.assert_allclose(boxes.boxes[t, body], extent, atol=4.0)


def test_no_pixel_shows_two_bodies():
    _, truth = synthetic_tracks(ACTIONS["put_behind"], 1, 0)[0]
    assert observe_masks(truth, width=64).masks.sum(axis=1).max() <= 1.0
