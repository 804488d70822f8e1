"""The pixel work on its own: against what automatic differentiation makes of the plain formula, and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from real2sim_jax.rendering.half_planes import CPU_BLOCK, composite, line_sums, nearness, soft_hulls


def random_lines(shape, resolution):
    """Lines (*shape, 6, 3) around a body somewhere in the image."""
    generator = np.random.default_rng(0)
    angle = np.sort(generator.uniform(0.0, 2.0 * np.pi, (*shape, 6)), axis=-1)
    normal = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    centre = generator.uniform(0.3, 0.7, (*shape, 1, 2)) * resolution
    reach = generator.uniform(0.1, 0.3, (*shape, 6)) * min(resolution)
    return jnp.asarray(np.concatenate([normal, (reach - np.sum(normal * centre, axis=-1))[..., None]], axis=-1))


def plain_hulls(lines, resolution):
    x, y = np.meshgrid(np.arange(resolution[0]) + 0.5, np.arange(resolution[1]) + 0.5)
    a, b, c = (lines[..., k, None, None] for k in range(3))
    return jax.nn.sigmoid(jnp.min(a * x + b * y + c, axis=-3))


# Worked out line by line, in blocks of several images, and image by image.
SIZES = [((7,), (1, 9)), ((1,), (31, 17)), ((12, 2), (48, 27)), ((2,), (160, 120)), ((5, 3), (96, 54))]


def test_the_sizes_are_of_all_three_kinds():
    pixels = [(shape[0], int(np.prod(shape[1:])) * w * h) for shape, (w, h) in SIZES]
    assert [number * one <= CPU_BLOCK for number, one in pixels] == [True, True, False, False, False]
    assert [2 * one <= CPU_BLOCK for _, one in pixels[2:]] == [True, False, False]


@pytest.mark.parametrize("shape, resolution", SIZES)
def test_hulls_and_gradient_are_those_of_the_plain_formula(shape, resolution):
    with jax.enable_x64(True):
        lines = random_lines(shape, resolution)
        target = np.random.default_rng(1).random((*shape, *resolution[::-1]))
        results = [
            jax.jit(jax.value_and_grad(lambda l, hulls=hulls: jnp.sum((hulls(l, resolution) - target) ** 2)))(lines)
            for hulls in (soft_hulls, plain_hulls)
        ]
        for ours, plain in zip(*results, strict=True):
            np.testing.assert_allclose(ours, plain, rtol=1e-9, atol=1e-9)


def test_line_sums_by_hand():
    weight = jnp.asarray([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])
    which = jnp.asarray([[[0, 0, 1], [1, 1, 1]]], jnp.int8)
    # Pixel centres are at 0.5, 1.5, 2.5 along x and at 0.5, 1.5 along y.
    first = [1 * 0.5 + 2 * 1.5, (1 + 2) * 0.5, 1 + 2]
    second = [3 * 2.5 + 4 * 0.5 + 5 * 1.5 + 6 * 2.5, 3 * 0.5 + (4 + 5 + 6) * 1.5, 3 + 4 + 5 + 6]
    np.testing.assert_allclose(line_sums(weight, which, jnp.arange(3, dtype=jnp.int8))[0], [first, second, [0, 0, 0]])


def test_what_is_nearer_hides_what_is_as_near_hides_half():
    masks = jnp.asarray([1.0, 0.5, 0.8]).reshape(3, 1, 1)
    near = jnp.asarray([1.0, 2.0, 2.0]).reshape(3, 1, 1)
    # Body 0 is behind both others, which are as far as each other.
    expected = [1.0 * (1 - 0.5) * (1 - 0.8), 0.5 * (1 - 0.8 / 2), 0.8 * (1 - 0.5 / 2)]
    np.testing.assert_allclose(composite(masks, near)[:, 0, 0], expected, rtol=1e-6)


def test_a_tenth_of_a_depth_decides_and_a_thousandth_hardly_does():
    masks = jnp.ones((2, 1, 1))
    for ratio, shown in ((1.1, 1.0), (1.0, 0.5), (1.001, 0.525), (1 / 1.1, 0.0)):
        first = composite(masks, jnp.asarray([ratio, 1.0]).reshape(2, 1, 1))[0, 0, 0]
        np.testing.assert_allclose(first, shown, atol=1e-3)


def test_nearness_is_the_least_plane_and_no_less_than_the_floor():
    planes = jnp.asarray([[0.0, 0.0, 3.0], [1.0, 0.0, 0.0], [0.0, -1.0, 2.0]])
    near = nearness(planes, jnp.asarray(0.2), (3, 3))
    np.testing.assert_allclose(near, [[0.5, 1.5, 1.5], [0.5, 0.5, 0.5], [0.2, 0.2, 0.2]])
