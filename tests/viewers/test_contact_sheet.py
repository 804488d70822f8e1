"""The contact sheet: a tile for every video, bordered by how good its fit is."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.evaluation.report import make_fit_report
from real2sim_jax.synthetic.scenes import synthetic_tracks
from real2sim_jax.viewers.contact_sheet import FAILED, FLAGGED, GOOD, Tile, draw_tile, save_contact_sheet
from real2sim_jax.viewers.fit import COLOURS


def tile(name, size=(427, 240), **report):
    observed, truth = synthetic_tracks(ACTIONS[name], 1, 0)[0]
    observed = observed.replace(image_size=np.asarray(size, np.float32))
    plain = dataclasses.replace(make_fit_report(truth, ACTIONS[name], observed), **report)
    return Tile("7", observed, truth, plain)


@pytest.mark.parametrize(
    ("report", "colour"),
    [
        ({}, GOOD),
        ({"flags": ["hovering"]}, FLAGGED),
        ({"shown_by_evidence": False}, FLAGGED),
        ({"broken_rules": ["lifted"], "flags": ["size"], "shown_by_evidence": False}, FAILED),
    ],
    ids=["good", "flagged", "by its name", "failed"],
)
def test_the_border_says_how_good_the_fit_is(report, colour):
    picture = draw_tile(tile("pick_up", **report))
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert (edge == colour).all()


def test_boxes_and_wires_of_every_body_are_drawn():
    picture = draw_tile(tile("put_onto")).reshape(-1, 3)
    for colour in COLOURS.values():
        light = [int(0.45 * c + 0.55 * 255) for c in colour]
        assert (picture == light).all(axis=1).any()
        assert (np.abs(picture - np.asarray(colour, float)).max(axis=1) < 12).any()


@pytest.mark.parametrize("count", [1, 3, 4])
def test_the_sheet_has_a_place_for_every_video(tmp_path, count):
    tiles, refused = [tile("pick_up")] * count, {"a" * 200: "no box of the object " * 20}
    save_contact_sheet(tmp_path / "sheet.png", tiles, refused)
    with Image.open(tmp_path / "sheet.png") as image:
        height, width = draw_tile(tiles[0]).shape[:2]
        assert image.height // height == -(-(count + 1) // 3) and image.width // width == 3
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


@pytest.mark.parametrize("size", [(240, 427), (4000, 30), (3, 2000)])
def test_images_of_any_shape_make_tiles_of_one_size(size):
    assert draw_tile(tile("pick_up", size)).shape == draw_tile(tile("pick_up")).shape


def test_a_track_that_never_acts_is_shown_from_its_first_to_its_last_frame():
    still = tile("pick_up")
    observed = still.observed.replace(acting=np.zeros_like(still.observed.acting))
    assert draw_tile(dataclasses.replace(still, observed=observed)).shape == draw_tile(still).shape
