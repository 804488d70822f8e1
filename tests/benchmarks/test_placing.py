"""Objects off their place in the benchmark: where they go, and what a policy that is given where does."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from real2sim_jax.benchmarks.placing import Placing, overlapping
from real2sim_jax.benchmarks.specs import displaced, generate
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.policy import load_policy
from real2sim_jax.stages.train_and_benchmark import rollout_of

KEPT = Path(__file__).parents[2] / "experiments" / "skills" / "results"
ROWS = 24


def rows(action):
    return generate("easy", action, ROWS, 3, overlapping(action))


@pytest.mark.parametrize("name", ["pick_up", "put_onto"])
def test_objects_are_moved_along_the_table_into_free_space(name):
    action = ACTIONS[name]
    before = rows(action)
    after = displaced(before, 0.1, 0, overlapping(action))
    shift = np.asarray(before.gripper_position) - after.gripper_position
    np.testing.assert_allclose(np.linalg.norm(shift[:, :2], axis=1), 0.1, atol=1e-6)
    assert not shift[:, 2].any() and shift[:, :2].min() < -0.05 and shift[:, :2].max() > 0.05
    assert not np.asarray(overlapping(action)(after)).any()
    unchanged = [leaf for leaf, old in zip(jax.tree.leaves(after), jax.tree.leaves(before), strict=True) if leaf is old]
    assert len(unchanged) == len(jax.tree.leaves(before)) - 1


def test_a_row_that_overlaps_everywhere_is_named():
    states = rows(ACTIONS["pick_up"])

    def walled_in(moved):
        away = np.asarray(moved.gripper_position) != np.asarray(states.gripper_position)
        return away.any(axis=1) & (np.arange(ROWS) == 5)

    with pytest.raises(UserError, match="row 6 overlaps in every direction"):
        displaced(states, 0.1, 0, walled_in)


def test_a_row_that_begins_with_an_overlap_is_moved_in_any_direction():
    action = ACTIONS["pick_up"]
    states = rows(action)
    low = np.asarray(states.gripper_position).copy()
    low[5, 2] = -1.0
    after = displaced(replace(states, gripper_position=low), 0.1, 0, overlapping(action))
    np.testing.assert_allclose(np.linalg.norm(after.gripper_position - low, axis=1), 0.1, atol=1e-6)
    assert np.flatnonzero(np.asarray(overlapping(action)(after))).tolist() == [5]


@pytest.mark.long
def test_a_policy_finds_an_object_whose_place_it_is_given():
    action = ACTIONS["pick_up"]
    policy = load_policy(KEPT / "pick_up" / "seed0" / "policy.npz")
    found = {}
    for given in (False, True):
        placing = Placing(0.1, given)
        rollout = rollout_of(action, "batch", policy.sees_object, placing.randomization)
        found[given] = int(np.asarray(rollout(policy, placing.starts(rows(action), action, 0))[1].ok).sum())
    assert found[True] >= 0.85 * ROWS > 0.5 * ROWS > found[False]
