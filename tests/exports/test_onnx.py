"""The ONNX graph computes what the policy computes."""

import json

import numpy as np
import pytest

from real2sim_jax.core.observation import POLICY_FIELDS, observation
from tests.policies import random_policy

onnx = pytest.importorskip("onnx")


def run_graph(model, obs):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"observation": obs.astype(np.float32)})[0]


def observations(count=300):
    rng = np.random.default_rng(0)
    wxyz = rng.normal(size=(count, 4))
    # Some near identity, some near half a turn, where the rotation vector is delicate.
    wxyz[::5, 1:] *= 1e-4
    wxyz[1::5, 0] *= 1e-4
    wxyz /= np.linalg.norm(wxyz, axis=-1, keepdims=True)
    times = rng.uniform(0, 11, count)
    return observation(times, rng.normal(0, 0.2, (count, 3)), wxyz, rng.uniform(0, 0.075, count))


@pytest.mark.parametrize("seed", range(3))
def test_the_graph_acts_as_the_policy(seed):
    from real2sim_jax.exports.onnx import to_onnx

    policy, obs = random_policy(seed, scale=0.3), observations().astype(np.float32)
    np.testing.assert_allclose(run_graph(to_onnx(policy), obs), policy.act(obs), atol=1e-5)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_the_graph_has_no_action_for_what_is_not_finite_as_the_policy(number):
    from real2sim_jax.exports.onnx import to_onnx

    policy, obs = random_policy(scale=0.3), observations(9).astype(np.float32)
    obs[np.arange(8), np.arange(8)] = number
    actions = run_graph(to_onnx(policy), obs)
    assert np.isnan(actions[:8]).all() and np.isfinite(actions[8]).all()
    np.testing.assert_allclose(actions, policy.act(obs), atol=1e-5)


def test_the_file_is_valid_and_says_what_it_is(tmp_path):
    from real2sim_jax.exports.onnx import save_onnx

    path = tmp_path / "policy.onnx"
    save_onnx(path, random_policy())
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    known = {entry.key: entry.value for entry in model.metadata_props}
    assert known["action"] == "pick_up" and json.loads(known["observation"]) == list(POLICY_FIELDS)
    assert float(known["dt_s"]) == random_policy().dt
    assert list(tmp_path.iterdir()) == [path]
