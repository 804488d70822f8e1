"""Which sides of a box go when another box stands in front of it."""

import jax.numpy as jnp
import numpy as np

from real2sim_jax.rendering.occlusion import trim_hidden

BOX = jnp.asarray([100.0, 100.0, 200.0, 200.0])


def trimmed(occluder, behind=1.0):
    return np.asarray(trim_hidden(BOX, jnp.asarray(occluder), jnp.asarray(behind), 0.5))


def test_a_side_covered_from_end_to_end_moves_to_the_occluders_opposite_edge():
    np.testing.assert_allclose(trimmed([50.0, 50.0, 150.0, 250.0]), [150, 100, 200, 200], atol=1e-3)
    np.testing.assert_allclose(trimmed([50.0, 150.0, 250.0, 250.0]), [100, 100, 200, 150], atol=1e-3)


def test_a_side_covered_in_part_stays():
    np.testing.assert_allclose(trimmed([50.0, 50.0, 150.0, 150.0]), BOX, atol=1e-3)


def test_nothing_goes_where_the_other_body_is_behind():
    np.testing.assert_allclose(trimmed([50.0, 50.0, 150.0, 250.0], behind=0.0), BOX, atol=1e-3)
