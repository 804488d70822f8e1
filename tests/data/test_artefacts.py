"""Artefact files: what is saved is what loads, and a damaged file is one line to the user."""

import json
import zipfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from real2sim_jax.core.errors import UserError
from real2sim_jax.core.text import LARGEST_NUMBER
from real2sim_jax.data import artefacts as files
from real2sim_jax.data.types import BoxTrack, Camera, CuboidTrack, Demonstration, MaskTrack, flatten, stack, unstack

T, B = 5, 2


def common(rng):
    flags = {name: rng.random(T) < 0.5 for name in ("touching", "acting", "valid")}
    return {"seen": rng.random((T, B)) < 0.5, **flags, "dt": np.array(1 / 12), "image_size": np.array([40, 30])}


def turned(rng):
    wxyz = rng.normal(size=(T, B, 4))
    return wxyz / np.linalg.norm(wxyz, axis=-1, keepdims=True)


def make(kind, seed=0):
    rng = np.random.default_rng(seed)
    if kind is BoxTrack:
        return BoxTrack(boxes=np.sort(rng.random((T, B, 2, 2)), axis=2).reshape(T, B, 4), **common(rng))
    if kind is MaskTrack:
        return MaskTrack(masks=(rng.random((T, B, 6, 8)) < 0.5).astype(np.float32), **common(rng))
    if kind is Demonstration:
        flags = np.ones(T, bool)
        return Demonstration(rng.random((T, B, 3)), turned(rng), rng.random(T), flags, rng.random((B, 3)), 0.1)
    track = {name: value for name, value in common(rng).items() if name not in ("seen", "image_size")}
    camera = Camera(*rng.random(4), image_size=np.array([40, 30]))
    quality = {"total": np.array(0.1), "mask.hand": np.array(0.2)}
    return CuboidTrack(rng.random((B, 3)), rng.random((T, B, 3)), turned(rng), **track, camera=camera, quality=quality)


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
    with pytest.raises(UserError, match="expected a MaskTrack, got 'BoxTrack'"):
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


def rewritten(path, header=None, **arrays):
    """The file with another header text and some arrays replaced (None removes one)."""
    with np.load(path) as file:
        content = {name: file[name] for name in file.files} | arrays
    content["header"] = content["header"] if header is None else np.array(header)
    np.savez(path, **{name: value for name, value in content.items() if value is not None})


def spoiled(array):
    """The ways in which an array can be what none of its kind may be, by name."""
    whole = np.asarray(array)
    ways = {
        "text": np.full(whole.shape, "text"),
        "complex": whole.astype(complex),
        "time": np.full(whole.shape, np.datetime64("2000-01-01")),
        "a further axis": whole[None, None],
        "cut": whole[..., :-1] if whole.ndim else whole.reshape(1, 1),
        "empty": whole[:0] if whole.ndim else np.zeros(0),
    }
    if whole.dtype.kind == "f":
        ways |= {"nan": whole * np.nan, "infinite": whole + np.inf, "huge": whole + 1e308, "truth": whole > 0}
    return ways


ALL = [(kind, name) for kind in KINDS for name in flatten(make(kind))]


@pytest.mark.parametrize("kind, name", ALL, ids=lambda value: getattr(value, "__name__", value))
def test_every_field_is_held_to_its_type(tmp_path, kind, name):
    path = tmp_path / "a.npz"
    files.save(path, make(kind))
    with np.load(path) as file:
        ways = spoiled(file[name])
    if name == "masks":
        # Narrower masks are masks.
        del ways["cut"]
    for way, array in ways.items():
        files.save(path, make(kind))
        rewritten(path, **{name: array})
        with pytest.raises(UserError, match=None if way == "empty" else name.split(".")[-1]) as caught:
            files.load(path, kind)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 300 + len(str(path)), way


def test_masks_may_take_a_byte_of_each_pixel(tmp_path):
    masks = make(MaskTrack)
    files.save(tmp_path / "a.npz", masks.replace(masks=masks.masks.astype(np.uint8)))
    read = files.load(tmp_path / "a.npz", MaskTrack).masks
    assert read.dtype == np.float32 and (read == masks.masks).all()


