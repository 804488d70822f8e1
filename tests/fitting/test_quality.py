"""Flags of what cannot be, each with a track that has it and one that has not."""

import numpy as np
import pytest

from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.data.types import ANCHOR, HAND, MOVED
from real2sim_jax.fitting.quality import agreement, describe, iou_over_time, padded, plausibility, support_gap
from real2sim_jax.synthetic.scenes import Noise, synthetic_tracks

EXACT = Noise(side_px=0.0, hole_fraction=0.0)


def example(name):
    """Exact boxes and the truth; the moved object is first seen when the hand touches it."""
    observed, truth = synthetic_tracks(ACTIONS[name], 1, 3, EXACT)[0]
    seen = np.array(observed.seen)
    seen[: np.argmax(truth.touching), MOVED] = False
    return observed.replace(seen=seen), truth


def released(truth):
    frames = np.arange(len(truth.touching))
    return frames > frames[truth.touching][-1]


def shifted(truth, frames, by, body=MOVED):
    position = np.array(truth.position)
    position[frames, body] += np.asarray(by, np.float32)
    return truth.replace(position=position)


@pytest.mark.parametrize("name", ["push_left_to_right", "pick_up", "put_behind", "put_onto"])
def test_what_rests_is_not_flagged(name):
    observed, truth = example(name)
    quality = plausibility(truth, observed)
    assert quality["hovering_m"] < 1e-5 and not quality["flag_hovering"]


@pytest.mark.parametrize("by", [0.03, -0.03], ids=["hovers", "sunk"])
@pytest.mark.parametrize("name", ["push_left_to_right", "put_behind", "put_onto"])
def test_what_hovers_or_sinks_is_flagged_from_above_and_below(name, by):
    observed, truth = example(name)
    quality = plausibility(shifted(truth, released(truth), [0, 0, by]), observed)
    assert quality["hovering_m"] == pytest.approx(0.03, abs=1e-5) and quality["flag_hovering"] == 1.0


def test_what_stands_in_the_air_beside_the_anchor_is_flagged():
    observed, truth = example("put_onto")
    beside = shifted(truth, released(truth), [0.5, 0, 0])
    top = 2 * truth.half_extents[ANCHOR, 2]
    assert plausibility(beside, observed)["hovering_m"] == pytest.approx(top, abs=1e-5)


def test_what_stands_on_the_table_inside_the_anchor_is_flagged():
    observed, truth = example("put_onto")
    inside = shifted(truth, released(truth), [0, 0, -2 * truth.half_extents[ANCHOR, 2]])
    quality = plausibility(inside, observed)
    assert quality["flag_hovering"] == 1.0 and quality["flag_penetration"] == 1.0


def test_held_and_unseen_frames_are_left_out():
    observed, truth = example("put_behind")
    before = np.arange(len(truth.touching)) < 5
    truth, observed = (track.replace(touching=track.touching & ~before) for track in (truth, observed))
    observed = observed.replace(seen=observed.seen & ~before[:, None])
    aloft = shifted(truth, truth.touching, [0, 0, 0.2])
    assert not plausibility(shifted(aloft, before, [0, 0, 0.2]), observed)["flag_hovering"]
    everywhere = observed.replace(seen=np.ones_like(observed.seen))
    assert plausibility(shifted(aloft, before, [0, 0, 0.2]), everywhere)["flag_hovering"]


def test_the_gap_of_a_tilted_cuboid_is_that_of_its_lowest_corner():
    _, truth = example("push_left_to_right")
    wxyz = np.array(truth.wxyz)
    wxyz[:, MOVED] = [np.cos(np.pi / 8), np.sin(np.pi / 8), 0.0, 0.0]
    _, y, z = truth.half_extents[MOVED]
    expected = truth.position[:, MOVED, 2] - (y + z) / np.sqrt(2.0)
    np.testing.assert_allclose(support_gap(truth.replace(wxyz=wxyz), anchored=False), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["push_left_to_right", "put_onto"])
def test_iou_over_time_is_high_for_the_truth_and_low_where_it_is_broken(name):
    observed, truth = example(name)
    truth = truth.replace(quality={"hand_reach": np.float32(0.0)})
    iou, seen = iou_over_time(truth, observed), np.asarray(observed.seen)
    assert iou.shape == seen.shape and np.array_equal(np.isnan(iou), ~seen)
    # In the last frames the hand is gone and covers nothing.
    assert np.nanmin(iou[-3:, MOVED]) > 0.9
    broken = iou_over_time(shifted(truth, slice(-3, None), [0.3, 0, 0]), observed)
    assert np.nanmax(broken[-3:, MOVED]) < 0.3
    np.testing.assert_array_equal(broken[:-3, HAND], iou[:-3, HAND])
    assert agreement(truth, observed)["iou_moved"] == pytest.approx(np.nanmean(iou[:, MOVED]))


def test_a_fit_that_misses_a_body_is_poor():
    observed, truth = example("push_left_to_right")
    resting = observed.replace(seen=observed.seen & ~truth.touching[:, None])
    assert not agreement(truth, resting)["flag_poor_fit"]
    assert agreement(shifted(truth, slice(None), [0.3, 0, 0]), resting)["flag_poor_fit"]


def test_padding_changes_nothing():
    observed, truth = example("pick_up")
    truth = truth.replace(quality={"hand_reach": np.float32(0.4)})
    more = padded(truth)
    assert more.position.shape[0] % 24 == 0 and more.position.shape[1] == 3
    extra = len(more.valid) - len(truth.valid)
    seen = np.pad(observed.seen, ((0, extra), (0, 1)))
    boxes = np.pad(observed.boxes, ((0, extra), (0, 1), (0, 0)))
    times = {name: np.pad(getattr(observed, name), (0, extra)) for name in ("touching", "acting", "valid")}
    assert describe(more, observed.replace(seen=seen, boxes=boxes, **times)).quality == pytest.approx(
        describe(truth, observed).quality, abs=1e-5
    )
