"""How far the demonstrated path is followed."""

import jax
import numpy as np
import pytest

from real2sim_jax.benchmarks.path import AUC_M, path_agreement
from real2sim_jax.core.rotations import wxyz_from_rotvec
from real2sim_jax.data.types import HAND, MOVED, stack
from real2sim_jax.simulation.types import Trajectory
from tests.demos import lifts


def following(demos, number, shift=(0.0, 0.0, 0.0), tilt=0.0, height=0.08):
    """An episode whose object goes where one demonstration has it, moved aside and tilted about x."""
    demo = jax.tree.map(lambda leaf: np.asarray(leaf, float)[number], demos)
    bottom = demo.position[:, MOVED] - [0.0, 0.0, demo.half_extents[MOVED, 2]] + np.asarray(shift)
    steps = len(bottom)
    return Trajectory(
        gripper_position=demo.position[:, HAND],
        gripper_wxyz=demo.wxyz[:, HAND],
        opening=np.full(steps, 0.04),
        object_position=(bottom + np.array([0.0, 0.0, height / 2]))[:, None],
        object_wxyz=np.tile(wxyz_from_rotvec(np.array([tilt, 0.0, 0.0])), (steps, 1, 1)),
        heights=np.array([height]),
        radii=np.array([0.04]),
        dt=demo.dt,
    )


def agreement(demos, *episodes):
    near, auc = path_agreement(stack(list(episodes)), demos)
    return near.round(6).tolist(), auc


def test_a_demonstration_follows_itself_whatever_the_objects_height():
    demos = lifts()
    near, auc = agreement(demos, following(demos, 0), following(demos, 1, height=0.05))
    assert near == [1.0, 1.0]
    np.testing.assert_allclose(auc, 1.0, atol=1e-4)


@pytest.mark.parametrize(("aside", "near"), [(0.02, 1.0), (0.049, 1.0), (0.051, 0.0), (0.2, 0.0)])
def test_beside_the_path(aside, near):
    demos = jax.tree.map(lambda leaf: np.asarray(leaf)[:1], lifts())
    found, auc = agreement(demos, following(demos, 0, (0.0, aside, 0.0)))
    assert found == [near]
    np.testing.assert_allclose(auc, max(0.0, 1.0 - aside / AUC_M), atol=1e-4)


def test_a_tilted_object_is_not_where_it_should_be():
    demos = jax.tree.map(lambda leaf: np.asarray(leaf)[:1], lifts())
    near, auc = agreement(demos, following(demos, 0, tilt=0.6), following(demos, 0, tilt=0.4))
    assert near == [0.0, 1.0] and auc[0] < auc[1] < 1.0
