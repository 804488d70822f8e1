"""The camera against its definition and against itself: projection and back projection are inverse."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from real2sim_jax.geometry import cameras

SIZE = (427.0, 240.0)
angles = st.floats(-0.7, 0.7)
elevations = st.floats(0.1, 1.3)
distances = st.floats(0.3, 3.0)


@given(distances, angles, elevations)
def test_origin_is_the_image_centre_at_the_camera_s_distance(distance, azimuth, elevation):
    camera = cameras.look_at_camera(distance, azimuth, elevation, SIZE)
    pixel, depth = cameras.project(jnp.zeros(3), camera)
    np.testing.assert_allclose(pixel, [213.5, 120.0], atol=1e-3)
    np.testing.assert_allclose(depth, distance, rtol=1e-6)


@given(distances, angles, elevations)
def test_rotation_is_proper_and_eye_maps_to_zero(distance, azimuth, elevation):
    camera = cameras.look_at_camera(distance, azimuth, elevation, SIZE)
    rotation = np.asarray(cameras.rotation_camera_world(camera))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(rotation) > 0.99
    np.testing.assert_allclose(cameras.points_in_camera(cameras.eye_position(camera), camera), 0.0, atol=1e-5)


def test_axes_by_hand():
    camera = cameras.look_at_camera(1.0, 0.0, 0.5, SIZE)
    right, _ = cameras.project(jnp.asarray([0.1, 0.0, 0.0]), camera)
    up, _ = cameras.project(jnp.asarray([0.0, 0.0, 0.1]), camera)
    away, deeper = cameras.project(jnp.asarray([0.0, 0.1, 0.0]), camera)
    assert right[0] > 213.5 and up[1] < 120.0 and away[1] < 120.0 and deeper > 1.0
    np.testing.assert_allclose(right[0] - 213.5, 0.1 * 427.0 * np.sqrt(0.75), rtol=1e-5)


def test_positive_azimuth_looks_from_the_right():
    camera = cameras.look_at_camera(1.0, 0.4, 0.3, SIZE)
    assert cameras.eye_position(camera)[0] > 0.0


@given(st.floats(0.5, 3.0), angles, st.floats(0.4, 1.3), st.floats(100, 330), st.floats(130, 235), st.floats(0.0, 0.05))
def test_back_projection_to_a_height_projects_back(distance, azimuth, elevation, x, y, height):
    camera = cameras.look_at_camera(distance, azimuth, elevation, SIZE)
    pixel = jnp.asarray([x, y])
    point = cameras.back_project_to_height(pixel, jnp.asarray(height), camera)
    np.testing.assert_allclose(point[2], height, atol=1e-5)
    np.testing.assert_allclose(cameras.project(point, camera)[0], pixel, atol=0.05)


@given(distances, elevations, st.floats(0, 427), st.floats(0, 240))
def test_back_projection_to_a_plane_of_y_projects_back(distance, elevation, x, y):
    camera = cameras.look_at_camera(distance, 0.0, elevation, SIZE)
    pixel = jnp.asarray([x, y])
    point = cameras.back_project_to_depth(pixel, jnp.asarray(0.0), camera)
    np.testing.assert_allclose(cameras.project(point, camera)[0], pixel, atol=0.05)


def test_rays_above_the_horizon_end_somewhere_finite():
    camera = cameras.look_at_camera(1.0, 0.0, 0.0, SIZE)
    points = cameras.back_project_to_height(jnp.asarray([[213.5, 120.0], [213.5, 10.0]]), jnp.zeros(2), camera)
    assert np.isfinite(points).all()


def test_gradient_is_finite_behind_the_camera():
    camera = cameras.look_at_camera(1.0, 0.0, 0.3, SIZE)
    gradient = jax.grad(lambda p: cameras.project(p, camera)[0].sum())(jnp.asarray([0.0, -3.0, 0.2]))
    assert np.isfinite(gradient).all()
