"""What a training keeps of the run before it, of itself when it is killed or the disk is full, and from others."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from real2sim_jax.config.learning import NetworkConfig
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.policy import load_policy
from real2sim_jax.data.artefacts import read_json
from real2sim_jax.data.locks import locked
from real2sim_jax.learning.networks import Networks
from real2sim_jax.learning.ppo import PPO, Batch
from real2sim_jax.learning.train import Callbacks, train, train_population
from tests.command_line import exit_code
from tests.demos import lifts
from tests.learning.probe import TINY, Probe

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]
OTHER = replace(TINY, seed=1)


def bytes_of(folder):
    return (folder / "policy.npz").read_bytes()


def stop(progress):
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("straight") / "seed0"
    train(Probe(), lifts(), TINY, folder)
    return folder


@pytest.fixture
def earlier(straight, tmp_path):
    """A copy of it, in the way of the next one."""
    return Path(shutil.copytree(straight, tmp_path / "seed0"))


def test_an_earlier_run_stays_until_the_new_one_has_a_policy(straight, earlier):
    with pytest.raises(KeyboardInterrupt):
        train(Probe(), lifts(), OTHER, earlier, callbacks=Callbacks(report=stop))
    with pytest.raises(UserError, match="expected them to differ"):
        wider = replace(TINY, ppo=replace(TINY.ppo, envs=16))
        train_population(Probe(), lifts(), {earlier: TINY, earlier.with_name("seed1"): wider})
    assert bytes_of(earlier) == bytes_of(straight)
    assert train(Probe(), lifts(), TINY, earlier, resume=True).complete
    assert not list(earlier.parent.glob("*.previous"))


def test_one_earlier_run_is_kept_and_said(straight, earlier):
    previous, said = earlier.with_name("seed0.previous"), []
    train(Probe(), lifts(), OTHER, earlier, callbacks=Callbacks(say=said.append))
    assert len(said) == 1 and "kept as seed0.previous" in said[0]
    assert bytes_of(previous) == bytes_of(straight) and load_policy(earlier / "policy.npz").provenance
    assert train(Probe(), lifts(), TINY, previous, resume=True).complete
    second = bytes_of(earlier)
    train(Probe(), lifts(), replace(TINY, seed=2), earlier, callbacks=Callbacks(say=said.append))
    assert bytes_of(previous) == second and len(said) == 2
    assert {path.name for path in earlier.parent.iterdir() if path.is_dir()} == {"seed0", "seed0.previous"}


def test_each_member_of_a_population_keeps_its_earlier_run(straight, earlier):
    members = {earlier: OTHER, earlier.with_name("seed1"): replace(TINY, seed=2)}
    with pytest.raises(KeyboardInterrupt):
        train_population(Probe(), lifts(), members, callbacks=Callbacks(report=stop))
    assert bytes_of(earlier) == bytes_of(straight) and not earlier.with_name("seed1").exists()
    train_population(Probe(), lifts(), members)
    assert bytes_of(earlier.with_name("seed0.previous")) == bytes_of(straight)
    assert all(train(Probe(), lifts(), own, folder, resume=True).complete for folder, own in members.items())


@pytest.mark.parametrize("renames", [0, 1])
def test_a_run_that_was_killed_while_it_took_its_folder_goes_on(straight, earlier, monkeypatch, renames):
    done, rename = [], Path.rename

    def killed(self, target):
        if len(done) == renames:
            raise KeyboardInterrupt
        done.append(target)
        return rename(self, target)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "rename", killed)
        train(Probe(), lifts(), OTHER, earlier)
    outcome = train(Probe(), lifts(), OTHER, earlier, resume=True)
    assert outcome.complete and read_json(earlier / "config.json")["config"]["seed"] == 1
    assert bytes_of(earlier.with_name("seed0.previous")) == bytes_of(straight)


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("of years")
    with pytest.raises(UserError, match="other files lie there"):
        train(Probe(), lifts(), TINY, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


HOLDER = """
import sys, time
from pathlib import Path
from real2sim_jax.data.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(100)
"""


def test_two_processes_cannot_work_in_one_folder(straight, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "pick_up"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        assert exit_code("train", "--action", "pick_up") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "another process works there" in line and not folder.exists()
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with locked(folder):
        pass
    with locked(straight), pytest.raises(UserError, match="another process"):
        train(Probe(), lifts(), TINY, straight, resume=True)


class Watched(Probe):
    """A number that nothing is learnt from is infinite."""

    def step(self, state, action):
        after = super().step(state, action)
        return after.replace(metrics={"closeness": jnp.inf * after.metrics["closeness"]})


class Broken(Probe):
    """The reward is no number."""

    def step(self, state, action):
        after = super().step(state, action)
        return after.replace(reward=jnp.nan * after.reward)


def test_what_is_only_watched_ends_no_run(straight, earlier):
    outcome = train(Watched(), lifts(), TINY, earlier)
    assert outcome.complete and not np.isfinite(outcome.history["reward/closeness"]).any()
    assert bytes_of(earlier) == bytes_of(straight)


def test_the_loss_that_ends_a_run_is_named_and_the_earlier_run_stays(straight, earlier):
    with pytest.raises(UserError, match=r"diverged: loss/policy not finite in iteration 0; before its first policy"):
        train(Broken(), lifts(), TINY, earlier)
    assert bytes_of(earlier) == bytes_of(straight)


def test_the_divergence_of_policies_far_apart_is_finite():
    networks = Networks(Probe.observation_size, None, NetworkConfig(hidden=(8,)))
    state = PPO(Probe(), networks, TINY.ppo).init(jax.random.PRNGKey(0))
    inputs = networks.actor_inputs(state.statistics, jnp.zeros((4, 8)))
    ones, log_ratio = jnp.ones(4), jnp.asarray([0.0, -1.0, -300.0, 1e-4])
    mean = networks.actor(state.parameters, inputs)
    at_mean = -jnp.log(jnp.exp(state.parameters.log_sigma) + 0.01).sum()
    batch = Batch(inputs, jnp.zeros((4, 8)), mean, at_mean - log_ratio, ones, ones, ones)
    _, metrics = PPO(Probe(), networks, TINY.ppo)._loss(state.parameters, state.hyper, batch)
    exact = np.asarray(log_ratio, float)
    np.testing.assert_allclose(metrics["kl"], (np.expm1(exact) - exact).mean(), rtol=1e-4)


def fails_at(folder, config, spoil, mend):
    """Train until `spoil` has made writing impossible; return the policy's bytes that were there before."""
    kept = []

    def report(progress):
        if progress.iteration == 3:
            kept.append(bytes_of(folder))
            spoil()

    try:
        with pytest.raises((OSError, ValueError, RuntimeError, UserError)):
            train(Probe(), lifts(), config, folder, callbacks=Callbacks(report=report))
    finally:
        mend()
    return kept[0]


