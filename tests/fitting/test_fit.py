"""The fit recovers made-up scenes from their boxes, with one compilation, whatever is missing."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from real2sim_jax.benchmarks.reconstruction import failures_of
from real2sim_jax.config.fitting import FitConfig
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.types import HAND, MOVED
from real2sim_jax.fitting.fit import fit_tracks
from real2sim_jax.fitting.quality import box_iou
from real2sim_jax.synthetic.scenes import synthetic_tracks

pytestmark = pytest.mark.long

QUICK = FitConfig(rounds=((1000, 60), (1, 300)), elevations_deg=(35.0,), hand_turns_deg=(0.0,), batch=12)
SHORT = replace(QUICK, rounds=((1000, 10),))
NAMES = ("push_left_to_right", "pull_left_to_right", "pick_up", "put_in_front_of", "put_next_to")


@pytest.fixture(scope="module")
def fits():
    tracks = {name: (ACTIONS[name], synthetic_tracks(ACTIONS[name], 1, seed=11)[0][0]) for name in NAMES}
    action, boxes = tracks["pick_up"]
    nothing = np.zeros_like(boxes.seen)
    nothing[5, MOVED] = True
    tracks["one box only"] = action, boxes.replace(seen=nothing)
    return tracks, fit_tracks(tracks, QUICK)


@pytest.mark.parametrize("name", NAMES)
def test_the_fit_shows_the_action_and_agrees_with_the_boxes(fits, name):
    tracks, result = fits
    assert failures_of(result.tracks[name], ACTIONS[name]) == []
    assert result.tracks[name].quality["iou_moved"] > 0.75
    assert result.tracks[name].position.shape == (*tracks[name][1].seen.shape, 3)


def test_nothing_that_is_not_finite_escapes(fits):
    _, result = fits
    assert not result.failures
    for track in result.tracks.values():
        assert np.isfinite(track.position).all() and np.isfinite(list(track.quality.values())).all()


def test_contact_and_support_hold_exactly(fits):
    _, result = fits
    for name, track in result.tracks.items():
        apart = (track.position[:, HAND] - track.position[:, MOVED])[track.touching]
        np.testing.assert_allclose(apart, 0.0, atol=1e-6)
        if not ACTIONS.get(name, ACTIONS["pick_up"]).leaves_table:
            np.testing.assert_allclose(track.position[:, MOVED, 2], track.half_extents[MOVED, 2], atol=1e-5)


def test_iou_by_hand():
    assert box_iou([0, 0, 2, 2], [1, 0, 3, 2]) == pytest.approx(1 / 3)
    assert box_iou([0, 0, 1, 1], [2, 2, 3, 3]) == 0.0


def test_nothing_to_fit():
    with pytest.raises(UserError, match="at least one"):
        fit_tracks({})


SEVERAL_DEVICES = """
import sys
import jax, numpy as np
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.fitting.fit import fit_tracks
from real2sim_jax.synthetic.scenes import synthetic_tracks
from tests.fitting.test_fit import SHORT
assert jax.device_count() == 4
boxes = synthetic_tracks(ACTIONS["pick_up"], 1, seed=11)[0][0]
np.save(sys.argv[1], fit_tracks({"video": (ACTIONS["pick_up"], boxes)}, SHORT).tracks["video"].position)
"""


def test_starts_shared_among_devices_give_the_same_fit(tmp_path):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", SEVERAL_DEVICES, str(tmp_path / "position.npy")]
    subprocess.run(command, env=environment, check=True, cwd=Path(__file__).parents[2])
    boxes = synthetic_tracks(ACTIONS["pick_up"], 1, seed=11)[0][0]
    alone = fit_tracks({"video": (ACTIONS["pick_up"], boxes)}, SHORT).tracks["video"]
    np.testing.assert_allclose(np.load(tmp_path / "position.npy"), alone.position, atol=1e-4)


def test_the_curve_of_the_winner_falls_over_all_rounds(fits):
    _, result = fits
    assert result.curves.keys() == result.tracks.keys()
    steps, loss = result.curves["pick_up"].T
    assert (np.diff(steps) > 0).all() and steps[-1] < 360 and len(steps) == 80
    assert loss[-1] < loss[0] and loss[-1] == pytest.approx(result.tracks["pick_up"].quality["total"], rel=0.05)
