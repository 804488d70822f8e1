import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np

from real2sim_jax.simulation.double import in_double


def lost_in_float32(tree):
    """1e-9 added to 1 three times, in a loop as the engine's are, and 1 taken away."""
    one = jnp.ones(2) + 0.0 * tree["shift"]
    return {"y": jax.lax.fori_loop(0, 3, lambda _, total: total + 1e-9 * tree["x"], one) - 1.0, "rate": jnp.zeros(2)}


def test_digits_survive_between_single_precision_inputs_and_outputs():
    tree = {"x": jnp.asarray([1.0, 2.0]), "shift": jnp.asarray(5.0)}
    assert not lost_in_float32(tree)["y"].any()
    found = jax.jit(in_double(lost_in_float32))(tree)
    assert found["y"].dtype == found["rate"].dtype == jnp.float32
    np.testing.assert_allclose(found["y"], [3e-9, 6e-9], rtol=1e-6)


def test_every_batch_is_that_of_single_calls_in_a_program_of_single_precision():
    traces = []
    double = in_double(lambda x, shift: traces.append(1) or jnp.sin(x).sum() + shift)
    x, shift = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32), np.float32(0.5)

    def program(x):
        row = lambda x: jax.vmap(double, (0, None))(x, shift)  # noqa: E731
        return jax.lax.scan(lambda total, _: (total + jax.vmap(row)(x), None), jnp.zeros((2, 3)), length=2)[0]

    found = jax.jit(program)(x)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, 2.0 * (np.sin(x).sum(axis=-1) + 0.5), rtol=1e-6)
    double(x[0, 0], shift)
    assert len(traces) == 1


FOUR_DEVICES = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from real2sim_jax.simulation.double import in_double

shares = NamedSharding(Mesh(np.array(jax.devices()), ("environments",)), PartitionSpec("environments"))
double = in_double(jnp.sin)
program = lambda x: jax.vmap(double)(jax.lax.with_sharding_constraint(x, shares))
found = jax.jit(program)(jnp.arange(8.0))
assert len(jax.devices()) == 4 and found.sharding == shares, found.sharding
np.testing.assert_allclose(found, np.sin(np.arange(8.0)), rtol=1e-6)
"""


def test_batches_stay_shared_among_devices():
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=4"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", FOUR_DEVICES], check=True, env=environment)
