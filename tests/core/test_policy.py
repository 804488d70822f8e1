"""The policy file: what is saved is what acts, and nothing damaged gets through."""

import io
import json
import zipfile
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from real2sim_jax.core.actions import ACTIONS, Action
from real2sim_jax.core.observation import (
    FEATURE_SIZE,
    LAYOUTS,
    PLACE_FIELDS,
    POLICY_FIELDS,
    feature_size,
    features,
    observation,
)
from real2sim_jax.core.policy import MAX_BYTES, PolicyError, load_policy, save_policy
from real2sim_jax.core.predicates import HandPoints, MovedBy
from real2sim_jax.core.rotations import azimuth_elevation_from_wxyz, matrix_from_wxyz, wxyz_from_azimuth_elevation
from real2sim_jax.robot.controller import Controller, run
from real2sim_jax.robot.interface import SimulatedArm
from tests.policies import random_policy


def rewritten(path, header=None, **arrays):
    """The policy file with parts of its header and some arrays replaced (None removes one)."""
    with np.load(path) as file:
        content = {name: file[name] for name in file.files}
    head = json.loads(str(content["header"])) | (header or {})
    content |= {"header": np.array(json.dumps(head)), **arrays}
    np.savez(path, **{name: value for name, value in content.items() if value is not None})
    return path


def random_observations(count=50):
    rng = np.random.default_rng(0)
    wxyz = rng.normal(size=(count, 4))
    wxyz /= np.linalg.norm(wxyz, axis=-1, keepdims=True)
    return observation(rng.uniform(0, 10, count), rng.normal(0, 0.2, (count, 3)), wxyz, rng.uniform(0, 0.075, count))


def test_loaded_policy_acts_as_the_saved_one(policy, policy_file):
    obs = random_observations()
    loaded = load_policy(policy_file)
    np.testing.assert_array_equal(loaded.act(obs), policy.act(obs))
    assert (loaded.action, loaded.dt, loaded.provenance) == (policy.action, policy.dt, policy.provenance)


def test_robot_and_simulator_compute_the_same(policy):
    obs = random_observations().astype(np.float32)
    np.testing.assert_allclose(policy.act(obs), policy.act(jnp.asarray(obs)), atol=1e-5)


def test_reference_row_follows_the_clock(policy):
    still = np.array([0.0, 0.0, 0.0])
    obs = [observation(np.array(t), still, np.array([1.0, 0, 0, 0]), np.array(0.0)) for t in (0.0, 7.0, 10.0, 99.0)]
    assert [int(policy.reference.row(o[..., 0])) for o in obs] == [0, 84, 120, 120]


def test_the_reference_alone_reaches_its_target(policy):
    # Constant reference, no network: a first-order approach at the gains' rates.
    reference = replace(
        policy.reference,
        position=np.tile([0.1, 0.05, 0.3], (121, 1)),
        wxyz=np.tile(wxyz_from_azimuth_elevation(np.array(1.0), np.array(0.2)), (121, 1)),
        velocity=np.zeros((121, 3)),
    )
    layers = tuple((np.zeros_like(weight), np.zeros_like(bias)) for weight, bias in policy.layers)
    arm = SimulatedArm((-0.1, 0.0, 0.3), -1.0, 0.0, policy.dt)
    run(Controller(replace(policy, reference=reference, layers=layers)), arm, 72)
    state = arm.read()
    np.testing.assert_allclose(state.position, [0.1, 0.05, 0.3], atol=1e-3)
    np.testing.assert_allclose(azimuth_elevation_from_wxyz(state.wxyz), (1.0, 0.2), atol=1e-3)


def test_features_are_continuous_at_half_a_turn():
    # Rotation vectors pi and -pi about one axis are the same orientation.
    pair = np.zeros((2, 8))
    pair[:, 5] = np.pi, -np.pi
    first, second = features(pair)
    np.testing.assert_allclose(first, second, atol=1e-12)
    assert first.shape == (FEATURE_SIZE,)


