"""A Python program ends well while the C engine is still being called: jax computes after a call has returned."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

PHYSICS = """
import jax, jax.numpy as jnp
from real2sim_jax.simulation.physics.backends import make_physics
from real2sim_jax.simulation.types import Properties

physics, one = make_physics("batch", 1), jnp.ones(1)
properties = Properties(0.04 * one, 0.08 * one, 0.2 * one, *jnp.asarray([0.5, 1.0, 20.0]))
state = physics.initial(jnp.asarray(physics.model.qpos0, jnp.float32))
worlds = jax.tree.map(lambda leaf: jnp.tile(leaf, (64, *[1] * leaf.ndim)), (state, jnp.zeros(2), properties))

@jax.jit
def play(state, ctrl, properties):
    matrix = jnp.ones((300, 300)) * state.qpos[0, 0]
    step = lambda s, _: (jax.vmap(physics.step)(s, ctrl, properties), (matrix @ matrix)[0, 0])
    return jax.lax.scan(step, state, length=100)

@jax.jit
def late(matrix, worlds):
    busy = jax.lax.fori_loop(0, 100, lambda _, power: power @ matrix, matrix)
    return jax.tree.map(lambda leaf: leaf + 0.0 * busy[0, 0], worlds)

# What must wait for its inputs is computed by another thread.
state, ctrl, properties = late(jnp.eye(400), worlds)
for _ in range(2):
    state, found = play(state, ctrl, properties)
    learnt = jnp.eye(400) * found.sum()
    learnt = learnt @ learnt
"""
TRAINING = """
import jax
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.learning.train import make_ppo
from real2sim_jax.learning.training_benchmark import synthetic_env
from tests.learning.probe import TINY

env, demos = synthetic_env(ACTIONS["pick_up"], TINY)
ppo = make_ppo(env, demos, TINY.ppo)
iterate, state = ppo.compiled(), jax.jit(ppo.init)(jax.random.PRNGKey(0))
for _ in range(2):
    state, _ = iterate(state)
"""
# A shell that starts the tests in its background has them ignore Ctrl-C, and what they start inherits it.
WAITS = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
print('in flight', flush=True)
time.sleep(100)
"""
ENDINGS = {
    "nothing read": ("", 0),
    "exception": ("raise ValueError('a fault of ones own')", 1),
    "Ctrl-C": (WAITS, -signal.SIGINT),
    "sys.exit": ("import sys; sys.exit(3)", 3),
}
FATAL = ("Fatal", "terminate called", "Segmentation", "leaked", "PyGILState")
ROOT = Path(__file__).parents[2]


def ends_well(program, ending):
    last, expected = ENDINGS[ending]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", f"{program}\n{last}"], cwd=ROOT, **pipes) as process:
        if expected == -signal.SIGINT:
            assert process.stdout.readline() == "in flight\n"
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=300)
    assert process.returncode == expected, said
    assert not any(word in said for word in FATAL), said
    assert bool(said) == (ending in ("exception", "Ctrl-C")), said


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_program_ends_while_the_engine_is_called(ending):
    ends_well(PHYSICS, ending)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("ending", ENDINGS)
def test_twenty_programs_end_while_the_engine_is_called(ending):
    for _ in range(20):
        ends_well(PHYSICS, ending)


@pytest.mark.long
@pytest.mark.parametrize("ending", ["nothing read", "Ctrl-C"])
def test_a_program_ends_in_the_middle_of_a_training(ending):
    ends_well(TRAINING, ending)
