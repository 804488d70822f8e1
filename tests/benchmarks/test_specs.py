"""Start states: the published layout, and drawing."""

import os
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from real2sim_jax.benchmarks.specs import SPECS, generate, read_spec, spec_hash, write_spec
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.core.errors import UserError

ONE, TWO = ACTIONS["pick_up"], ACTIONS["put_onto"]
DATA = Path(os.environ.get("REAL2SIM_DATA", Path(__file__).parents[3] / "shared" / "data")) / "policy_benchmark"
HEADER = "hazi,hele,hposx,hposy,hposz,o0posx,o0posy,o0posz,o0hei,o0rad,o1hei,o1rad"
ROWS = ["0.1,0.2,0.3,0.4,0.5,0.25,0.5,0.04,0.08,0.05,0.06,0.045", "-1,-0.2,0.1,0.1,0.1,0,0,0.03,0.06,0.04,0.07,0.05"]


def written(folder, header=HEADER, rows=ROWS):
    path = folder / "spec.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def nothing_overlaps(states):
    return np.zeros(len(states.azimuth), bool)


def test_reads_the_published_layout(tmp_path):
    states = read_spec(written(tmp_path), TWO)
    # The task frame's origin lies below object 0, here at (0.25, 0.5).
    np.testing.assert_allclose(states.gripper_position[0], [0.05, -0.1, 0.5])
    np.testing.assert_allclose([states.azimuth[0], states.elevation[1]], [0.1, -0.2])
    # Object 1 of the file is the moved one, object 0 the anchor.
    np.testing.assert_allclose(states.heights, [[0.06, 0.08], [0.07, 0.06]])
    np.testing.assert_allclose(states.radii, [[0.045, 0.05], [0.05, 0.04]])


def test_what_is_fetched_is_read_and_written_where_it_stands(tmp_path):
    fetch = replace(TWO, name="fetch", starts="table", moved_from=(0.3, -0.2))
    drawn = generate("hard", fetch, 50, 0, nothing_overlaps)
    assert np.abs(drawn.moved_place - fetch.moved_from).max() <= 0.15
    # The hand is drawn around it: the same hands as where the object starts in the hand.
    held = generate("hard", TWO, 50, 0, nothing_overlaps)
    shift = np.asarray(drawn.gripper_position) - np.pad(drawn.moved_place, ((0, 0), (0, 1)))
    np.testing.assert_allclose(shift, held.gripper_position, atol=1e-12)
    write_spec(tmp_path / "spec.csv", drawn)
    jax.tree.map(np.testing.assert_allclose, read_spec(tmp_path / "spec.csv", fetch), drawn)
    with pytest.raises(UserError, match="column 'o1posx' is missing"):
        read_spec(written(tmp_path), fetch)
    with pytest.raises(UserError, match="fetch: expected moved_from in its file"):
        generate("hard", replace(fetch, moved_from=None), 50, 0, nothing_overlaps)


def test_one_object_actions_move_object_0(tmp_path):
    states = read_spec(written(tmp_path), ONE)
    np.testing.assert_allclose(states.heights, [[0.08], [0.06]])
    short = written(tmp_path, HEADER.removesuffix(",o1hei,o1rad"), [row.rsplit(",", 2)[0] for row in ROWS])
    np.testing.assert_allclose(read_spec(short, ONE).radii, states.radii)


def test_an_unnamed_index_column_is_ignored(tmp_path):
    plain = read_spec(written(tmp_path), TWO)
    indexed = read_spec(written(tmp_path, f",{HEADER}", [f"{i},{row}" for i, row in enumerate(ROWS)]), TWO)
    jax.tree.map(np.testing.assert_array_equal, plain, indexed)


