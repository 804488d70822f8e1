"""`real2sim evaluate-states`: tables, JSON, exit codes."""

import json

import numpy as np
import pytest

from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.formats.published_states import write_states
from real2sim_jax.synthetic.scenes import synthetic_scenes
from tests.command_line import exit_code as run


@pytest.fixture
def states(tmp_path):
    """A success, a failure and a damaged file."""
    folder = tmp_path / "states"
    truth = synthetic_scenes(ACTIONS["pick_up"], 1, 7)[0]
    write_states(folder / "pick_up" / "1.csv", truth)
    write_states(folder / "put_behind" / "2" / "states.csv", synthetic_scenes(ACTIONS["put_in_front_of"], 1, 7)[0])
    (folder / "pick_up" / "3.csv").write_text("cdis,cazi\n1,\n")
    return folder


def test_tables_by_action_with_failures_and_what_could_not_be_judged(capsys, states):
    assert run("evaluate-states", states) == 0
    shown = capsys.readouterr().out
    lines = {line.split("│")[1].strip(): line for line in shown.splitlines() if line.startswith("│")}
    assert "1 / 1" in lines["pick_up"] and "2 / 6" in lines["pick_up"]
    assert "0 / 1" in lines["put_behind"] and "6 / 6" in lines["put_behind"]
    assert "1 / 2" in lines["all"] and "in the sector" in lines["2"]
    assert "largest side of an object" in shown and "not judged 3:" in shown


def test_json_and_nothing_else(capsys, states, tmp_path):
    assert run("evaluate-states", states, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["table"]["all"] == {
        "successes": 1,
        "videos": 2,
        "published_successes": 8,
        "published_videos": 12,
    }
    assert printed["videos"]["2"]["broken_rules"] == ["in the sector"] and list(printed["refused"]) == ["3"]
    assert run("evaluate-states", states, "--json", tmp_path / "out.json") == 0
    assert json.loads((tmp_path / "out.json").read_text()) == printed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nothing",), "expected a folder of state files"),
        (("states/pick_up", "--actions", "none.csv"), "none.csv"),
        (("bad",), "none of 1 state files could be judged"),
        (("states", "--json", "a", "b"), "at most one file"),
    ],
)
def test_wrong_input_is_one_line_and_code_2(capsys, states, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad" / "pick_up").mkdir(parents=True)
    (tmp_path / "bad" / "pick_up" / "3.csv").write_text("cdis\n")
    assert run("evaluate-states", *arguments) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_a_published_camera_is_corrected(capsys, tmp_path):
    truth = synthetic_scenes(ACTIONS["push_left_to_right"], 1, 7)[0]
    # A turn more, without the range factor of a quarter of pi: right with the correction, 98 degrees off without.
    azimuth = (truth.camera.azimuth + 2.0 * np.pi) / (np.pi / 4.0)
    published = truth.replace(camera=truth.camera.replace(azimuth=azimuth))
    write_states(tmp_path / "push_left_to_right" / "1.csv", published)
    broken = {}
    for option in ("--published-camera", "--no-published-camera"):
        assert run("evaluate-states", tmp_path, option, "--json") == 0
        broken[option] = json.loads(capsys.readouterr().out)["videos"]["1"]["broken_rules"]
    assert broken["--published-camera"] == [] and "moved" in broken["--no-published-camera"]
