"""`make states` in small: what it measures, what it leaves out, and how it fails."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from real2sim_jax.config.fitting import FitConfig
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.stages.console import Console

pytestmark = pytest.mark.long

FOLDER = Path(__file__).parents[2] / "experiments" / "states"
QUICK = FitConfig(rounds=((1000, 60), (1, 300)), elevations_deg=(35.0,), hand_turns_deg=(0.0,), batch=12)


@pytest.fixture(scope="module")
def measure():
    spec = importlib.util.spec_from_file_location("measure", FOLDER / "measure.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def evaluate(*arguments):
    words = [sys.executable, str(FOLDER / "evaluate.py"), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_synthetic_scenes_are_compared_with_their_truth(measure, capsys, monkeypatch):
    monkeypatch.setattr(measure, "ACTIONS", {name: ACTIONS[name] for name in ("push_left_to_right", "put_next_to")})
    found = measure.synthetic(measure.boxes(1), Console(), QUICK)
    assert set(found["errors"]) == {"push_left_to_right", "put_next_to", "all"}
    push, beside = found["errors"]["push_left_to_right"], found["errors"]["put_next_to"]
    assert push["moved_cm"][0] < 5.0 and push["anchor_cm"] == [None] * 3 and beside["anchor_cm"][0] < 10.0
    assert 0.5 < push["contact_f1_mean"] <= 1.0
    assert json.dumps(found, allow_nan=False) and found["table"]["all"]["videos"] == 2
    assert "median errors of objects along x" in capsys.readouterr().out


def test_what_is_never_seen_is_null_and_not_nan(measure):
    error = {"moved_m": np.array([0.1, np.nan, 0.2]), "hand_azimuth_deg": float("nan"), "name": "x"}
    assert measure._nullable({"a": error}) == {
        "a": {"moved_m": [0.1, None, 0.2], "hand_azimuth_deg": None, "name": "x"},
    }
    assert measure.middle([np.nan]) is None and measure.middle([3.0, np.nan, 1.0]) == 2.0


def test_without_real_tracks_they_are_left_out_in_one_line(tmp_path):
    done = evaluate("--only", "real", "--tracks", tmp_path / "none", "--out", tmp_path / "out")
    assert done.returncode == 0 and "real videos left out" in done.stdout and not done.stderr


def test_a_measurement_that_fails_is_named(tmp_path):
    (tmp_path / "tracks").mkdir()
    done = evaluate("--only", "real", "--tracks", tmp_path / "tracks", "--out", tmp_path / "out")
    assert done.returncode == 1 and "failed: real_phases" in done.stdout
    assert all("expected box annotations" in line for line in done.stderr.strip().splitlines())


def test_no_scenes_are_refused(tmp_path):
    done = evaluate("--scenes", "0", "--out", tmp_path)
    assert done.returncode == 2 and "expected at least 1" in done.stderr
