"""State sets: what a detector does to boxes, and what is left without annotated phases."""

import numpy as np
import pytest

from real2sim_jax.core.actions import action_named
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.types import BoxTrack
from real2sim_jax.perception.boxes import boxes_of_masks
from real2sim_jax.sweeps.sources import Detector, StateSource, as_detected, observed_tracks, tracks_hash

PUSH = action_named("push_left_to_right")
STATES = ("A", "B", "C")


def long_track(frames=4000):
    """One hand and one object that are always seen, 100 x 50 px."""
    box = np.array([150.0, 90.0, 250.0, 140.0], np.float32)
    yes = np.ones(frames, bool)
    seen = np.ones((frames, 2), bool)
    size = np.array([427.0, 240.0], np.float32)
    return BoxTrack(np.tile(box, (frames, 2, 1)), seen, yes, yes, yes, np.float32(1 / 12), size)  # type: ignore[arg-type]


def test_noise_is_a_share_of_the_box_and_gaps_come_in_runs():
    track = long_track()
    found = as_detected(track, Detector(side_share=0.05, missing=0.2, gap_frames=5.0), np.random.default_rng(0))
    error = (found.boxes - track.boxes)[found.seen]
    np.testing.assert_allclose(error.std(axis=0), [5.0, 2.5, 5.0, 2.5], rtol=0.05)
    assert abs((~found.seen).mean() - 0.2) < 0.03
    ends = np.diff(np.pad(~found.seen[:, 1], 1).astype(int))
    assert abs(np.mean(np.flatnonzero(ends == -1) - np.flatnonzero(ends == 1)) - 5.0) < 0.7
    assert (found.boxes[~found.seen] == 0.0).all()


def test_a_perfect_detector_changes_nothing():
    track = long_track(50)
    found = as_detected(track, Detector(side_share=0.0, missing=0.0), np.random.default_rng(0))
    np.testing.assert_array_equal(found.boxes, track.boxes)
    assert found.seen.all()


def test_an_object_that_is_never_detected_keeps_its_first_box():
    track = long_track(20)
    track.seen[:5] = False
    found = as_detected(track, Detector(missing=1.0, gap_frames=1e9), np.random.default_rng(0))
    np.testing.assert_array_equal(np.flatnonzero(found.seen[:, 1]), [5])


def test_the_state_sets_differ_in_what_they_should():
    sets = {states: observed_tracks(StateSource(states), PUSH, None)[0] for states in STATES}
    for video in sets["A"]:
        a, b, c = (sets[states][video][1] for states in STATES)
        np.testing.assert_array_equal(a.boxes, b.boxes)
        assert (a.boxes != c.boxes).any() and c.seen.sum() < b.seen.sum()
    assert any((sets["A"][v][1].acting != sets["B"][v][1].acting).any() for v in sets["A"])
    assert len({tracks_hash(found) for found in sets.values()}) == 3


def test_a_detector_repeats_itself():
    source = StateSource("C")
    assert tracks_hash(observed_tracks(source, PUSH, None)[0]) == tracks_hash(observed_tracks(source, PUSH, None)[0])
    other = StateSource("C", Detector(seed=1))
    assert tracks_hash(observed_tracks(source, PUSH, None)[0]) != tracks_hash(observed_tracks(other, PUSH, None)[0])


def test_drawn_scenes_are_the_same_seen_as_boxes_or_as_masks():
    seen = {kind: observed_tracks(StateSource(synthetic=kind), PUSH, None)[0] for kind in ("boxes", "masks")}
    assert list(seen["boxes"]) == list(seen["masks"])
    for (_, boxes), (_, masks) in zip(seen["boxes"].values(), seen["masks"].values(), strict=True):
        np.testing.assert_array_equal(boxes.boxes, boxes_of_masks(masks).boxes)
        np.testing.assert_array_equal(boxes.acting, masks.acting)
    assert tracks_hash(seen["boxes"]) != tracks_hash(seen["masks"])
    with pytest.raises(UserError, match="drawn scenes have state set A"):
        observed_tracks(StateSource("B", synthetic="masks"), PUSH, None)


def test_one_video_of_all():
    every, _ = observed_tracks(StateSource(), PUSH, None)
    second, _ = observed_tracks(StateSource(video=2), PUSH, None)
    assert list(second) == list(every)[1:2]
    with pytest.raises(UserError, match=f"source.video 99: expected 1 to {len(every)}"):
        observed_tracks(StateSource(video=99), PUSH, None)
