"""Soft masks of the visible parts of cuboids.

A cuboid's silhouette is convex: the pixels inside all of its silhouette edges, those between a face that looks at the
camera and one that looks away (at most six of twelve). A pixel's signed distance is the least of those to the edges'
lines; its gradient reaches only the edge that is nearest, which makes the backward pass one comparison per edge.
The generic soft rasteriser (Liu et al., ICCV 2019) does the same sums over triangles that overlap.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from real2sim_jax.geometry.cameras import NEAR_M
from real2sim_jax.rendering.boxes import clip_to_view, edges_along_z
from real2sim_jax.types import Array, Camera

FAR_INSIDE_PX = 1e4
"""Distance from the line of an edge that is no silhouette edge: never the least."""
TIE_PX = 1e-3
# Corners as `edges_along_z` orders them: bit 2 the end along z, bit 1 along x, bit 0 along y.
_BITS = np.array([[k >> 1 & 1, k & 1, k >> 2 & 1] for k in range(8)])
_EDGES = [(i, j) for i in range(8) for j in range(i + 1, 8) if np.abs(_BITS[i] - _BITS[j]).sum() == 1]
_FACES = [(axis, side) for axis in range(3) for side in (0, 1)]


def _cycle(axis: int, side: int) -> list[int]:
    """Corners of a face, counterclockwise seen from outside."""
    u, v = (axis + 1) % 3, (axis + 2) % 3
    order = [(0, 0), (1, 0), (1, 1), (0, 1)] if side else [(0, 0), (0, 1), (1, 1), (1, 0)]
    return [
        next(k for k in range(8) if _BITS[k, axis] == side and (_BITS[k, u], _BITS[k, v]) == ends) for ends in order
    ]


CYCLES = np.array([_cycle(axis, side) for axis, side in _FACES])
"""(6, 4) corner indices of the faces."""
EDGE_CORNERS = np.array(_EDGES)
"""(12, 2)."""
EDGE_FACES = np.array([[f for f in range(6) if {i, j} <= set(CYCLES[f])] for i, j in _EDGES])
"""(12, 2): the two faces that meet in each edge."""


def soft_masks(
    half_extents: Array,
    position: Array,
    wxyz: Array,
    camera: Camera,
    resolution: tuple[int, int],
    softness_px: float = 1.0,
) -> Array:
    """Return masks (T, B, H, W) in [0, 1] of what the camera sees of each body, nearer bodies before farther ones.

    half_extents (B, 3) m, position (T, B, 3) m (tip of the hand), wxyz (T, B, 4); resolution is (W, H), softness in
    pixels of that grid. Whether a body is in front of another is decided at every pixel and has no gradient.
    """
    corners = visible_corners(half_extents, position, wxyz, camera)
    scale = resolution[0] / camera.image_size[0]
    half_image = scale * camera.image_size / 2.0
    depth = jnp.maximum(corners[..., 2:], NEAR_M)
    pixels = scale * camera.focal * corners[..., :2] / depth + half_image
    front = facing(pixels)
    inside: Array = line_minimum(silhouette_lines(pixels, front), resolution)  # type: ignore[assignment]
    alone = jax.nn.sigmoid(inside / softness_px)
    nearness = jax.lax.stop_gradient(_nearness(pixels, depth[..., 0], front, resolution))
    return composite(alone, nearness)


def composite(alone: Array, nearness: Array) -> Array:
    """Return the visible share (..., B, H, W) of masks that are each rendered alone, given inverse depths per pixel."""
    visible = alone
    for other in range(alone.shape[-3]):
        # 2 % in depth decide: what is as near as that hides half.
        ratio = nearness[..., other, None, :, :] / jnp.maximum(nearness, 1e-6)
        hides = jax.nn.sigmoid((ratio - 1.0) / 0.01) * alone[..., other, None, :, :]
        is_other = (jnp.arange(alone.shape[-3]) == other)[:, None, None]
        visible = visible * jnp.where(is_other, 1.0, 1.0 - hides)
    return visible


def visible_corners(half_extents: Array, position: Array, wxyz: Array, camera: Camera) -> Array:
    """Return corners (T, B, 8, 3) m in camera axes, cut at the near plane."""
    starts, ends = edges_along_z(half_extents, position, wxyz, camera)
    nothing = jnp.zeros((position.shape[1], 4, position.shape[0]), bool)
    points = clip_to_view(starts, ends, camera, nothing)
    return jnp.stack([jnp.moveaxis(coordinate, (0, 1, 2), (2, 1, 0)) for coordinate in points], axis=-1)


def facing(pixels: Array) -> Array:
    """Return which faces (..., 6) of bodies with corners at pixels (..., 8, 2) look at the camera."""
    a, b, c, d = (pixels[..., CYCLES[:, i], :] for i in range(4))
    across, down = c - a, d - b
    # Counterclockwise from outside is clockwise on an image whose y points down.
    return across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0] < 0.0


def silhouette_lines(pixels: Array, front: Array) -> Array:
    """Return lines (..., 12, 3): distance (px) of (x, y) from an edge's line is l0 x + l1 y + l2, positive inside."""
    start, end = pixels[..., EDGE_CORNERS[:, 0], :], pixels[..., EDGE_CORNERS[:, 1], :]
    along = end - start
    squared = jnp.sum(along * along, axis=-1)
    point = squared < 1e-6
    length = jnp.sqrt(jnp.where(point, 1.0, squared))
    normal = jnp.stack([-along[..., 1], along[..., 0]], axis=-1) / length[..., None]
    offset = -jnp.sum(normal * start, axis=-1)
    middle = jnp.mean(pixels, axis=-2, keepdims=True)
    inward = jnp.where(jnp.sum(normal * middle, axis=-1) + offset >= 0.0, 1.0, -1.0)
    counts = (front[..., EDGE_FACES[:, 0]] != front[..., EDGE_FACES[:, 1]]) & ~point
    lines = jnp.concatenate([normal, offset[..., None]], axis=-1) * inward[..., None]
    return jnp.where(counts[..., None], lines, jnp.asarray([0.0, 0.0, FAR_INSIDE_PX]))


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def line_minimum(lines: Array, resolution: tuple[int, int]) -> Array:
    """Return the least value (..., H, W) of lines (..., L, 3) at the pixel centres of a grid of (W, H)."""
    x, y = _centres(resolution)
    # A loop and not one expression: unrolled over edges and bodies it takes XLA minutes to compile.
    turns = jnp.moveaxis(lines, -2, 0)
    start = _line(turns[0], x, y)
    return jax.lax.fori_loop(1, len(turns), lambda i, least: jnp.minimum(least, _line(turns[i], x, y)), start)


