"""The soft masks against exact ray casting, a float64 loop, finite differences, and arithmetic by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from real2sim_jax.actions import ACTIONS
from real2sim_jax.geometry.cameras import look_at_camera
from real2sim_jax.perception.raycast import body_masks
from real2sim_jax.perception.synthetic import synthetic_scenes
from real2sim_jax.rendering.silhouettes import facing, line_minimum, silhouette_lines, soft_masks, visible_corners
from real2sim_jax.robot.rotations import wxyz_from_rotvec

RESOLUTION = (96, 54)
SIZE = (427.0, 240.0)
HALF = np.array([[0.03, 0.03, 0.1], [0.08, 0.04, 0.05]], np.float32)


def scene(generator):
    position = generator.uniform([-0.15, -0.1, 0.03], [0.15, 0.1, 0.1], (1, 2, 3))
    wxyz = wxyz_from_rotvec(generator.uniform(-1.5, 1.5, (1, 2, 3)))
    camera = look_at_camera(
        generator.uniform(0.6, 1.0), generator.uniform(-0.5, 0.5), generator.uniform(0.2, 0.9), SIZE
    )
    return position.astype(np.float32), wxyz.astype(np.float32), camera


def hull_by_hand(pixels):
    """Lines of the convex hull of points, in float64, by trying every pair: inside is on one side of all points."""
    lines = []
    for i in range(len(pixels)):
        for j in range(len(pixels)):
            along = pixels[j] - pixels[i]
            length = np.hypot(*along)
            if length > 1e-9:
                normal = np.array([-along[1], along[0]]) / length
                distances = (pixels - pixels[i]) @ normal
                if distances.min() > -1e-9 * length - 1e-6:
                    lines.append((*normal, -normal @ pixels[i]))
    return np.array(lines)


@pytest.mark.parametrize("seed", range(12))
def test_distances_are_those_of_the_convex_hull(seed):
    position, wxyz, camera = scene(np.random.default_rng(seed))
    corners = np.asarray(visible_corners(HALF, position, wxyz, camera), float)
    pixels = 96 / 427 * float(camera.focal) * corners[..., :2] / corners[..., 2:] + np.array([48.0, 240 / 427 * 48])
    ours = line_minimum(silhouette_lines(jnp.asarray(pixels), facing(jnp.asarray(pixels))), RESOLUTION)
    x, y = np.meshgrid(np.arange(96) + 0.5, np.arange(54) + 0.5)
    for body in range(2):
        lines = hull_by_hand(pixels[0, body])
        expected = np.min([a * x + b * y + c for a, b, c in lines], axis=0)
        np.testing.assert_allclose(ours[0, body], expected, atol=2e-2)


@pytest.mark.parametrize("name", ["put_behind", "put_onto"])
def test_visible_parts_agree_with_ray_casting(name):
    truth = synthetic_scenes(ACTIONS[name], 1, 2)[0]
    truth = truth.replace(position=truth.position[12:36:3], wxyz=truth.wxyz[12:36:3])
    exact, _ = body_masks(truth, *RESOLUTION)
    render = jax.jit(soft_masks, static_argnums=(4, 5))
    soft = render(truth.half_extents, truth.position, truth.wxyz, truth.camera, RESOLUTION, 0.05)
    assert np.mean(np.abs(np.asarray(soft) - exact)) < 0.004
    common = np.sum(np.minimum(soft, exact)) / np.sum(np.maximum(soft, exact))
    assert common > 0.95


def test_an_asymmetric_body_is_where_it_should_be():
    camera = look_at_camera(1.0, 0.0, 0.3, SIZE)
    position = np.array([[[0.0, 0.0, -5.0], [0.15, 0.0, 0.1]]], np.float32)
    upright = np.tile(np.array([1.0, 0.0, 0.0, 0.0], np.float32), (1, 2, 1))
    mask = np.asarray(soft_masks(HALF, position, upright, camera, RESOLUTION))[0, 1]
    rows, columns = np.nonzero(mask > 0.5)
    assert columns.mean() > 48 and rows.mean() < 27


def test_area_of_a_face_seen_straight_on():
    camera = look_at_camera(1.0, 0.0, 0.0, SIZE)
    half = np.array([[0.01, 0.01, 0.01], [0.1, 0.001, 0.05]], np.float32)
    position = np.array([[[0.0, 0.0, -5.0], [0.0, 0.001, 0.0]]], np.float32)
    upright = np.tile(np.array([1.0, 0.0, 0.0, 0.0], np.float32), (1, 2, 1))
    mask = soft_masks(half, position, upright, camera, (427, 240), softness_px=0.1)[0, 1]
    expected = (0.2 * float(camera.focal)) * (0.1 * float(camera.focal))
    np.testing.assert_allclose(np.sum(mask), expected, rtol=0.01)


def test_gradient_agrees_with_finite_differences():
    with jax.enable_x64(True):
        position, wxyz, camera = scene(np.random.default_rng(5))
        # Side by side: where one hides the other, their order has a jump and no gradient.
        position = jnp.asarray(position, float).at[0, :, 0].set(jnp.asarray([-0.28, 0.28]))
        camera = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), camera)
        target = np.random.default_rng(0).random((1, 2, 54, 96))

        @jax.jit
        def loss(position):
            return jnp.sum(
                soft_masks(HALF.astype(float), position, jnp.asarray(wxyz, float), camera, RESOLUTION) * target
            )

        gradient = np.asarray(jax.jit(jax.grad(loss))(position))
        for index in np.ndindex(position.shape):
            step = np.zeros(position.shape)
            step[index] = 1e-5
            numeric = (loss(position + step) - loss(position - step)) / 2e-5
            np.testing.assert_allclose(gradient[index], numeric, rtol=0.03, atol=1.0)


PLACES = [(0.0, -3.0, 0.3), (0.0, -0.9, 0.3), (0.0, 0.0, 50.0), (0.0, 0.0, 0.0)]


def test_gradients_are_finite_wherever_the_bodies_are():
    camera = look_at_camera(1.0, 0.0, 0.3, SIZE)
    upright = jnp.tile(jnp.asarray([1.0, 0.0, 0.0, 0.0]), (1, 2, 1))
    slope = jax.jit(jax.grad(lambda p: soft_masks(HALF, p, upright, camera, RESOLUTION).sum()))
    for place in PLACES:
        assert np.isfinite(slope(jnp.broadcast_to(jnp.asarray(place), (1, 2, 3)))).all()
