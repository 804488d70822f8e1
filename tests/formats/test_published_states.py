"""The interchange format: round trip, numbering of the objects, foreign files."""

import numpy as np
import pytest

from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.types import ANCHOR, HAND, MOVED
from real2sim_jax.formats.published_states import column_names, read_states, write_states
from real2sim_jax.synthetic.scenes import synthetic_scenes


@pytest.mark.parametrize("name", ["push_left_to_right", "put_onto"])
def test_round_trip(tmp_path, name):
    truth = synthetic_scenes(ACTIONS[name], 1, 0)[0]
    write_states(tmp_path / "1.csv", truth)
    track = read_states(tmp_path / "1.csv")
    np.testing.assert_allclose(track.position, truth.position, atol=1e-6)
    np.testing.assert_allclose(track.half_extents[MOVED:], truth.half_extents[MOVED:], atol=1e-6)
    same = np.abs(np.sum(np.asarray(track.wxyz) * truth.wxyz, axis=-1))
    np.testing.assert_allclose(same, 1.0, atol=1e-5)
    np.testing.assert_array_equal(track.touching, truth.touching)
    np.testing.assert_allclose(track.camera.azimuth, truth.camera.azimuth, atol=1e-6)


def test_with_two_objects_o0_is_the_one_that_stays(tmp_path):
    truth = synthetic_scenes(ACTIONS["put_behind"], 1, 0)[0]
    write_states(tmp_path / "1.csv", truth)
    header, first = (tmp_path / "1.csv").read_text().splitlines()[:2]
    row = dict(zip(header.split(","), map(float, first.split(",")), strict=True))
    assert header.split(",") == column_names(2)
    np.testing.assert_allclose(row["o0posx"], truth.position[0, ANCHOR, 0], atol=1e-6)
    np.testing.assert_allclose(row["o1szz"], 2 * truth.half_extents[MOVED, 2], atol=1e-6)


def test_the_published_layout_by_hand(tmp_path):
    names = ["cdis", "cazi", "cele", "o0szx", "o0szy", "o0szz", "o0posx", "o0posy", "o0posz"]
    names += ["hposx", "hposy", "hposz", "hazi", "hele", "o0rot0", "o0rot1", "o0rot2", "touch"]
    assert column_names(1) == names
    values = [2, 0.5, 0.6, 0.1, 0.2, 0.3, 1, 2, 3, 4, 5, 6, np.pi / 2, 0.0, 0, 0, 0, -1]
    text = "," + ",".join(names) + "\n" + "0," + ",".join(map(str, values)) + "\n"
    (tmp_path / "1.csv").write_text(text)
    track = read_states(tmp_path / "1.csv", published_camera=True)
    np.testing.assert_allclose(track.half_extents[MOVED], [0.05, 0.1, 0.15])
    np.testing.assert_allclose(track.position[0], [[4, 5, 6], [1, 2, 3]])
    np.testing.assert_allclose(track.camera.azimuth, 0.5 * np.pi / 4)
    assert not track.touching[0]
    # Azimuth 90 deg, elevation 0: the approach axis points away from the camera.
    w, x, y, z = track.wxyz[0, HAND]
    np.testing.assert_allclose([2 * (x * z + w * y), 2 * (y * z - w * x)], [0, 1], atol=1e-6)


def test_wrong_files(tmp_path):
    (tmp_path / "1.csv").write_text("cdis,cazi\n1,2\n")
    with pytest.raises(UserError, match="cele"):
        read_states(tmp_path / "1.csv")
    (tmp_path / "2.csv").write_text(",".join(column_names(1)) + "\n" + ",".join(["x"] * 18) + "\n")
    with pytest.raises(UserError, match="finite number"):
        read_states(tmp_path / "2.csv")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", ["1e308", "-1e308", "1e39", "2000"])
@pytest.mark.parametrize("column", column_names(2)[:-1])
def test_numbers_beyond_everything_filmed_are_refused(tmp_path, column, number):
    path = tmp_path / "1.csv"
    write_states(path, synthetic_scenes(ACTIONS["put_onto"], 1, 0)[0])
    header, first, *others = path.read_text().splitlines()
    cells = first.split(",")
    cells[header.split(",").index(column)] = number
    path.write_text("\n".join([header, ",".join(cells), *others]))
    with pytest.raises(UserError, match=f"column '{column}'"):
        read_states(path)


def test_negative_sizes_and_half_an_object_are_refused(tmp_path):
    path, truth = tmp_path / "1.csv", synthetic_scenes(ACTIONS["put_onto"], 1, 0)[0]
    write_states(path, truth.replace(half_extents=-np.asarray(truth.half_extents)))
    with pytest.raises(UserError, match="half_extents reaches from -"):
        read_states(path)
    path.write_text(path.read_text().replace("o1posx", "another"))
    with pytest.raises(UserError, match="'o1posx' is missing"):
        read_states(path)