def test_a_policy_that_sees_the_object_is_kept_whole_and_refused_by_robots(tmp_path):
    policy = random_policy(features=feature_size(len(LAYOUTS[1])))
    save_policy(tmp_path / "policy.npz", policy)
    loaded = load_policy(tmp_path / "policy.npz")
    assert loaded.layout == LAYOUTS[1] and loaded.sees_object
    obs = np.array([0.1, 0.0, 0.1, 0.2, 0.3, 0.2, 0.1, 0.05, 0.02, 0.0, 0.04, 0.0, 0.0, 1.0])
    np.testing.assert_array_equal(loaded.act(obs), policy.act(obs))
    assert (loaded.act(obs) != loaded.act(obs + 0.1 * (np.arange(14) == 8))).any()
    with pytest.raises(PolicyError, match="robots do not report"):
        Controller(loaded)


def fetching_policy():
    """A random policy that observes where the moved object stood, and whose reference goes with it."""
    policy = random_policy(features=feature_size(len(POLICY_FIELDS) + len(PLACE_FIELDS)))
    share = np.clip(np.linspace(2.0, -1.0, len(policy.reference.grip)), 0.0, 1.0).astype(np.float32)
    reference = replace(policy.reference, fetched_from=np.array([0.3, -0.2], np.float32), share=share)
    return replace(policy, reference=reference, mean=policy.mean + 0.1, std=policy.std * 2.0)


def test_a_policy_that_fetches_something_is_the_same_once_it_has_the_place(tmp_path):
    save_policy(tmp_path / "policy.npz", fetching_policy())
    policy = load_policy(tmp_path / "policy.npz")
    assert policy.sees_place and not policy.sees_object
    place = np.array([0.35, -0.1])
    obs = random_observations(200)
    seen = np.concatenate([obs, np.tile(place, (200, 1))], axis=1)
    placed = policy.placed(place)
    assert placed.layout == POLICY_FIELDS
    np.testing.assert_allclose(placed.act(obs), policy.act(seen), atol=1e-5)
    assert np.abs(policy.placed(place + 0.1).act(obs) - placed.act(obs)).max() > 0.01
    Controller(placed)
    with pytest.raises(PolicyError, match="give --moved-from"):
        Controller(policy)


def test_the_target_goes_with_the_object_until_it_is_put_down():
    reference = fetching_policy().reference
    away = reference.fetched_from + np.array([0.1, 0.05], np.float32)
    moved, speed = reference.displacement(np.array([0.0, 0.5, 1.0]), np.tile(away, (3, 1)))
    np.testing.assert_allclose(moved, [[0.1, 0.05, 0.0], [0.05, 0.025, 0.0], [0.0, 0.0, 0.0]], atol=1e-6)
    # Half of it within the 10/3 s in which the share falls from 1 to 0.
    np.testing.assert_allclose(speed[1], [-0.03, -0.015, 0.0], atol=1e-6)
    assert not speed[[0, 2]].any()


def test_the_gripper_sees_the_object_the_same_wherever_both_stand():
    # 0.1 m before the palm, along the gripper's approach axis.
    for turn in (0.0, 0.7, 2.0):
        wxyz = wxyz_from_azimuth_elevation(np.array(turn), np.array(0.3))
        position = np.array([0.2 * turn, 0.1, 0.3])
        centre = position + 0.1 * matrix_from_wxyz(wxyz)[:, 2]
        head = observation(np.array(0.0), position, wxyz, np.array(0.02))
        seen = features(np.concatenate([head, centre, [0.0, 0.0, 1.0]]))
        np.testing.assert_allclose(seen[20:23], [0.0, 0.0, 0.5], atol=1e-9)


@given(st.integers(0, 2000))
def test_truncated_files_are_refused(tmp_path_factory, length):
    path = tmp_path_factory.mktemp("policy") / "policy.npz"
    save_policy(path, random_policy())
    data = path.read_bytes()
    path.write_bytes(data[: min(length, len(data) - 1)])
    with pytest.raises(PolicyError, match="not a policy file"):
        load_policy(path)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_byte_never_escapes_as_another_error(tmp_path_factory, place, change):
    path = tmp_path_factory.mktemp("policy") / "policy.npz"
    save_policy(path, random_policy())
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= change
    path.write_bytes(data)
    try:
        load_policy(path)
    except PolicyError as error:
        assert "\n" not in str(error)


def test_pickled_arrays_are_refused(policy_file):
    np.savez(policy_file, header=np.array({"format": "real2sim-policy"}, dtype=object))
    with pytest.raises(PolicyError, match="not a policy file"):
        load_policy(policy_file)
    with pytest.raises(PolicyError, match="not a policy file"):
        load_policy(rewritten_with_object(policy_file))


