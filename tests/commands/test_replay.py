"""`real2sim replay`: tables, JSON, pictures, exit codes."""

import json

import numpy as np
import pytest
from PIL import Image

from real2sim_jax.commands.replay import read_track
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.data.artefacts import save
from real2sim_jax.data.types import HAND
from real2sim_jax.formats.published_states import write_states
from real2sim_jax.replay import simulate as simulation
from real2sim_jax.synthetic.scenes import synthetic_scenes
from tests.command_line import exit_code as run


def touchless(track):
    return track.replace(touching=np.zeros_like(track.touching))


@pytest.fixture
def states(tmp_path):
    """A fit of ours that succeeds, states of a hand that never touches, and a damaged file."""
    folder = tmp_path / "states"
    truth = synthetic_scenes(ACTIONS["pick_up"], 2, 7)
    write_states(folder / "pick_up" / "1" / "states.csv", truth[0])
    save(folder / "pick_up" / "1" / "track.npz", truth[0])
    write_states(folder / "2.csv", touchless(truth[1]))
    (folder / "pick_up" / "3.csv").write_text("cdis,cazi\n1,\n")
    (folder / "actions.csv").write_text("video_id,action\n2,pick_up\n")
    return folder


def test_table_pictures_and_a_bad_video_that_costs_a_line(capsys, states, tmp_path):
    out = tmp_path / "out"
    arguments = ("--states", states, "--actions", states / "actions.csv", "--gif", "--out", out)
    assert run("replay", *arguments, "--json", tmp_path / "replay.json") == 0
    shown = capsys.readouterr().out
    lines = {line.split("│")[1].strip(): line.split("│") for line in shown.splitlines() if line.startswith("│")}
    assert [cell.strip() for cell in lines["1"][3:6]] == ["yes", "yes", "-"]
    assert [cell.strip() for cell in lines["2"][3:5]] == ["yes", "no"] and "lifted" in lines["2"][5]
    assert "2 / 2" in lines["all"][2] and "1 / 2" in lines["all"][3]
    assert "not replayed 3:" in shown and "times slower than the videos" in shown
    frames = Image.open(out / "1" / "replay.gif")
    assert frames.n_frames == len(synthetic_scenes(ACTIONS["pick_up"], 1, 7)[0].valid) and frames.width == 800
    written = json.loads((tmp_path / "replay.json").read_text())
    assert written["table"]["all"] == {"successes": 1, "fits_that_show_the_action": 2, "videos": 2}
    assert written["videos"]["1"]["success"] and written["videos"]["1"]["deviation_m"] < 0.01
    assert written["videos"]["1"]["slower"] > 3.0 and list(written["refused"]) == ["3"]


def test_json_and_nothing_else(capsys, states):
    assert run("replay", "--states", states, "--actions", states / "actions.csv", "--videos", "1", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(printed["videos"]) == ["1"] and printed["refused"] == {}


def test_an_interrupt_shows_what_is_done(capsys, states, monkeypatch):
    once, asked = simulation.replay, []

    def interrupted(*arguments):
        asked.append(arguments)
        if len(asked) > 1:
            raise KeyboardInterrupt
        return once(*arguments)

    monkeypatch.setattr(simulation, "replay", interrupted)
    assert run("replay", "--states", states, "--actions", states / "actions.csv") == 130
    printed = capsys.readouterr()
    assert "1 / 1" in printed.out and printed.err.strip() == "real2sim: interrupted"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--states", "nothing"), "expected a folder of state files"),
        (("--states", "bad"), "could be"),
        (("--states", "states/pick_up", "--videos", "77"), "no states of video 77"),
        (("--states", "states/pick_up", "--slower", "0.5"), "expected 1 to 100"),
        (("--states", "states/pick_up", "--slower", "nan"), "expected 1 to 100"),
        (("--states", "states/pick_up", "--json", "a", "b"), "at most one file"),
        (("--states", "huge"), "none of 1 videos could be replayed; expected"),
    ],
)
def test_wrong_input_is_one_line_and_code_2(capsys, states, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad" / "pick_up").mkdir(parents=True)
    (tmp_path / "bad" / "pick_up" / "3.csv").write_text("cdis\n")
    truth = synthetic_scenes(ACTIONS["pick_up"], 1, 7)[0]
    write_states(tmp_path / "huge" / "pick_up" / "3.csv", truth.replace(half_extents=50.0 * truth.half_extents))
    assert run("replay", *arguments) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_a_touch_that_is_not_known_is_where_the_tip_is_at_the_object(tmp_path):
    truth = synthetic_scenes(ACTIONS["put_onto"], 1, 7)[0]
    write_states(tmp_path / "1.csv", truth)
    lines = (tmp_path / "1.csv").read_text().splitlines()
    (tmp_path / "1.csv").write_text("\n".join([lines[0], *(line.rsplit(",", 1)[0] + ",-1" for line in lines[1:])]))
    touching = read_track(tmp_path / "1.csv").touching
    apart = np.linalg.norm(truth.position[:, HAND] - truth.position[:, 1], axis=-1)
    assert touching[np.asarray(truth.touching)].all() and not touching[apart > 0.15].any()


def test_a_damaged_track_beside_good_states_is_named_and_does_not_matter(states, capsys):
    (states / "pick_up" / "1" / "track.npz").write_bytes(b"no")
    assert len(read_track(states / "pick_up" / "1" / "states.csv").touching) > 10
    arguments = ("--states", states, "--actions", states / "actions.csv", "--videos", "1")
    assert run("replay", *arguments) == 0
    assert "1: not used:" in (shown := capsys.readouterr().out) and "track.npz: damaged" in shown
    assert run("replay", *arguments, "--json") == 0
    assert "track.npz: damaged" in json.loads(capsys.readouterr().out)["notes"]["1"][0]
    assert run("evaluate-states", states, "--actions", states / "actions.csv") == 0
    assert "1: not used:" in (shown := capsys.readouterr().out) and "track.npz: damaged" in shown
