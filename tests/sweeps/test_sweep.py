"""`real2sim sweep` in small: what is finished is skipped, what fails costs a line, what is interrupted goes on."""

import os
import re
import signal
import threading
import time
from functools import partial

import pytest

from real2sim_jax.data.artefacts import read_csv, read_json
from real2sim_jax.sweeps import runner
from real2sim_jax.sweeps.population import run_population
from tests.command_line import exit_code

run = partial(exit_code, "sweep")

pytestmark = pytest.mark.long

STUDY = """
question = "Does it run?"
actions = ["push_left_to_right"]
seeds = 2
rows = 10
[base]
train.ppo = { envs = 8, steps = 1920, epochs = 1, minibatches = 2, networks.hidden = [8] }
[conditions.usual]
source.video = 1
[conditions.missing-video]
source.video = 99
[conditions.impossible]
source.video = 1
train.ppo.discount = 0.5
"""
SECTION = "<!-- study small: written by experiments -->\n<!-- study small: end -->\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "small.toml").write_text(STUDY)
    (folder / "page.md").write_text(SECTION)
    return folder


def interrupt_training(runs):
    """Ctrl-C once the training has begun."""
    while not list(runs.rglob("seed1/config.json")):
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)


def failing_where_discounted(job, *others):
    """A population that fails, in one condition, as nobody has foreseen."""
    if job.condition.train.ppo.discount < 1.0:
        raise ZeroDivisionError("division by zero")
    return run_population(job, *others)


@pytest.mark.timeout(900)
def test_a_sweep_to_its_table(files, capsys, monkeypatch):
    monkeypatch.setattr(runner, "run_population", failing_where_discounted)
    runs, page = files / "runs", files / "page.md"
    arguments = (files / "small.toml", "--runs", runs, "--page", page)
    assert run(*arguments) == 1
    shown = capsys.readouterr().out
    assert "2 populations: 0 finished, 2 to do" in shown
    assert "source.video 99: expected 1 to 6" in shown and "ZeroDivisionError: " in shown
    assert len(list(runs.rglob("error.txt"))) == 1
    (summary,) = runs.rglob("summary.json")
    assert read_json(summary)["seeds"] == [0, 1]
    rows = read_csv(runs / "sweeps" / "small.csv", ["condition", "policy", "seed", "spec", "successes", "episodes"])
    assert [(r["policy"], r["seed"]) for r in rows if r["spec"] == "hard"] == [
        ("trained", "0"),
        ("trained", "1"),
        ("reference", "0"),
    ]
    assert {(r["condition"], r["episodes"]) for r in rows} == {("usual", "10")}
    assert "| usual | push_left_to_right | 2 |" in page.read_text()
    assert (runs / "sweeps" / "small.png").stat().st_size > 0

    assert run(files / "small.toml", "--runs", runs, "--plan") == 1
    told = capsys.readouterr().out
    # Two of three conditions can be run, one is finished; the other's two seeds of 1920 steps are left.
    assert re.search(r"small +\W? *2 +\W? *1 +\W? *2 +\W? *0\.0 M", told) and "of the finished populations" in told
    assert "cannot be done: small: missing-video" in told

    before = page.read_text()
    # The same condition of another study has been run already.
    (files / "other.toml").write_text(STUDY.partition("[conditions.missing-video]")[0])
    page.write_text(before + SECTION.replace("small", "other"))
    assert run(files / "other.toml", *arguments[1:]) == 0
    assert "1 populations: 1 finished, 0 to do" in capsys.readouterr().out
    assert page.read_text().startswith(before) and page.read_text().count("| usual |") == 2


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ctrl_c_in_a_training_costs_nothing_that_was_learnt(files, tmp_path):
    arguments = (files / "usual.toml", "--runs", tmp_path)
    arguments[0].write_text(STUDY.partition("[conditions.missing-video]")[0])
    threading.Thread(target=interrupt_training, args=(tmp_path,)).start()
    assert run(*arguments) == 130
    assert list(tmp_path.rglob("checkpoints/*")) and not list(tmp_path.rglob("summary.json"))
    assert run(*arguments) == 0
    (summary,) = tmp_path.rglob("summary.json")
    assert read_json(summary)["resumed"] is True


def test_a_plan_counts_steps_and_hours_and_trains_nothing(files, tmp_path, capsys):
    study = STUDY.partition("[conditions.missing-video]")[0].replace("steps = 1920", "steps = 3_600_000")
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(study)
    arguments = (tmp_path / "a.toml", tmp_path / "b.toml", "--runs", tmp_path / "runs", "--plan")
    assert run(*arguments) == 0
    assert "give --rate STEPS_PER_SECOND" in capsys.readouterr().out
    assert run(*arguments, "--rate", "1000") == 0
    told = [re.findall(r"[\w.]+", line) for line in capsys.readouterr().out.splitlines()]
    # What both studies have is done once.
    assert ["a", "1", "1", "2", "7.2", "M", "2.0"] in told and ["b", "0", "0", "0", "0.0", "M", "0.0"] in told
    assert ["all", "1", "1", "2", "7.2", "M", "2.0"] in told
    assert not list(tmp_path.rglob("*.npz"))
    assert run(*arguments, "--rate", "0") == 2
    assert "--rate 0: expected control steps per second above 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("none.toml",), "none.toml: expected a file, found nothing"),
        (("small.toml", "--quick"), "has no table [quick]"),
        (("small.toml", "--actions", "pick_up"), "--actions pick_up: expected one of push_left_to_right"),
        (("small.toml", "--page", "none.md"), "expected the lines '<!-- study small:"),
        (("small.toml", "--seeds", "0"), "--seeds 0: expected at least 1"),
        ((), "expected at least one study"),
    ],
)
def test_wrong_arguments_are_one_line_and_code_2(files, capsys, monkeypatch, arguments, says):
    monkeypatch.chdir(files)
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