def rewritten_with_object(path):
    save_policy(path, random_policy())
    return rewritten(path, mean=np.array([None] * FEATURE_SIZE, dtype=object))


def test_files_that_unpack_to_too_much_are_refused(tmp_path):
    path = tmp_path / "policy.npz"
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(MAX_BYTES // 4 + 1, np.float32))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weight0.npy", buffer.getvalue())
    assert path.stat().st_size < MAX_BYTES / 100
    with pytest.raises(PolicyError, match="unpacks to"):
        load_policy(path)


def test_huge_declared_shapes_are_refused(policy_file):
    # The array's own header promises far more than its bytes hold.
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }"
    head = b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text + b"\n"
    with zipfile.ZipFile(policy_file, "a") as archive:
        archive.writestr("weight9.npy", head)
    with pytest.raises(PolicyError, match="not a policy file"):
        load_policy(policy_file)


@pytest.mark.parametrize(
    "header, message",
    [
        ({"format": "other"}, "format = 'other', expected 'real2sim-policy'"),
        ({"version": 1}, "version = 1, expected 2"),
        ({"version": True}, "version = True"),
        ({"observation": ["time"]}, "expected the layout"),
        ({"observation": None}, "expected the layout"),
        ({"dt": 0.0}, "dt = 0.0, expected 0.001 to 1 s"),
        ({"dt": float("nan")}, "dt = nan"),
        ({"layers": 10**9}, "layers = 1000000000, expected 1 to 16"),
        ({"layers": True}, "layers = True"),
        ({"layers": 3}, "'weight2' is missing"),
        ({"layers": 1}, "unknown"),
        ({"action": "pick_up\nrm"}, "expected a short name"),
        ({"action": "\x1b[2J"}, "expected a short name"),
        ({"action": "a" * 1000}, "expected a short name"),
        ({"action": 5}, "expected a short name"),
        ({"version": "1\n" * 99}, "version"),
        ({"dt": "soon\n" * 99}, "dt = "),
        ({"colour\n": 1}, "'colour.*' is unknown"),
        ({"record": 5}, "record = 5, expected a table"),
        ({"record": {"success": [{"rule": "flown"}]}}, "rule: expected one of moved_by, .* got 'flown'"),
        ({"record": {"success": []}}, "expected a list of rules"),
    ],
)
def test_other_headers_are_refused(policy_file, header, message):
    with pytest.raises(PolicyError, match=message) as caught:
        load_policy(rewritten(policy_file, header))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300 + len(str(policy_file))


def test_a_policy_brings_the_action_that_it_is_for(tmp_path):
    own = Action("nudge", (MovedBy("away", 0.02), HandPoints(45.0)), ends_holding=True)
    save_policy(tmp_path / "policy.npz", replace(random_policy(), action=own))
    assert load_policy(tmp_path / "policy.npz").action == own


def test_policies_from_before_there_were_records_are_of_the_nine(policy_file):
    with np.load(policy_file) as file:
        content = {key: file[key] for key in file.files}
    head = json.loads(str(content.pop("header")))
    del head["record"]
    np.savez(policy_file, header=np.array(json.dumps(head)), **content)
    assert load_policy(policy_file).action == ACTIONS["pick_up"]
    with pytest.raises(PolicyError, match="unknown action 'wave'"):
        load_policy(rewritten(policy_file, {"action": "wave"}))


@pytest.mark.parametrize("name", ["format", "version", "action", "dt", "observation", "layers", "provenance"])
def test_a_header_that_lacks_an_entry_is_refused(policy_file, name):
    with np.load(policy_file) as file:
        content = {key: file[key] for key in file.files}
    head = json.loads(str(content.pop("header")))
    del head[name]
    np.savez(policy_file, header=np.array(json.dumps(head)), **content)
    with pytest.raises(PolicyError, match=f"no '{name}'"):
        load_policy(policy_file)


