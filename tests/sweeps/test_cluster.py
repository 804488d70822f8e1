"""Trainings on a real local Ray cluster of two workers, one of which is killed."""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from real2sim_jax.cli import main
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.policy import load_policy
from real2sim_jax.data.artefacts import read_csv
from real2sim_jax.learning.train import train
from real2sim_jax.sweeps.cluster import Cluster, connected, tasks
from tests.demos import lifts
from tests.learning.probe import TINY, Probe

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray (extra `ray`)"),
]
# Two tasks at once, however many cores there are.
TWO_WORKERS = Cluster("local", cpus=(os.cpu_count() or 1) / 2)


def training(name, started):
    """Train the probe; leave a file that is called like the job and the process."""
    (started / f"{name}.{os.getpid()}").touch()
    folder = started / name / str(os.getpid())
    train(Probe(), lifts(), TINY, folder)
    return (folder / "policy.npz").read_bytes()


def failing(name, message):
    if message:
        raise OSError(message)
    return name


def processes(folder, name):
    return [int(path.suffix[1:]) for path in folder.glob(f"{name}.*") if path.is_file()]


def kill_once(folder, name):
    """Kill the first worker that starts the job."""
    while not (found := processes(folder, name)):
        time.sleep(0.05)
    os.kill(found[0], signal.SIGKILL)


@pytest.fixture(scope="module")
def cluster():
    with connected(TWO_WORKERS) as connection:
        yield connection


def test_a_killed_worker_costs_nothing_but_time(cluster, tmp_path):
    started = tmp_path / "started"
    started.mkdir()
    killer = threading.Thread(target=kill_once, args=(started, "b"))
    killer.start()
    results = dict(tasks(cluster, training, {name: (name, started) for name in "abc"}, TWO_WORKERS))
    killer.join()
    assert set(results) == set("abc")
    assert len(processes(started, "b")) == 2, "the killed job was not started again"
    assert len(processes(started, "a")) == 1, "a finished job was started again"
    policies = {}
    for name, content in results.items():
        (tmp_path / f"{name}.npz").write_bytes(content)
        policies[name] = load_policy(tmp_path / f"{name}.npz")
    for (a, _), (b, _) in zip(policies["a"].layers, policies["b"].layers, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_task_that_fails_leaves_the_others_alone(cluster):
    calls = {"bad": ("bad", "no space left"), "good": ("good", "")}
    results = dict(tasks(cluster, failing, calls, TWO_WORKERS))
    assert results["good"] == "good"
    assert isinstance(results["bad"], Exception) and "no space left" in str(results["bad"])


def test_without_a_cluster_at_the_address():
    with (
        pytest.raises(UserError, match=r"found none .*refused"),
        connected(Cluster("127.0.0.1:1")),
    ):
        pass


SCRIPT = """
from pathlib import Path
import sys
from real2sim_jax.cli import main
folder = Path(sys.argv[1])
main(["sweep", str(folder / "small.toml"), "--runs", str(folder / "there"), "--ray", "local"])
"""
STUDY = """
question = "Is it the same there as here?"
actions = ["push_left_to_right"]
seeds = 1
rows = 10
[base]
source.video = 1
train.ppo = { envs = 8, steps = 1920, epochs = 1, minibatches = 2 }
[conditions.one]
[conditions.two]
train.ppo.replay = 0.0
[conditions.diverging]
train.ppo.learning_rate = 100.0
"""


@pytest.mark.slow
def test_a_study_finds_there_what_it_finds_here(tmp_path, capsys):
    (tmp_path / "small.toml").write_text(STUDY)
    done = subprocess.run([sys.executable, "-c", SCRIPT, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "training diverged" in done.stdout
    with pytest.raises(SystemExit):
        main(["sweep", str(tmp_path / "small.toml"), "--runs", str(tmp_path / "here")])
    columns = ("condition", "seed", "policy", "spec", "successes", "config_hash")
    rows = [read_csv(tmp_path / place / "sweeps" / "small.csv", columns) for place in ("here", "there")]
    here, there = ([[row[name] for name in columns] for row in every] for every in rows)
    assert len(here) == 8 and here == there