def goes_on(folder, straight, kept):
    assert bytes_of(folder) == kept and load_policy(folder / "policy.npz")
    assert train(Probe(), lifts(), TINY, folder, resume=True).complete
    assert bytes_of(folder) == bytes_of(straight)


def test_a_write_that_fails_loses_neither_checkpoint_nor_policy(straight, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    small = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))  # noqa: E731
    kept = fails_at(tmp_path / "seed0", TINY, small, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits))
    goes_on(tmp_path / "seed0", straight, kept)


def test_a_full_disk_loses_neither_checkpoint_nor_policy(straight, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a small disk")
    filler = disk / "filler"
    try:
        kept = fails_at(disk / "seed0", TINY, lambda: fill(filler), filler.unlink)
        goes_on(disk / "seed0", straight, kept)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(path):
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1024))
        except OSError:
            return


CHILD = """
import sys
from pathlib import Path
from real2sim_jax.learning.train import Callbacks, train
from tests.demos import lifts
from tests.learning.probe import Probe
from tests.learning.test_runs import LONGER
print("starts", flush=True)
train(Probe(), lifts(), LONGER, Path(sys.argv[1]))
print("ends", flush=True)
"""
LONGER = replace(TINY, ppo=replace(TINY.ppo, steps=8 * 120 * 10), checkpoint_every=2)
KILLS = 20


def child(folder):
    return subprocess.Popen([sys.executable, "-c", CHILD, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def trained_in(folder):
    """Train to the end; return the seconds after the imports."""
    process = child(folder)
    assert process.stdout.readline() == "starts\n"
    started = time.monotonic()
    assert process.communicate()[0] == "ends\n" and process.returncode == 0
    return time.monotonic() - started


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_run_that_is_killed_at_any_moment_ends_with_the_same_bytes(tmp_path):
    trained_in(tmp_path / "warm")
    seconds = trained_in(tmp_path / "straight")
    moments, killed = random.Random(0), 0
    for number in range(KILLS):
        folder = tmp_path / f"seed{number}"
        process = child(folder)
        assert process.stdout.readline() == "starts\n"
        time.sleep(seconds * moments.random())
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        train(Probe(), lifts(), LONGER, folder, resume=(folder / "checkpoints").is_dir())
        assert bytes_of(folder) == bytes_of(tmp_path / "straight"), f"kill {number}"
    assert killed >= KILLS // 2