@pytest.mark.parametrize("header", ["[]", "5", "null", '"text"', "[" * 200_000, "9" * 5000, "{"])
def test_a_header_that_is_no_table_is_refused(policy_file, header):
    with np.load(policy_file) as file:
        content = {key: file[key] for key in file.files if key != "header"}
    np.savez(policy_file, header=np.array(header), **content)
    with pytest.raises(PolicyError, match="not a policy file") as caught:
        load_policy(policy_file)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300 + len(str(policy_file))


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"weight0": np.full((FEATURE_SIZE, 8), np.nan, np.float32)}, "weight0 is not finite"),
        ({"weight0": np.full((FEATURE_SIZE, 8), 1e30, np.float32)}, "weight0 reaches from 1e.30"),
        ({"bias1": np.full(7, np.inf, np.float32)}, "bias1 is not finite"),
        ({"mean": None}, "'mean' is missing"),
        ({"reference_grip": None}, "'reference_grip' is missing"),
        ({"reference_grip": np.zeros((0,), np.float32)}, "reference_grip has shape"),
        ({"reference_position": np.zeros((120, 3), np.float32)}, "rows = 120"),
        ({"reference_wxyz": np.full((121, 4), np.nan, np.float32)}, "reference_wxyz is not finite"),
        ({"reference_wxyz": np.zeros((121, 4), np.float32)}, "no unit quaternion"),
        ({"reference_wxyz": np.full((121, 4), 0.6, np.float32)}, "no unit quaternion"),
        ({"reference_gains": np.array([-1.0, 1.0], np.float32)}, "reference_gains reaches from -1"),
        ({"weight1": np.zeros((9, 7), np.float32)}, r"weight1 has shape \(9, 7\), expected \(width1 = 8, 7\)"),
        ({"std": np.zeros(FEATURE_SIZE, np.float32)}, "std reaches from 0 to 0"),
        ({"mean": np.zeros(FEATURE_SIZE)}, "float32"),
        ({"mean": np.zeros(FEATURE_SIZE, np.complex64)}, "float32"),
        ({"mean": np.array("text")}, "mean has shape"),
        ({"colour": np.zeros(3, np.float32)}, "'colour' is unknown"),
    ],
)
def test_other_arrays_are_refused(policy_file, arrays, message):
    with pytest.raises(PolicyError, match=message) as caught:
        load_policy(rewritten(policy_file, **arrays))
    assert "\n" not in str(caught.value)


def test_references_without_rows_are_refused(policy_file):
    shapes = {"position": (0, 3), "wxyz": (0, 4), "velocity": (0, 3), "grip": (0,)}
    arrays = {f"reference_{name}": np.zeros(shape, np.float32) for name, shape in shapes.items()}
    with pytest.raises(PolicyError, match="rows is 0"):
        load_policy(rewritten(policy_file, **arrays))


@pytest.mark.parametrize("content", [b"damaged", None], ids=["damaged", "sound"])
def test_a_second_member_of_one_name_is_refused(policy_file, content):
    with zipfile.ZipFile(policy_file, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("mean.npy", content or archive.read("mean.npy"))
    with pytest.raises(PolicyError, match="'mean' twice"):
        load_policy(policy_file)


def test_a_policy_that_would_not_be_read_is_not_saved_over_a_good_one(policy, policy_file):
    before = policy_file.read_bytes()
    with pytest.raises(PolicyError, match="mean is not finite"):
        save_policy(policy_file, replace(policy, mean=np.full(FEATURE_SIZE, np.nan)))
    assert policy_file.read_bytes() == before and list(policy_file.parent.iterdir()) == [policy_file]


def test_a_full_disk_keeps_the_old_policy_and_leaves_nothing_else(policy, full_disk):
    path = full_disk / "policy.npz"
    save_policy(path, policy)
    with pytest.raises(OSError):
        save_policy(path, random_policy(1, hidden=4000))
    np.testing.assert_array_equal(load_policy(path).layers[0][0], policy.layers[0][0])
    assert list(full_disk.iterdir()) == [path]


UNKNOWN = [np.nan, np.inf, -np.inf]


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("number", UNKNOWN)
def test_an_observation_that_is_not_finite_has_no_action(policy, place, number):
    obs = random_observations(3).astype(np.float32)
    whole = policy.act(obs)
    obs[1, place] = number
    for xp in (np, jnp):
        action = np.asarray(policy.act(xp.asarray(obs)))
        assert np.isnan(action[1]).all() and action.dtype == np.float32
        np.testing.assert_allclose(action[[0, 2]], whole[[0, 2]], atol=1e-6)


@pytest.mark.parametrize("provenance", [5, "text", [1, 2], None])
def test_a_provenance_that_is_no_table_is_refused(policy_file, provenance):
    with pytest.raises(PolicyError):
        load_policy(rewritten(policy_file, {"provenance": provenance}))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PolicyError, match="found none"):
        load_policy(tmp_path / "absent.npz")