@pytest.mark.parametrize("kind", KINDS)
def test_what_would_not_load_is_not_saved_over_what_does(tmp_path, kind):
    path, good = tmp_path / "a.npz", make(kind)
    files.save(path, good)
    before = path.read_bytes()
    with pytest.raises(UserError, match="dt is not finite"):
        files.save(path, good.replace(dt=np.array(np.nan)))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "kind, arrays, message",
    [
        (BoxTrack, {"seen": np.ones((T, 3), bool)}, r"seen has shape \(5, 3\), expected \(T = 5, B = 2\)"),
        (BoxTrack, {"valid": np.ones(T + 1, bool)}, r"valid has shape \(6,\), expected \(T = 5\)"),
        (BoxTrack, {"valid": np.ones(T)}, "valid is of type float64, expected truth values"),
        (BoxTrack, {"image_size": np.array([0, 30])}, "image_size reaches from 0 to 30"),
        (BoxTrack, {"dt": np.array(1e-9)}, "expected 0.001 to 2"),
        (BoxTrack, {"colour": np.ones(3)}, "field 'colour' is unknown"),
        (MaskTrack, {"masks": np.zeros((T, B, 6, 8), np.float32)}, "expected a byte each"),
        (CuboidTrack, {"wxyz": np.zeros((T, B, 4))}, "wxyz is no unit quaternion everywhere"),
        (CuboidTrack, {"half_extents": -np.ones((B, 3))}, "half_extents reaches from -1 to -1"),
        (CuboidTrack, {"quality.total": np.array("low")}, "quality.total is of type"),
        (Demonstration, {"grip": np.full(T, 1.5)}, "grip reaches from 1.5"),
    ],
)
def test_fields_fit_together(tmp_path, kind, arrays, message):
    path = tmp_path / "a.npz"
    files.save(path, make(kind))
    rewritten(path, **arrays)
    with pytest.raises(UserError, match=message):
        files.load(path, kind)


def test_tracks_of_one_body_or_four_are_refused(tmp_path):
    good = make(BoxTrack)
    for bodies in (1, 4):
        with pytest.raises(UserError, match=f"B = {bodies}: expected 2 to 3"):
            files.save(
                tmp_path / "a.npz",
                good.replace(boxes=np.zeros((T, bodies, 4)), seen=np.zeros((T, bodies), bool)),
            )


def test_stacked_demonstrations_load_and_ragged_ones_do_not(tmp_path):
    path, together = tmp_path / "demos.npz", stack([make(Demonstration, seed) for seed in range(3)])
    files.save(path, together)
    jax.tree.map(np.testing.assert_array_equal, files.load(path, Demonstration), together)
    rewritten(path, grip=np.zeros((2, T)))
    with pytest.raises(UserError, match=r"grip has shape \(2, 5\), expected \(D = 3, K = 5\)"):
        files.load(path, Demonstration)


HEADERS = ["[]", "5", "null", '"text"', "{}", '{"schema": 5}', "[" * 200_000, "9" * 5000, "{"]
HEADERS += ['{"schema": "BoxTrack", "version": 1, "parents": [], "versions": {}}']
HEADERS += ['{"schema": "BoxTrack", "version": true, "parents": {}, "versions": {}}']


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_a_header_of_another_type_is_one_line(tmp_path, header):
    path = tmp_path / "a.npz"
    files.save(path, make(BoxTrack))
    rewritten(path, header)
    for read in (files.load_header, lambda path: files.load(path, BoxTrack)):
        with pytest.raises(UserError, match=r"damaged or foreign|in its header") as caught:
            read(path)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 300 + len(str(path))


def test_members_twice_and_members_without_end_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    files.save(path, make(BoxTrack))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("dt.npy", archive.read("dt.npy"))
    with pytest.raises(UserError, match="'dt' twice"):
        files.load(path, BoxTrack)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("boxes.npy", "w") as member:
        for _ in range(files.MAX_BYTES // 2**24 + 1):
            member.write(bytes(2**24))
    with pytest.raises(UserError, match="it unpacks to"):
        files.load(path, BoxTrack)


@given(st.sampled_from(KINDS), st.integers(0, 100_000), st.integers(1, 255))
def test_a_flipped_byte_is_one_line_or_still_as_the_type_says(tmp_path_factory, kind, place, change):
    path = tmp_path_factory.mktemp("files") / "a.npz"
    files.save(path, make(kind))
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= change
    path.write_bytes(data)
    try:
        files.checked(path, files.load(path, kind))
    except UserError as error:
        assert "\n" not in str(error)


def test_a_full_disk_keeps_the_old_artefact_and_leaves_nothing_else(full_disk):
    path, small = full_disk / "a.npz", make(BoxTrack)
    files.save(path, small)
    noise = np.sort(np.random.default_rng(0).random((20_000, B, 2, 2)), axis=2).reshape(-1, B, 4)
    many = {name: np.ones(20_000, bool) for name in ("touching", "acting", "valid")}
    with pytest.raises(OSError):
        files.save(path, small.replace(boxes=noise, seen=np.ones((20_000, B), bool), **many))
    np.testing.assert_array_equal(files.load(path, BoxTrack).boxes, small.boxes)
    assert list(full_disk.iterdir()) == [path]


def _write_often(folder, number):
    for i in range(100):
        files.write_text(folder / "a.txt", f"{number} {i} " * 1000)


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, partial(ProcessPoolExecutor, mp_context=get_context("spawn"))])
def test_writers_of_one_file_do_not_meet(tmp_path, pool):
    with pool(4) as writers:
        for done in [writers.submit(_write_often, tmp_path, number) for number in range(4)]:
            done.result()
    words = (tmp_path / "a.txt").read_text().split()
    assert words == words[:2] * 1000 and words[1] == "99"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_an_interrupted_folder_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), files.replacing(tmp_path / "set") as temporary:
        (temporary / "deep").mkdir(parents=True)
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


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
