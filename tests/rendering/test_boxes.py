"""Soft boxes against the boxes of the corners they are drawn around."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from real2sim_jax.geometry.cameras import look_at_camera
from real2sim_jax.rendering.boxes import hard_boxes, soft_boxes
from tests.rendering.oracles import HALF, SIZE, corner_pixels, scene

soft = jax.jit(soft_boxes)
UPRIGHT = np.tile(np.array([1.0, 0.0, 0.0, 0.0], np.float32), (1, 2, 1))


def corner_boxes(position, wxyz, camera):
    pixels = corner_pixels(HALF, position, wxyz, camera, SIZE)
    return np.concatenate([pixels.min(axis=2), pixels.max(axis=2)], axis=-1)


@pytest.mark.parametrize("seed", range(4))
def test_boxes_are_never_outside_the_hull_and_exact_as_softness_vanishes(seed):
    position, wxyz, camera = scene(np.random.default_rng(seed))
    cut, expected = np.zeros((1, 2, 4), bool), corner_boxes(position, wxyz, camera)
    boxes = np.asarray(soft(HALF, position, wxyz, camera, cut, 1.5))
    assert (boxes[..., :2] > expected[..., :2] - 1e-3).all() and (boxes[..., 2:] < expected[..., 2:] + 1e-3).all()
    np.testing.assert_allclose(boxes, expected, atol=6.0)
    np.testing.assert_allclose(soft(HALF, position, wxyz, camera, cut, 1e-3), expected, atol=1e-2)


def test_the_hand_is_clipped_only_at_the_borders_named():
    camera = look_at_camera(1.0, 0.0, 0.3, SIZE)
    # Half of the hand, which lies along x, is left of the image.
    lying = np.tile(np.array([0.5**0.5, 0.0, -(0.5**0.5), 0.0], np.float32), (1, 2, 1))
    position = np.array([[[-0.7, 0.0, 0.05], [0.0, 0.0, 0.05]]], np.float32)
    none, left = np.zeros((1, 2, 4), bool), np.zeros((1, 2, 4), bool)
    left[..., 0] = True
    free, clipped = (np.asarray(soft(HALF, position, lying, camera, cut, 0.01))[0, 0] for cut in (none, left))
    assert free[0] < -1.0
    np.testing.assert_allclose(clipped[0], 0.0, atol=0.1)
    np.testing.assert_allclose(clipped[2], free[2], atol=0.1)


def test_hard_boxes_stay_inside_the_image():
    camera = look_at_camera(1.0, 0.0, 0.3, SIZE)
    position = np.array([[[-0.6, 0.0, 0.05], [0.7, 0.0, 0.05]]], np.float32)
    boxes = np.asarray(hard_boxes(HALF, position, UPRIGHT, camera))
    assert (boxes >= 0.0).all() and (boxes <= np.tile(SIZE, 2)).all()


@pytest.mark.parametrize("place", [(0.0, -3.0, 0.3), (0.0, -0.9, 0.3), (0.0, 0.0, 50.0), (0.0, 0.0, 0.0)])
def test_boxes_and_gradients_are_finite_wherever_the_bodies_are(place):
    camera = look_at_camera(1.0, 0.0, 0.3, SIZE)
    position = jnp.broadcast_to(jnp.asarray(place), (1, 2, 3))
    slope_of = jax.jit(jax.value_and_grad(lambda p, cut: soft_boxes(HALF, p, UPRIGHT, camera, cut).sum()))
    for cut in (np.zeros((1, 2, 4), bool), np.ones((1, 2, 4), bool)):
        value, slope = slope_of(position, cut)
        assert np.isfinite(value) and np.isfinite(slope).all()
