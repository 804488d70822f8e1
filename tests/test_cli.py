"""The command line as a user meets it: exit codes, one-line errors, and the whole road in small."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import real2sim_jax
from real2sim_jax.benchmarks.report import make_report, save_report
from real2sim_jax.benchmarks.success import Success
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.core.policy import load_policy
from real2sim_jax.data.artefacts import file_hash
from tests.command_line import exit_code as run


def boxes(x, hand=True):
    """One annotated frame with the object at pixel x."""
    labels = [{"box2d": {"x1": x, "x2": x + 60, "y1": 120, "y2": 170}, "gt_annotation": "object 0"}]
    if hand:
        labels.append({"box2d": {"x1": x + 30, "x2": x + 200, "y1": 100, "y2": 190}, "gt_annotation": "object hand"})
    return labels


@pytest.fixture
def tracks(tmp_path):
    """A folder with one small video in the layout that users write."""
    folder = tmp_path / "tracks"
    folder.mkdir()
    frames = [{"name": f"7/{i + 1:04d}.jpg", "labels": boxes(100 + 4 * i)} for i in range(24)]
    (folder / "something_else_boxes.json").write_text(json.dumps({"7": frames}))
    (folder / "actions.csv").write_text("video_id,action,width,height\n7,push_left_to_right,427,240\n")
    return folder


def test_the_package_runs_as_a_module():
    found = subprocess.run(
        [sys.executable, "-m", "real2sim_jax", "--version"], capture_output=True, text=True, check=True
    )
    assert found.stdout == f"real2sim {real2sim_jax.__version__}\n"


def benchmark_report(ok):
    """A report on rows that were mastered or not."""
    yes = np.ones(len(ok), bool)
    identity = {"policy_hash": "a", "spec": "easy", "spec_hash": "b"}
    return make_report(ACTIONS["pick_up"], Success(yes, ok, yes, ok), **identity, physics="batch", seed=0)


def error_line(capsys):
    """The only line on stderr."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("real2sim: "), lines
    return lines[0]


def test_help_names_the_commands(capsys):
    assert run("--help") == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("fit", "evaluate-states", "train", "benchmark", "run", "info"))


def test_compare_puts_policies_side_by_side(capsys, tmp_path):
    shown = np.arange(20)
    for name, ok in (("a", shown < 10), ("b", shown < 15)):
        save_report(tmp_path / name, benchmark_report(ok))
    assert run("compare", tmp_path / "a", tmp_path / "b" / "report_easy.json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("50.0%" in line for line in lines)
    (better,) = [line for line in lines if "75.0%" in line]
    assert [cell.strip() for cell in better.strip("│").split("│")][-3:] == ["5", "0", "0.062"]
    for name in ("[/a]", "two\nlines"):
        save_report(tmp_path / name, benchmark_report(shown < 10))
        assert run("compare", tmp_path / name) == 0, "a name is no markup"
    assert run("compare", tmp_path) == 2
    assert "found none; run `real2sim benchmark` first" in error_line(capsys)


def test_unknown_action(capsys, tmp_path):
    assert run("train", "--action", "juggle", "--runs", tmp_path / "runs") == 2
    assert "expected one of pull_left_to_right" in error_line(capsys)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: shutil.rmtree(folder), "expected"),
        (lambda folder: [path.unlink() for path in folder.iterdir()], "expected"),
        (lambda folder: (folder / "something_else_boxes.json").write_text("{not json"), "malformed"),
        (lambda folder: (folder / "actions.csv").write_text("video_id\n7\n"), "'action' is missing"),
        (lambda folder: (folder / "actions.csv").write_text("video_id,action\n7,juggle\n"), "juggle"),
        (lambda folder: (folder / "actions.csv").write_text("video_id,action\n8,pick_up\n"), "no video listed"),
    ],
    ids=["missing folder", "empty folder", "malformed JSON", "missing column", "unknown action", "unknown video"],
)
def test_wrong_tracks(capsys, tracks, tmp_path, damage, says):
    damage(tracks)
    assert run("fit", "--tracks", tracks, "--out", tmp_path / "out") == 2
    assert says in error_line(capsys)
    assert not list(tmp_path.glob("out/**/*.csv"))


