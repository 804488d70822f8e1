"""Cuboids against arithmetic that can be done by hand, for any leading axes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from real2sim_jax.core.rotations import wxyz_from_rotvec
from real2sim_jax.data.types import HAND
from real2sim_jax.geometry import cuboids

vectors = arrays(np.float32, 3, elements=st.floats(-1, 1, width=32))
sizes = arrays(np.float32, 3, elements=st.floats(0.015625, 0.5, width=32))
UPRIGHT = jnp.asarray([1.0, 0.0, 0.0, 0.0])


@given(sizes, vectors, vectors)
def test_corners_are_at_the_half_diagonal_from_the_centre(half, centre, rotvec):
    corners = cuboids.corners(jnp.asarray(half), jnp.asarray(centre), wxyz_from_rotvec(jnp.asarray(rotvec)))
    np.testing.assert_allclose(np.linalg.norm(corners - centre, axis=-1), np.linalg.norm(half), rtol=1e-4)
    np.testing.assert_allclose(corners.mean(axis=0), centre, atol=1e-5)


@given(sizes, vectors, vectors)
def test_vertical_half_extent_is_that_of_the_corners(half, centre, rotvec):
    wxyz = wxyz_from_rotvec(jnp.asarray(rotvec))
    corners = cuboids.corners(jnp.asarray(half), jnp.asarray(centre), wxyz)
    expected = corners[:, 2].max() - centre[2]
    np.testing.assert_allclose(cuboids.vertical_half_extent(jnp.asarray(half), wxyz), expected, atol=1e-5)


@pytest.mark.parametrize("batch", [(), (1,), (3, 1, 2)])
def test_any_leading_axes(batch):
    half, position = jnp.full((*batch, 3), 0.1), jnp.zeros((*batch, 3))
    wxyz = jnp.broadcast_to(UPRIGHT, (*batch, 4))
    assert cuboids.corners(half, position, wxyz).shape == (*batch, 8, 3)
    assert cuboids.signed_distance(position, half, position, wxyz).shape == batch
    assert cuboids.penetration(half, position, wxyz, half, position, wxyz).shape == batch


def test_edges_are_the_twelve_of_a_cuboid():
    lengths = np.linalg.norm(
        cuboids.CORNER_SIGNS[cuboids.EDGES[:, 0]] - cuboids.CORNER_SIGNS[cuboids.EDGES[:, 1]], axis=1
    )
    assert len(cuboids.EDGES) == 12
    np.testing.assert_allclose(lengths, 2.0)


@pytest.mark.parametrize(
    ("point", "expected"), [((0.0, 0.0, 0.0), -0.1), ((0.3, 0.0, 0.0), 0.2), ((0.4, 0.6, 0.0), 0.5), ((0.1, 0, 0), 0.0)]
)
def test_signed_distance_by_hand(point, expected):
    half = jnp.asarray([0.1, 0.2, 0.3])
    distance = cuboids.signed_distance(jnp.asarray(point), half, jnp.zeros(3), UPRIGHT)
    np.testing.assert_allclose(distance, expected, atol=1e-6)
    gradient = jax.grad(lambda p: cuboids.signed_distance(p, half, jnp.zeros(3), UPRIGHT))(jnp.asarray(point))
    assert np.isfinite(gradient).all()


def test_penetration_is_the_shortest_way_out():
    half = jnp.asarray([0.1, 0.1, 0.1])
    depth = cuboids.penetration(half, jnp.asarray([0.15, 0.0, 0.02]), UPRIGHT, half, jnp.zeros(3), UPRIGHT)
    np.testing.assert_allclose(depth, 0.05, atol=1e-6)
    turned = jnp.asarray([np.cos(np.pi / 8), 0.0, 0.0, np.sin(np.pi / 8)])
    # Turned by 45 deg the corner reaches 0.1 sqrt(2) along x.
    apart = cuboids.penetration(half, jnp.asarray([0.25, 0.0, 0.0]), turned, half, jnp.zeros(3), UPRIGHT)
    np.testing.assert_allclose(apart, 0.0, atol=1e-6)
    inside = cuboids.penetration(half, jnp.asarray([0.22, 0.0, 0.0]), turned, half, jnp.zeros(3), UPRIGHT)
    np.testing.assert_allclose(inside, 0.1 + 0.1 * np.sqrt(2) - 0.22, atol=1e-6)


def test_only_the_hand_is_moved_from_its_tip_to_its_centre():
    half = jnp.asarray([[0.04, 0.04, 0.2], [0.1, 0.1, 0.1]])
    position = jnp.ones((5, 2, 3))
    centres = cuboids.body_centres(half, position, jnp.broadcast_to(UPRIGHT, (5, 2, 4)))
    np.testing.assert_allclose(centres[:, 1], 1.0)
    np.testing.assert_allclose(centres[:, HAND], np.broadcast_to([1.0, 1.0, 0.8], (5, 3)), rtol=1e-6)
