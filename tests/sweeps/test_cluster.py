"""Trainings on a real local Ray cluster of two workers, one of which is killed."""

import importlib.util
import os
import signal
import threading
import time

import numpy as np
import pytest

from real2sim_jax.errors import UserError
from real2sim_jax.learning.train import train
from real2sim_jax.robot.policy import load_policy
from real2sim_jax.sweeps.cluster import Cluster, connected, tasks
from tests.demos import lifts
from tests.learning.test_learning import TINY, Probe

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray (extra `ray`)")
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
