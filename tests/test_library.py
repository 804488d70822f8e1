"""The package as a library: light to import, and the documentation's examples run."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import real2sim_jax as r2s
from real2sim_jax.perception.video import write_video

PAGE = Path(__file__).parents[1] / "docs" / "library.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.S)


def painted(frames=24, size=(60, 96)):
    """A red hand that pushes a blue thing to the right, before grey."""
    pictures = np.full((frames, *size, 3), 128, np.uint8)
    for i, picture in enumerate(pictures):
        hand = 4 + 2 * min(i, 18)
        picture[30:44, :hand] = 220, 40, 40
        thing = max(24, hand)
        picture[28:46, thing : thing + 14] = 40, 40, 220
    return pictures


@pytest.mark.long
def test_the_examples_run_one_after_another(tmp_path, monkeypatch, capfd):
    pytest.importorskip("gymnasium")
    pytest.importorskip("viser")
    monkeypatch.chdir(tmp_path)
    write_video("painted.mp4", painted(), 12.0)
    names = {}
    for example in EXAMPLES:
        exec(compile(example, str(PAGE), "exec"), names)
    assert len(names["report"].ok) == 20 and (tmp_path / "runs/library/scene.html").stat().st_size > 1e5
    assert np.linalg.norm(names["position"] - np.array([0.1, 0.05, 0.1])) < 0.02
    assert names["masks"]["painted"].seen[:, :2].all()
    assert np.isfinite(names["arm"].read().position).all() and not names["step"].fault
    printed = capfd.readouterr().out.splitlines()
    # The training's report prints two lines, each other example one: the library itself prints nothing.
    assert len(printed) == 7, printed


def test_importing_brings_no_jax_and_a_name_brings_what_it_needs():
    script = (
        "import sys, real2sim_jax as r2s; assert not {'jax', 'numpy'} & set(sys.modules);"
        "r2s.Controller, r2s.load; print('jax' in sys.modules, r2s.ACTIONS['pick_up'].name)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "pick_up"]


@pytest.mark.long
def test_every_public_name_is_there():
    assert {"segment", "fit", "train", "render", "UserError"} <= set(r2s.__all__)
    for name in r2s.__all__:
        assert getattr(r2s, name) is not None
    assert set(r2s.__all__) <= set(dir(r2s))
    with pytest.raises(AttributeError, match="has no attribute 'train_'"):
        r2s.train_  # noqa: B018


def test_what_cannot_be_used_is_named(tmp_path):
    (tmp_path / "note.mp4").write_text("no video")
    with pytest.warns(UserWarning, match=r"note.mp4: skipped: "), pytest.raises(r2s.UserError, match="no video could"):
        r2s.segment([tmp_path / "note.mp4"])
    with pytest.raises(r2s.UserError, match="unknown action 'juggle'"):
        r2s.synthetic_boxes("juggle")
    with pytest.raises(r2s.UserError, match="nothing to view"):
        r2s.view(tmp_path / "scene.html")


def test_load_reads_whatever_it_is(tmp_path):
    boxes = next(iter(r2s.synthetic_boxes("pick_up", count=1).values()))
    r2s.save(tmp_path / "boxes.npz", boxes)
    found = r2s.load(tmp_path / "boxes.npz")
    assert isinstance(found, r2s.BoxTrack)
    np.testing.assert_array_equal(found.boxes, boxes.boxes)
    with pytest.raises(r2s.UserError, match="expected a file, found nothing"):
        r2s.load(tmp_path / "none.npz")


def test_no_public_name_is_that_of_a_room():
    rooms = {path.parent.name for path in Path(r2s.__file__).parent.glob("*/__init__.py")}
    assert not rooms & set(r2s.__all__)
