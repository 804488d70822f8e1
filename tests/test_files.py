"""Artefact files: what is saved is what loads, and a damaged file is one line to the user."""

import json
from dataclasses import dataclass

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from real2sim_jax import files
from real2sim_jax.errors import UserError
from real2sim_jax.texts import LARGEST_NUMBER
from real2sim_jax.types import BoxTrack, Camera, CuboidTrack, Demonstration, MaskTrack, stack, unstack

T, B = 5, 2


def common(rng):
    flags = {name: rng.random(T) < 0.5 for name in ("touching", "acting", "valid")}
    return {"seen": rng.random((T, B)) < 0.5, **flags, "dt": np.array(1 / 12), "image_size": np.array([40, 30])}


def make(kind, seed=0):
    rng = np.random.default_rng(seed)
    if kind is BoxTrack:
        return BoxTrack(boxes=rng.random((T, B, 4)), **common(rng))
    if kind is MaskTrack:
        return MaskTrack(masks=(rng.random((T, B, 6, 8)) < 0.5).astype(np.float32), **common(rng))
    if kind is Demonstration:
        flags = np.ones(T, bool)
        return Demonstration(
            rng.random((T, B, 3)), rng.random((T, B, 4)), rng.random(T), flags, rng.random((B, 3)), 0.1
        )
    track = {name: value for name, value in common(rng).items() if name not in ("seen", "image_size")}
    camera = Camera(*rng.random(4), image_size=np.array([40, 30]))
    quality = {"total": np.array(0.1), "mask.hand": np.array(0.2)}
    return CuboidTrack(
        rng.random((B, 3)), rng.random((T, B, 3)), rng.random((T, B, 4)), **track, camera=camera, quality=quality
    )


KINDS = (BoxTrack, MaskTrack, CuboidTrack, Demonstration)


@dataclass(frozen=True)
class Config:
    rate: float = 0.5
    names: tuple[str, ...] = ("a", "b")


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(tmp_path, kind):
    path, artefact = tmp_path / "deep" / "file.npz", make(kind)
    files.save(path, artefact, config=Config(), parents={"video": "ab"})
    jax.tree.map(np.testing.assert_array_equal, files.load(path, kind), artefact)
    header = files.load_header(path)
    assert header["schema"] == kind.__name__ and header["parents"] == {"video": "ab"}
    assert header["config"] == {"rate": 0.5, "names": ["a", "b"]} and header["versions"]["numpy"] == np.__version__
    assert [p.name for p in path.parent.iterdir()] == ["file.npz"]


def test_stack_and_unstack_are_inverse():
    demos = [make(Demonstration, seed) for seed in range(3)]
    together = stack(demos)
    assert together.position.shape == (3, T, B, 3)
    for one, again in zip(demos, unstack(together), strict=True):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), one, again)


def test_another_schema_is_named(tmp_path):
    path = tmp_path / "a.npz"
    files.save(path, make(BoxTrack))
    with pytest.raises(UserError, match="expected a MaskTrack, got BoxTrack"):
        files.load(path, MaskTrack)


def test_another_version_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    monkeypatch.setattr(files, "SCHEMA_VERSION", 99)
    files.save(path, make(BoxTrack))
    monkeypatch.undo()
    with pytest.raises(UserError, match="schema version 99, expected 1"):
        files.load(path, BoxTrack)


@pytest.mark.parametrize("kind, field", [(BoxTrack, "boxes"), (MaskTrack, "masks"), (CuboidTrack, "camera.focal")])
def test_a_missing_field_is_named(tmp_path, kind, field):
    path = tmp_path / "a.npz"
    files.save(path, make(kind))
    with np.load(path) as file:
        rest = {name: file[name] for name in file.files if name != field}
    np.savez(path, **rest)
    with pytest.raises(UserError, match=f"'{field}' is missing"):
        files.load(path, kind)


@given(st.integers(0, 3000))
def test_truncated_files_are_one_line(tmp_path_factory, length):
    path = tmp_path_factory.mktemp("files") / "a.npz"
    files.save(path, make(CuboidTrack))
    data = path.read_bytes()
    path.write_bytes(data[: min(length, len(data) - 1)])
    with pytest.raises(UserError, match="damaged or foreign") as caught:
        files.load(path, CuboidTrack)
    assert "\n" not in str(caught.value)


def test_pickled_and_absent_files_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, header=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="damaged or foreign"):
        files.load(path, BoxTrack)
    with pytest.raises(UserError, match="found nothing"):
        files.load(tmp_path / "b.npz", BoxTrack)
    with pytest.raises(UserError, match="found a folder"):
        files.load(tmp_path, BoxTrack)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    with pytest.raises(RuntimeError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("power cut")
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_json_takes_dataclasses_arrays_and_paths(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"config": Config(), "array": np.arange(3), "number": np.float32(0.5), "path": path})
    assert files.read_json(path) == {
        "config": {"rate": 0.5, "names": ["a", "b"]},
        "array": [0, 1, 2],
        "number": 0.5,
        "path": str(path),
    }
    path.write_text("{")
    with pytest.raises(UserError, match="malformed"):
        files.read_json(path)


@given(st.lists(st.floats(-LARGEST_NUMBER, LARGEST_NUMBER), min_size=1, max_size=20))
def test_csv_columns_survive_exactly(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    files.write_csv(path, {"x": np.array(values), "y": -np.array(values)})
    columns = files.read_columns(path, ["x", "y"])
    np.testing.assert_array_equal(columns["x"], values)
    np.testing.assert_array_equal(columns["y"], -np.array(values))


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "got an empty file"),
        ("x,z\n1,2\n", "column 'y' is missing"),
        ("x,y\n1,2,3\n", "line 2 has 3 values, expected 2"),
        ("x,y\n1,2\n\n3,four\n", "column 'y': expected a finite number, got 'four'"),
        ("x,y\n1,nan\n", "got 'nan'"),
        ("x,y\n", "at least one row"),
    ],
)
def test_wrong_csv_is_named(tmp_path, text, message):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        files.read_columns(path, ["x", "y"])


def test_binary_csv_is_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(UserError, match="binary"):
        files.read_csv(path, ["x"])


def test_layout_names_every_artefact(tmp_path):
    layout = files.RunLayout(tmp_path, "pick_up")
    assert layout.video("1838") == tmp_path / "pick_up" / "1838"
    assert layout.demonstrations == tmp_path / "pick_up" / "demos.npz"
    assert layout.seed(3) == tmp_path / "pick_up" / "seed3"


def test_hash_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    # The published test vector of SHA-256.
    assert files.file_hash(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_header_is_json(tmp_path):
    path = tmp_path / "a.npz"
    files.save(path, make(BoxTrack))
    with np.load(path, allow_pickle=False) as file:
        assert json.loads(str(file["header"]))["schema"] == "BoxTrack"
