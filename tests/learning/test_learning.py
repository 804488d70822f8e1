import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from real2sim_jax.benchmarks.rollout import make_rollout
from real2sim_jax.config.learning import NetworkConfig, PPOConfig, TrackingConfig, TrainConfig
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.policy import load_policy
from real2sim_jax.data.artefacts import read_columns, read_json
from real2sim_jax.learning.networks import Networks
from real2sim_jax.learning.ppo import PPO
from real2sim_jax.learning.references import references_of
from real2sim_jax.learning.train import Callbacks, make_env, make_ppo, train, train_population
from real2sim_jax.simulation.initial_states import nominal_start
from real2sim_jax.stages.console import Console
from tests.demos import PICK_UP, lifts
from tests.learning.probe import TINY, Probe

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def env():
    return make_env(PICK_UP, lifts(), TINY)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "seed0"
    return folder, train(Probe(), lifts(), TINY, folder)


def fresh_policy(env, **changes):
    """A policy with a random network, and the networks and state that it was exported from."""
    networks = Networks(env.observation_size, references_of(lifts(), TrackingConfig(), PICK_UP)[0], NetworkConfig())
    state = PPO(env, networks, TINY.ppo).init(jax.random.PRNGKey(5)).replace(**changes)
    return networks.export(state.parameters, state.statistics, PICK_UP, {}), networks, state


def test_policy_file_benchmark_and_training_agree(trained):
    generator = np.random.default_rng(0)
    obs = generator.uniform(-1.0, 1.0, (256, 8)).astype(np.float32)
    obs[:, 0] = generator.integers(0, 120, 256) / 120
    obs[:, 7] = generator.uniform(0.0, 0.075, 256)
    policy = load_policy(trained[0] / "policy.npz")
    np.testing.assert_allclose(jax.jit(lambda o: policy.act(o))(obs), policy.act(obs), atol=1e-5)
    # What training would do greedily, with its own networks and statistics.
    exported, networks, state = fresh_policy(Probe())
    greedy = networks.action(obs, networks.actor(state.parameters, networks.actor_inputs(state.statistics, obs)))
    np.testing.assert_allclose(exported.act(obs), greedy, atol=1e-5)


