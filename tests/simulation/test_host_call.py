import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from real2sim_jax.simulation.host_call import HostCall

PROGRAM = """
import jax, sys
import jax.numpy as jnp
from jax import monitoring
from real2sim_jax.simulation.host_call import HostCall

events = []
monitoring.register_event_listener(lambda name, **_: events.append(name))
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
twice = HostCall("test_twice", lambda x: [2.0 * x])
print(jax.jit(lambda x: twice([jax.ShapeDtypeStruct(x.shape, x.dtype)], x)[0].sum())(jnp.arange(4.0)))
print(sum("cache_hits" in event for event in events))
"""


def shape_of(x):
    return jax.ShapeDtypeStruct(x.shape, jnp.float32)


@pytest.fixture(scope="module")
def rotated():
    """(a, b) -> (b, a + 1), by numpy."""
    call = HostCall("test_rotated", lambda a, b: [b, a + 1.0])
    return lambda a, b: call([shape_of(b), shape_of(a)], a, b)


def test_results_are_those_of_the_function_in_loops_and_batches(rotated):
    a, b = np.arange(6.0, dtype=np.float32).reshape(2, 3), np.float32(7.0)

    def program(a):
        one = lambda a: jax.lax.fori_loop(0, 4, lambda _, pair: tuple(rotated(*pair)), (a, a + b))  # noqa: E731
        return jax.vmap(jax.vmap(one))(a)

    first, second = jax.jit(program)(a)
    np.testing.assert_array_equal(first, a + 2.0)
    np.testing.assert_array_equal(second, a + b + 2.0)
    np.testing.assert_array_equal(rotated(a, a[0])[0], a[0])


def test_an_exception_ends_the_program_with_its_message():
    def refuse(x):
        raise ValueError("no such thing")

    call = HostCall("test_refuse", refuse)
    with pytest.raises(jax.errors.JaxRuntimeError, match="ValueError: no such thing"):
        jax.block_until_ready(jax.jit(lambda x: call([shape_of(x)], x))(jnp.zeros(3)))
    short = HostCall("test_short", lambda x: [])
    with pytest.raises(jax.errors.JaxRuntimeError, match="argument"):
        jax.block_until_ready(jax.jit(lambda x: short([shape_of(x)], x))(jnp.zeros(3)))


def test_a_name_is_given_once():
    HostCall("test_once", lambda x: [x])
    with pytest.raises(ValueError, match="test_once"):
        HostCall("test_once", lambda x: [x + 1.0])


def test_the_next_process_finds_the_compiled_program(tmp_path):
    words = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    found = [subprocess.run(words, check=True, capture_output=True, text=True).stdout.split() for _ in range(2)]
    assert found[0][0] == found[1][0] == "12.0"
    assert int(found[1][1]) > int(found[0][1])
