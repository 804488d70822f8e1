"""Rotations: group axioms, round trips and conventions, for numpy and jax and any batch axes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from real2sim_jax.core.observation import MAX_ANGULAR_RAD_S, MAX_LINEAR_M_S, command, observation
from real2sim_jax.core.reference import Reference
from real2sim_jax.core.rotations import (
    azimuth_elevation_from_wxyz,
    conjugate,
    matrix_from_wxyz,
    multiply,
    rotate,
    rotvec_from_wxyz,
    wrap,
    wxyz_from_azimuth_elevation,
    wxyz_from_rotvec,
)

BATCHES = ((), (1,), (3, 1, 2))
IDENTITY = np.array([1.0, 0, 0, 0])


def rotvecs(batch, seed, xp=np):
    """Rotation vectors of which a third are near identity and a third near half a turn."""
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=(*batch, 3))
    axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = rng.choice([1e-7, 1.0, np.pi - 1e-6], size=(*batch, 1)) * rng.uniform(0.5, 1.0, size=(*batch, 1))
    return xp.asarray(angle * axis)


@pytest.mark.parametrize("batch, xp", [*((batch, np) for batch in BATCHES), (BATCHES[-1], jnp)])
def test_group_axioms(batch, xp):
    a, b, c = (wxyz_from_rotvec(rotvecs(batch, seed, xp)) for seed in range(3))
    v = rotvecs(batch, 3, xp)
    close = lambda x, y: np.testing.assert_allclose(x, y, atol=2e-6)  # noqa: E731
    close(multiply(multiply(a, b), c), multiply(a, multiply(b, c)))
    close(multiply(a, conjugate(a)), np.broadcast_to(IDENTITY, (*batch, 4)))
    close(rotate(multiply(a, b), v), rotate(a, rotate(b, v)))
    close(rotate(a, v), xp.einsum("...ij,...j->...i", matrix_from_wxyz(a), v))
    close(xp.linalg.norm(rotate(a, v), axis=-1), xp.linalg.norm(v, axis=-1))
    assert a.shape == (*batch, 4) and rotate(a, v).shape == (*batch, 3)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("seed", range(5))
def test_rotation_vectors_round_trip(batch, seed):
    vectors = rotvecs(batch, seed)
    np.testing.assert_allclose(rotvec_from_wxyz(wxyz_from_rotvec(vectors)), vectors, atol=1e-9)
    # A quaternion and its negative are one rotation.
    np.testing.assert_allclose(rotvec_from_wxyz(-wxyz_from_rotvec(vectors)), vectors, atol=1e-9)


def test_right_handed_about_z():
    np.testing.assert_allclose(
        rotate(wxyz_from_rotvec(np.array([0, 0, np.pi / 2])), np.eye(3)[0]), [0, 1, 0], atol=1e-12
    )


@given(st.floats(-np.pi, np.pi), st.floats(-1.5, 1.5))
def test_azimuth_and_elevation_are_where_the_approach_axis_points(azimuth, elevation):
    wxyz = wxyz_from_azimuth_elevation(np.array(azimuth), np.array(elevation))
    # Positive elevation points down.
    flat = np.cos(elevation)
    expected = [flat * np.cos(azimuth), flat * np.sin(azimuth), -np.sin(elevation)]
    np.testing.assert_allclose(matrix_from_wxyz(wxyz)[:, 2], expected, atol=1e-9)
    found = azimuth_elevation_from_wxyz(wxyz)
    np.testing.assert_allclose([wrap(found[0] - azimuth), found[1]], [0, elevation], atol=1e-6)


def test_orientation_is_a_turn_about_y_then_about_z():
    azimuth, elevation = 0.7, 0.3
    pitch = wxyz_from_rotvec(np.array([0, np.pi / 2 + elevation, 0]))
    expected = multiply(wxyz_from_rotvec(np.array([0, 0, azimuth])), pitch)
    np.testing.assert_allclose(
        wxyz_from_azimuth_elevation(np.array(azimuth), np.array(elevation)), expected, atol=1e-12
    )


@given(st.floats(-100, 100))
def test_wrapped_angles_are_the_same_angle(angle):
    wrapped = wrap(np.array(angle))
    assert -np.pi <= wrapped <= np.pi
    np.testing.assert_allclose([np.cos(wrapped), np.sin(wrapped)], [np.cos(angle), np.sin(angle)], atol=1e-9)


@pytest.mark.parametrize("vector", [(0.0, 0, 0), (1e-20, 0, 0), (np.pi, 0, 0)])
def test_gradients_are_finite_at_the_singular_points(vector):
    there_and_back = lambda v: rotvec_from_wxyz(wxyz_from_rotvec(v)).sum()  # noqa: E731
    gradient = jax.grad(there_and_back)(jnp.asarray(vector))
    assert np.isfinite(gradient).all()
    if np.linalg.norm(vector) < 1:
        np.testing.assert_allclose(gradient, 1.0, atol=1e-5)


def test_gradient_is_finite_where_the_azimuth_is_undefined():
    up = wxyz_from_azimuth_elevation(jnp.asarray(0.3), jnp.asarray(-jnp.pi / 2))
    gradient = jax.grad(lambda q: sum(azimuth_elevation_from_wxyz(q)))(up)
    assert np.isfinite(gradient).all()


def test_commands_reach_their_limits_at_one():
    linear, angular, opening = command(np.array([1.0, -1, 0, 0, 1, -1, 1]), 0.075)
    np.testing.assert_allclose(linear, [0.3, -0.3, 0])
    np.testing.assert_allclose(angular, [0, np.pi, -np.pi])
    assert opening == 0.075 and command(-np.ones(7), 0.075)[2] == 0.0


@given(st.lists(st.floats(-10, 10), min_size=6, max_size=6).map(np.array), st.floats(0, 20))
def test_a_reference_asks_for_no_more_than_the_limits(pose, time):
    reference = Reference(
        position=np.zeros((3, 3)),
        wxyz=np.tile(IDENTITY, (3, 1)),
        velocity=np.full((3, 3), 5.0),
        grip=np.zeros(3),
        gains=np.array([4.0, 4.0]),
        reach=np.array([0.2, 1.5]),
    )
    obs = observation(np.array(time), pose[:3], wxyz_from_rotvec(pose[3:]), np.array(0.0))
    linear, angular, _ = command(reference.action(obs, 10.0 * pose[[0, 1, 2, 3, 4, 5, 0]]), 0.075)
    assert np.linalg.norm(linear) <= MAX_LINEAR_M_S + 1e-9
    assert np.linalg.norm(angular) <= MAX_ANGULAR_RAD_S + 1e-9