def _minimum_forward(lines: Array, resolution: tuple[int, int]) -> tuple[Array, tuple[Array, Array]]:
    least: Array = line_minimum(lines, resolution)  # type: ignore[assignment]
    return least, (lines, least)


def _minimum_backward(resolution: tuple[int, int], saved: tuple[Array, Array], weight: Array) -> tuple[Array]:
    lines, least = saved
    x, y = _centres(resolution)

    turns = jnp.moveaxis(lines, -2, 0)

    def is_least(line: Array) -> Array:
        # Not "equal": compiled apart from the forward pass, the same line may differ in its last bits.
        return _line(line, x, y) <= least + TIE_PX

    # Edges that fall together (a face seen edge on) share the gradient.
    ties = jax.lax.fori_loop(1, len(turns), lambda i, n: n + is_least(turns[i]), is_least(turns[0]).astype(least.dtype))
    share = weight / jnp.maximum(ties, 1.0)

    def of_line(line: Array) -> Array:
        mine = jnp.where(is_least(line), share, 0.0)
        # Down the columns first: sums over an axis that is not the last are vectorised.
        by_column, by_column_y = jnp.sum(mine, axis=-2), jnp.sum(mine * y, axis=-2)
        return jnp.stack([(by_column * x).sum(-1), by_column_y.sum(-1), by_column.sum(-1)], axis=-1)

    return (jnp.moveaxis(jax.lax.map(of_line, turns), 0, -2),)


line_minimum.defvjp(_minimum_forward, _minimum_backward)


def _line(line: Array, x: Array, y: Array) -> Array:
    a, b, c = (line[..., k, None, None] for k in range(3))
    return a * x + (b * y + c)


def _centres(resolution: tuple[int, int]) -> tuple[Array, Array]:
    width, height = resolution
    return jnp.arange(width) + 0.5, (jnp.arange(height) + 0.5)[:, None]


def _nearness(pixels: Array, depth: Array, front: Array, resolution: tuple[int, int]) -> Array:
    """Return inverse depths (..., H, W) 1/m of the surfaces seen: over a face they are affine in the pixel.

    The surface of a convex body is where its front faces' planes are all passed: their least inverse depth.
    """
    corner = pixels[..., CYCLES[:, :3], :]
    value = 1.0 / depth[..., CYCLES[:, :3]]
    u, v = corner[..., 1, :] - corner[..., 0, :], corner[..., 2, :] - corner[..., 0, :]
    du, dv = value[..., 1] - value[..., 0], value[..., 2] - value[..., 0]
    area = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    flat = jnp.abs(area) < 1e-3
    area = jnp.where(flat, 1.0, area)
    slope_x, slope_y = (du * v[..., 1] - dv * u[..., 1]) / area, (dv * u[..., 0] - du * v[..., 0]) / area
    level = value[..., 0] - slope_x * corner[..., 0, 0] - slope_y * corner[..., 0, 1]
    planes = jnp.stack([slope_x, slope_y, level], axis=-1)
    planes = jnp.where((front & ~flat)[..., None], planes, jnp.asarray([0.0, 0.0, 1.0 / NEAR_M]))
    return line_minimum(planes, resolution)  # type: ignore[return-value]