def rewrite(folder, change):
    path = folder / "something_else_boxes.json"
    annotations = json.loads(path.read_text())
    for frame in annotations["7"]:
        change(frame)
    path.write_text(json.dumps(annotations))


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.update(labels=[]),
        lambda frame: [label["box2d"].update(x1=float("nan")) for label in frame["labels"]],
        lambda frame: [label["box2d"].update(x1=5000, x2=5100) for label in frame["labels"]],
    ],
    ids=["no object", "NaN boxes", "boxes outside the image"],
)
def test_a_video_that_cannot_be_fitted_is_named(capsys, tracks, tmp_path, change):
    rewrite(tracks, change)
    assert run("fit", "--tracks", tracks, "--out", tmp_path / "out") == 2
    assert "7" in error_line(capsys)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "--action", "pick_up", "--steps", "5"), "--steps 5: expected at least"),
        (("train", "--action", "pick_up", "--physics", "bullet"), "unknown physics"),
        (("train", "--action", "pick_up", "--envs", "0"), "--envs: expected whole number from 1"),
        (("train", "--action", "pick_up", "--config", "none.toml"), "none.toml: expected a file"),
        (("train", "--action", "pick_up", "--seed", "-1"), "--seed: expected whole number from 0"),
        (("fit", "--action", "pick_up", "--out", "/dev/null/x"), "/dev/null/x"),
        (("benchmark",), "--policy FILE or --action NAME"),
        (("benchmark", "--policy", "none.npz"), "expected a policy file, found none"),
        (("run", "--policy", "none.npz"), "expected a policy file"),
        (("info", "nothing"), "found nothing"),
        (("fit",), "--tracks FOLDER, --video FILE or --action NAME"),
        (("fit", "--tracks", "none", "--videos", " , "), "expected names separated by commas, got ' , '"),
        (("train", "--tracks", "none", "--action", "pick_up", "--videos", ","), "expected names separated by commas"),
        (("info", "two\nlines\x1b[2J"), "two\\nlines\\x1b[2J: expected a file"),
        (("info", "x" * 5000), "File name too long"),
        (("segment", "two\nlines.mp4"), "two\\nlines.mp4: expected a video file"),
    ],
)
def test_wrong_arguments(capsys, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_videos_of_another_action_or_with_a_path_for_a_name_are_refused(capsys, tracks, tmp_path):
    assert run("fit", "--tracks", tracks, "--videos", "7", "--action", "pick_up", "--out", tmp_path / "out") == 2
    assert "7: shows push_left_to_right, expected pick_up" in error_line(capsys)
    path = tracks / "something_else_boxes.json"
    path.write_text(json.dumps({"../7": json.loads(path.read_text())["7"]}))
    (tracks / "actions.csv").write_text("video_id,action\n../7,push_left_to_right\n")
    assert run("fit", "--tracks", tracks, "--out", tmp_path / "out") == 2
    assert "rename the video" in error_line(capsys)


def test_info_names_what_is_damaged(capsys, tmp_path):
    (tmp_path / "report_easy.json").write_text("{}")
    (tmp_path / "track.npz").write_bytes(b"no archive")
    assert run("info", tmp_path) == 0
    shown = capsys.readouterr().out
    assert shown.count("not good") == 2 and "warp" not in shown


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_whole_road_in_small(capsys, tmp_path):
    small = ("--envs", 8, "--steps", 8 * 120, "--rows", 4, "--seeds", 2)
    assert run("train", "--action", "pick_up", "--runs", tmp_path, *small) == 0
    shown = capsys.readouterr().out
    assert "unrandomised start" in shown and "easy: success" in shown and "success of 2 seeds" in shown
    videos, seed = tmp_path / "pick_up", tmp_path / "pick_up" / "seed0"
    for name in ("boxes.npz", "truth.npz", "track.npz", "states.csv", "fit.gif", "quality.json"):
        assert (videos / "synthetic0_0" / name).stat().st_size > 0
    assert (videos / "contact_sheet.png").stat().st_size > 0 and "shows its action" in shown
    names = ("config.json", "metrics.csv", "curves.png", "report_easy.json", "report_hard.json", "rollout.gif")
    for name in (*names, "success_easy.png", "report_easy.html", "report_easy_rewards.png"):
        assert (seed / name).stat().st_size > 0
    assert (seed.parent / "seed1" / "policy.npz").stat().st_size > 0
    assert not list(tmp_path.rglob(".*")), "temporary files left"
    policy = load_policy(seed / "policy.npz")
    assert policy.provenance["parents"] == {"demos": file_hash(videos / "demos.npz")}
    # The benchmark of the shipped file says the same again.
    reports = [seed / "report_easy.json", seed / "report_easy.html"]
    before = [report.read_bytes() for report in reports]
    assert run("benchmark", "--action", "pick_up", "--runs", tmp_path, "--rows", 4) == 0
    assert [report.read_bytes() for report in reports] == before
    assert run("run", "--action", "pick_up", "--runs", tmp_path, "--log", tmp_path / "log.npz") == 0
    assert run("info", tmp_path) == 0
    with np.load(tmp_path / "log.npz") as log:
        assert len(log[log.files[0]]) == 120
