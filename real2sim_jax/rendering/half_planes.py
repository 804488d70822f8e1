"""Masks of convex bodies given as half-planes, and which body hides which: all work that is done pixel by pixel.

A convex silhouette is where the signed distances to all lines of its edges are positive; the distance to the
silhouette is the least of them, and its gradient reaches only the line that is least. So the backward pass needs
nothing of a pixel but which line that was, one byte, and per line the sums of the pixels' weights w, w x and w y.
"""

import math
from functools import partial, reduce
from itertools import combinations

import jax
import jax.numpy as jnp

from real2sim_jax.data.types import Array

CPU_BLOCK, BLOCK = 2**14, 2**24
"""Pixels whose weights are sorted by line at once, six numbers each: a CPU's cache holds them, a GPU's memory."""
ORDER_SHARE = 0.02
"""Of two bodies whose depths differ by this share the nearer one hides the other wholly; as near as it, half."""


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def soft_hulls(lines: Array, resolution: tuple[int, int]) -> Array:
    """Return masks (N, ..., H, W): the sigmoid of the least of lines (N, ..., L, 3) at every pixel of a (W, H) grid.

    A line's value at a pixel's centre, l0 x + l1 y + l2, is the distance from an edge in softnesses, positive inside.
    """
    return _hulls_forward(lines, resolution)[0]


def _hulls_forward(lines: Array, resolution: tuple[int, int]) -> tuple[Array, tuple[Array, Array, Array]]:
    distance, nearest = least_value(lines, resolution)
    masks = jax.nn.sigmoid(distance)
    return masks, (masks, nearest, lines)


def _hulls_backward(resolution: tuple[int, int], saved: tuple[Array, Array, Array], weight: Array) -> tuple[Array]:
    masks, nearest, lines = saved
    weight = weight * masks * (1.0 - masks)
    numbers = jnp.arange(lines.shape[-2], dtype=jnp.int8)
    blocks = {"cpu": partial(_sums_by_blocks, CPU_BLOCK), "default": partial(_sums_by_blocks, BLOCK)}
    return (jax.lax.platform_dependent(weight, nearest, numbers, **blocks),)


soft_hulls.defvjp(_hulls_forward, _hulls_backward)


def _sums_by_blocks(pixels: int, weight: Array, which: Array, numbers: Array) -> Array:
    """Return line_sums of images (N, ..., H, W), as many at a time as have so many pixels; line by line if all have.

    In a loop in any case: outside one, XLA works out the images again for every line.
    """
    count, most = len(weight), max(1, pixels // math.prod(weight.shape[1:]))
    size = max(size for size in range(1, count + 1) if count % size == 0 and size <= most)
    if size == count:
        by_line = jax.lax.map(lambda number: line_sums(weight, which, number[None]), numbers)
        return jnp.moveaxis(by_line[..., 0, :], 0, -2)
    # No axis of length one: XLA may lay it out so that nothing around it is vectorised.
    shape = (count,) if size == 1 else (count // size, size)
    parts = tuple(image.reshape(*shape, *image.shape[1:]) for image in (weight, which))
    done = jax.lax.map(lambda part: line_sums(part[0], part[1], numbers), parts)
    return done.reshape(count, *done.shape[len(shape) :])


def least_value(lines: Array, resolution: tuple[int, int]) -> tuple[Array, Array]:
    """Return the least value (..., H, W) of lines (..., L, 3) at pixel centres, and which line has it, int8."""
    least = _line(lines[..., 0, :], resolution)
    which = jnp.zeros(least.shape, jnp.int8)
    for number in range(1, lines.shape[-2]):
        value = _line(lines[..., number, :], resolution)
        less = value < least
        least, which = jnp.where(less, value, least), jnp.where(less, jnp.int8(number), which)
    return least, which


def line_sums(weight: Array, which: Array, numbers: Array) -> Array:
    """Return the sums (..., L, 3) of w x, w y and w over the pixels (..., H, W) of weight w that chose lines (L,)."""
    x, y = _centres((weight.shape[-1], weight.shape[-2]), weight.dtype)
    chosen = which[..., None, :, :] == numbers[:, None, None]
    shares = jnp.where(chosen, weight[..., None, :, :], 0.0)
    # Down the columns first: each step of that product takes whole rows.
    down = jnp.broadcast_to(jnp.stack([y, jnp.ones_like(y)]), (*shares.shape[:-2], 2, len(y)))
    columns = jnp.matmul(down, shares, precision=jax.lax.Precision.HIGHEST)
    along_x = jnp.sum(columns[..., 1, :] * x, axis=-1)
    return jnp.concatenate([along_x[..., None], jnp.sum(columns, axis=-1)], axis=-1)


def nearness(planes: Array, floor: Array, resolution: tuple[int, int]) -> Array:
    """Return the least (..., H, W) of planes (..., P, 3), inverse depths 1/m, at pixel centres; at least floor (...).

    The floor keeps the soft rim around a body, where its faces' planes run on, from falling behind what is behind it.
    """
    values = [_line(planes[..., number, :], resolution) for number in range(planes.shape[-2])]
    return jnp.maximum(reduce(jnp.minimum, values), floor[..., None, None])


def composite(alone: Array, nearness: Array) -> Array:
    """Return the visible share (..., B, H, W) of masks that are each rendered alone, given inverse depths per pixel."""
    bodies = range(alone.shape[-3])
    # Images of one body each: XLA copies slices into loops over whole arrays, but not loops into a stack.
    masks, near = ([images[..., body, :, :] for body in bodies] for images in (alone, nearness))
    shown = list(masks)
    for one, other in combinations(bodies, 2):
        share = (near[one] - near[other]) / (ORDER_SHARE * (near[one] + near[other]))
        in_front = jnp.clip(0.5 + share, 0.0, 1.0)
        shown[one] = shown[one] * (1.0 - (1.0 - in_front) * masks[other])
        shown[other] = shown[other] * (1.0 - in_front * masks[one])
    return jnp.stack(shown, axis=-3)


def _line(line: Array, resolution: tuple[int, int]) -> Array:
    x, y = _centres(resolution, line.dtype)
    a, b, c = (line[..., k, None, None] for k in range(3))
    return a * x + (b * y[:, None] + c)


def _centres(resolution: tuple[int, int], dtype: jnp.dtype) -> tuple[Array, Array]:
    width, height = resolution
    return (jnp.arange(width) + 0.5).astype(dtype), (jnp.arange(height) + 0.5).astype(dtype)
