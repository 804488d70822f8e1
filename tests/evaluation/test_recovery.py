"""Errors against a known truth: zero for the truth at any scale, and as large as what was broken."""

import numpy as np
import pytest

from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.core.rotations import azimuth_elevation_from_wxyz, wxyz_from_azimuth_elevation
from real2sim_jax.data.types import ANCHOR, HAND, MOVED
from real2sim_jax.evaluation.recovery import contact_f1, recovery
from real2sim_jax.synthetic.scenes import synthetic_scenes


@pytest.fixture(scope="module")
def truth():
    return synthetic_scenes(ACTIONS["put_behind"], 1, 7)[0]


def everywhere(truth):
    return np.ones(np.asarray(truth.position).shape[:2], bool)


def scaled(truth, by):
    camera = truth.camera.replace(distance=by * truth.camera.distance)
    return truth.replace(position=by * truth.position, half_extents=by * truth.half_extents, camera=camera)


@pytest.mark.parametrize("by", [1.0, 0.4, 3.0])
def test_the_truth_at_any_scale_is_without_error(truth, by):
    error = recovery(truth, scaled(truth, by), everywhere(truth))
    for value in (error.moved_m, error.anchor_m, error.hand_azimuth_deg, error.camera_elevation_deg):
        np.testing.assert_allclose(value, 0.0, atol=1e-4)


def test_errors_are_in_metres_of_the_truth_along_the_camera(truth):
    away = truth.camera.azimuth + np.pi / 2.0
    position = np.array(truth.position)
    position[:, MOVED] += 0.05 * np.array([np.cos(away), np.sin(away), 0.0]) + [0.0, 0.0, 0.02]
    error = recovery(truth, scaled(truth.replace(position=position), 2.0), everywhere(truth))
    np.testing.assert_allclose(error.moved_m, [0.0, 0.05, 0.02], atol=1e-5)
    np.testing.assert_allclose(error.anchor_m, 0.0, atol=1e-6)


def test_the_hand_counts_where_it_is_seen_and_turns_the_short_way(truth):
    azimuth, elevation = azimuth_elevation_from_wxyz(np.asarray(truth.wxyz)[:, HAND])
    frames = np.arange(len(azimuth))
    wxyz = np.array(truth.wxyz)
    wxyz[:, HAND] = wxyz_from_azimuth_elevation(azimuth + np.where(frames < 20, np.deg2rad(350.0), 1.0), elevation)
    seen = everywhere(truth)
    seen[20:, HAND] = False
    assert recovery(truth, truth.replace(wxyz=wxyz), seen).hand_azimuth_deg == pytest.approx(10.0, abs=1e-2)
    seen[:, [HAND, ANCHOR]] = False
    error = recovery(truth, truth.replace(wxyz=wxyz), seen)
    assert np.isnan(error.hand_azimuth_deg) and np.isnan(error.anchor_m).all() and np.isfinite(error.moved_m).all()


def test_contact_by_hand():
    truth = np.array([0, 1, 1, 1, 0], bool)
    assert contact_f1(truth, truth) == 1.0
    assert contact_f1(~truth, truth) == 0.0
    assert contact_f1(np.array([0, 0, 1, 1, 1], bool), truth) == pytest.approx(2 / 3)
    assert contact_f1(truth & False, truth & False) == 1.0