@pytest.mark.parametrize(
    "header, rows, message",
    [
        (HEADER.replace("hele", "tilt"), ROWS, "column 'hele' is missing"),
        (HEADER, [ROWS[0].replace("0.08", "tall")], "line 2, column 'o0hei'"),
        (HEADER, [ROWS[0], ROWS[1].replace("0.06", "0")], "row 2, column 'o0hei': expected a size"),
        (
            HEADER,
            [ROWS[0], ROWS[1].replace("-1", "-60", 1)],
            "row 2, column 'hazi': expected -6.28 to 6.28 rad, got -60",
        ),
        (HEADER, [ROWS[0].replace("0.3", "300", 1)], "column 'hposx': expected -10 to 10 m, got 300"),
        (HEADER, [ROWS[0].replace("0.3", "1e308", 1)], "column 'hposx': expected a finite number, got '1e308'"),
        (HEADER, [ROWS[0].replace("0.1", "nan", 1)], "finite"),
        (HEADER, [], "at least one row"),
    ],
)
def test_wrong_files_are_named(tmp_path, header, rows, message):
    path = written(tmp_path, header, rows)
    with pytest.raises(UserError, match=message) as caught:
        read_spec(path, TWO)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("action", [ONE, TWO], ids=lambda action: action.name)
@pytest.mark.parametrize("spec", SPECS)
def test_generated_states_keep_to_the_bounds_and_survive_the_file(tmp_path, spec, action):
    states, bounds = generate(spec, action, 64, 0, nothing_overlaps), SPECS[spec]
    for values, (low, high) in [
        (np.rad2deg(states.azimuth), bounds.azimuth_deg),
        (np.rad2deg(states.elevation), bounds.elevation_deg),
        (states.gripper_position[:, 0], bounds.x_m),
        (states.gripper_position[:, 1], bounds.y_m),
        (states.gripper_position[:, 2], bounds.z_m),
        (states.heights, bounds.height_m),
        (states.radii, bounds.radius_m),
    ]:
        assert low <= np.min(values) and np.max(values) <= high
        assert np.ptp(values) > 0.8 * (high - low)
    assert states.heights.shape == (64, 2 if action.has_anchor else 1)
    path = tmp_path / "spec.csv"
    write_spec(path, states)
    again = read_spec(path, action)
    jax.tree.map(np.testing.assert_array_equal, states, again)
    assert spec_hash(states) == spec_hash(again)


def test_generation_depends_on_the_seed_alone():
    first, again, other = (generate("hard", TWO, 20, seed, nothing_overlaps) for seed in (1, 1, 2))
    assert spec_hash(first) == spec_hash(again) != spec_hash(other)


def test_overlapping_states_are_drawn_again():
    shapes = set()

    def low(states):
        shapes.add(len(states.azimuth))
        return states.gripper_position[:, 2] < 0.2

    states = generate("hard", ONE, 30, 0, low)
    assert states.gripper_position.shape == (30, 3) and states.gripper_position[:, 2].min() >= 0.2
    assert shapes == {30}


def test_impossible_requests_are_refused():
    with pytest.raises(UserError, match="only 0 of 5"):
        generate("easy", ONE, 5, 0, lambda states: np.ones(5, bool))
    with pytest.raises(UserError, match="expected one of easy, hard"):
        generate("medium", ONE, 5, 0, nothing_overlaps)
    with pytest.raises(UserError, match="at least 1"):
        generate("easy", ONE, 0, 0, nothing_overlaps)


@pytest.mark.skipif(not DATA.is_dir(), reason="published start states absent")
@pytest.mark.parametrize("spec", SPECS)
def test_published_states_lie_within_the_bounds(spec):
    states, bounds = read_spec(DATA / f"{spec}.csv", TWO), SPECS[spec]
    assert states.heights.shape == (500, 2)
    assert bounds.height_m[0] <= states.heights.min() and states.heights.max() <= bounds.height_m[1]
    assert bounds.y_m[0] <= states.gripper_position[:, 1].min()
    assert np.rad2deg(states.elevation).max() <= bounds.elevation_deg[1]
