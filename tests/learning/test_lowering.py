"""The programs for accelerators, lowered without one: what would not lower fails here, not on a rented machine."""

import jax
import numpy as np
import pytest
from jax import export

from real2sim_jax.config.fitting import FitConfig
from real2sim_jax.config.learning import PPOConfig
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.fitting.minimise import Schedule, _minimise
from real2sim_jax.fitting.search import problems_of
from real2sim_jax.learning.train import make_ppo
from real2sim_jax.simulation.env import ManipulationEnv
from real2sim_jax.simulation.physics.backends import make_physics
from real2sim_jax.synthetic.scenes import synthetic_tracks
from tests.demos import PICK_UP, lifts

pytestmark = pytest.mark.long

ACCELERATORS = ("cuda", "tpu")


def lowered(program, *arguments):
    """What each accelerator would run."""
    found = export.export(program, platforms=ACCELERATORS)(*arguments)
    # Nothing is called back: an accelerator does not wait for this machine.
    assert found.platforms == ACCELERATORS and "callback" not in str(found.mlir_module())
    return found


def test_an_iteration_of_training_lowers():
    env = ManipulationEnv(PICK_UP, lifts(), make_physics("mjx", 1))
    ppo = make_ppo(env, jax.tree.map(lambda leaf: leaf[:1], lifts()), PPOConfig(envs=4, steps=4 * 120))
    state = jax.eval_shape(ppo.init, jax.random.PRNGKey(0))
    found = lowered(jax.jit(ppo.iterate), state)
    after = jax.tree.unflatten(found.out_tree, found.out_avals)[0]
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), after) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), state
    )


def test_the_fit_lowers():
    config = FitConfig()
    boxes = [(ACTIONS["put_onto"], boxes) for boxes, _ in synthetic_tracks(ACTIONS["put_onto"], 1, 0)]
    problems = jax.tree.map(lambda *leaves: np.stack(leaves), *problems_of(boxes, config)[0][:4])
    found = lowered(_minimise, problems, Schedule.of(10, 0, 0.1), config.scales)
    assert len(found.out_avals) == len(jax.tree.leaves(problems))