def test_a_resumed_run_equals_an_uninterrupted_one(trained, tmp_path):
    _, straight = trained
    asked = []
    stopped = train(
        Probe(), lifts(), TINY, tmp_path, callbacks=Callbacks(stopped=lambda: len(asked) == 1 or asked.append(1))
    )
    assert not stopped.complete
    assert load_policy(tmp_path / "policy.npz").action == PICK_UP
    resumed = train(Probe(), lifts(), TINY, tmp_path, resume=True)
    assert resumed.complete
    for (a, _), (b, _) in zip(straight.policy.layers, resumed.policy.layers, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(resumed.history["steps"]) == 3


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.demos import lifts
from real2sim_jax.learning.train import Callbacks, train
from tests.learning.probe import TINY, Probe

def report(progress):
    if progress.iteration == 3:
        os.kill(os.getpid(), signal.SIGKILL)

train(Probe(), lifts(), TINY, Path(sys.argv[1]), callbacks=Callbacks(report))
"""


def test_a_killed_run_goes_on_from_its_last_checkpoint(trained, tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path], cwd=Path(__file__).parents[2], check=False)
    assert killed.returncode == -signal.SIGKILL
    resumed = train(Probe(), lifts(), TINY, tmp_path, resume=True)
    for (a, _), (b, _) in zip(trained[1].policy.layers, resumed.policy.layers, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(resumed.history["steps"]) == 3


def test_four_devices_learn_what_one_learns(trained, tmp_path):
    script = """
import sys
from pathlib import Path
import jax
from tests.demos import lifts
from real2sim_jax.learning.train import Callbacks, train
from tests.learning.probe import TINY, Probe
assert jax.device_count() == 4
train(Probe(), lifts(), TINY, Path(sys.argv[1]))
"""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", script, tmp_path], cwd=root, env=environment, check=True)
    for name in ("train/return", "loss/value", "train/sigma_move"):
        found = read_columns(tmp_path / "metrics.csv", [name])[name]
        np.testing.assert_allclose(found, trained[1].history[name], rtol=1e-4)


def test_a_population_leaves_the_runs_of_its_seeds(trained, tmp_path):
    members = {tmp_path / f"seed{seed}": replace(TINY, seed=seed) for seed in (3, 0)}
    other, same = train_population(Probe(), lifts(), members)
    single = trained[1]
    np.testing.assert_allclose(same.history["train/return"], single.history["train/return"], rtol=1e-4)
    for (a, _), (b, _) in zip(single.policy.layers, same.policy.layers, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
    assert np.abs(other.policy.layers[0][0] - same.policy.layers[0][0]).max() > 0.01
    # Each folder is one that a single run could go on from.
    assert train(Probe(), lifts(), TINY, tmp_path / "seed0", resume=True).complete


def test_members_may_differ_in_hyperparameters_but_not_in_their_program(trained, tmp_path):
    still = replace(TINY, ppo=replace(TINY.ppo, learning_rate=1e-30))
    unmoved, moved = train_population(Probe(), lifts(), {tmp_path / "still": still, tmp_path / "same": TINY})
    np.testing.assert_array_equal(unmoved.policy.layers[0][0], unmoved.first_policy.layers[0][0])
    np.testing.assert_allclose(moved.policy.layers[0][0], trained[1].policy.layers[0][0], atol=1e-3)
    assert read_json(tmp_path / "still" / "config.json")["config"]["ppo"]["learning_rate"] == 1e-30
    wider = replace(TINY, ppo=replace(TINY.ppo, envs=16))
    with pytest.raises(UserError, match="differ in seed, learning_rate, clip"):
        train_population(Probe(), lifts(), {tmp_path / "a": TINY, tmp_path / "b": wider})


def test_an_evaluation_is_logged_with_the_iterations_that_it_judged(tmp_path):
    asked = []

    def evaluate(policy, folder):
        asked.append(policy.provenance["iteration"])
        return {"success": len(asked)}

    config = replace(TINY, checkpoint_every=2)
    outcome = train(Probe(), lifts(), config, tmp_path, callbacks=Callbacks(evaluate=evaluate))
    assert asked == [2, 3]
    np.testing.assert_array_equal(outcome.history["eval/success"], [np.nan, 1.0, 2.0])
    assert not [name for name in read_columns(tmp_path / "metrics.csv", ["steps"]) if name.startswith("eval/")]


def test_resume_needs_a_run_of_the_same_configuration(trained, tmp_path):
    with pytest.raises(UserError, match="nothing to resume"):
        train(Probe(), lifts(), TINY, tmp_path / "none", resume=True)
    other = TrainConfig(ppo=PPOConfig(envs=8, steps=8 * 120 * 4, epochs=1, minibatches=2), checkpoint_every=1)
    with pytest.raises(UserError, match="another configuration"):
        train(Probe(), lifts(), other, trained[0], resume=True)


class Breaking(Probe):
    """Where an episode starts at one certain place, nothing is a number."""

    def __init__(self, place):
        self.place = place

    def sample_start(self, key, difficulty):
        start = super().sample_start(key, difficulty)
        return jnp.where(start == self.place, jnp.nan, start)


def starts_of_iterations(count):
    """The starts of the first iterations of a run of TINY."""
    ppo = make_ppo(Probe(), lifts(), TINY.ppo)
    state, iterate, starts = ppo.init(jax.random.PRNGKey(TINY.seed)), jax.jit(ppo.iterate), []
    for _ in range(count):
        state, _ = iterate(state)
        starts.append(np.asarray(state.starts))
    return starts


def test_a_loss_that_is_not_finite_keeps_the_last_good_policy(tmp_path):
    first, second = starts_of_iterations(2)
    with pytest.raises(UserError, match="diverged: loss/policy not finite in iteration 1; last policy kept"):
        train(Breaking(np.setdiff1d(second, first)[0]), lifts(), TINY, tmp_path)
    kept = load_policy(tmp_path / "policy.npz")
    assert kept.provenance["iteration"] == 1 and all(np.isfinite(weights).all() for weights, _ in kept.layers)


def test_ctrl_c_asks_the_training_to_end():
    console = Console()
    with console.training(100) as watch:
        assert not watch.stopped()
        signal.raise_signal(signal.SIGINT)
        assert watch.stopped()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_the_same_seed_gives_the_same_bits(env, tmp_path):
    config = replace(TINY, ppo=replace(TINY.ppo, steps=8 * 120 * 2))
    first, second = (train(env, lifts(), config, tmp_path / name) for name in ("a", "b"))
    for (a, x), (b, y) in zip(first.policy.layers, second.policy.layers, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(x, y)
    # The physics keeps a clock.
    assert all((first.history[f"time/{part}_s"] > 0.0).all() for part in ("physics", "networks", "update"))


def test_rollout_judges_every_start(env):
    heights, radii = jnp.asarray([[0.07], [0.09]]), jnp.asarray([[0.042], [0.048]])
    starts = jax.vmap(lambda h, r: nominal_start(PICK_UP, h, r, jnp.zeros(3)))(heights, radii)
    trajectory, success, returns = make_rollout(env)(fresh_policy(env)[0], starts)
    assert trajectory.object_position.shape == (2, 121, 1, 3)
    np.testing.assert_allclose(trajectory.object_position[:, 0, 0, 2], [0.035, 0.045], atol=1e-6)
    # The reference alone already lifts from the start without noise.
    assert success.ok.all() and (returns > 0.6).all()


def test_wandb_gets_the_numbers_that_tensorboard_gets(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="needs the extra wandb")
    from wandb.proto.wandb_internal_pb2 import Record
    from wandb.sdk.internal.datastore import DataStore

    monkeypatch.setenv("WANDB_MODE", "offline")
    config = replace(TINY, ppo=replace(TINY.ppo, steps=8 * 120 * 2))
    evaluate = lambda policy, folder: {"success": 0.25}  # noqa: E731
    outcome = train(
        Probe(), lifts(), config, tmp_path, callbacks=Callbacks(evaluate=evaluate), wandb_project="real2sim"
    )
    (path,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    store, rows, told = DataStore(), [], {}
    store.open_for_scan(str(path))
    while (data := store.scan_data()) is not None:
        record = Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "run":
            told |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        if record.WhichOneof("record_type") == "history":
            rows.append({item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item})
    assert told["ppo"]["envs"] == 8
    assert [row["_step"] for row in rows] == outcome.history["steps"].tolist() == [960, 1920]
    for name in ("train/return", "loss/value", "eval/success"):
        np.testing.assert_allclose([row[name] for row in rows], outcome.history[name], rtol=1e-6)
