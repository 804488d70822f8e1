"""Soft masks of the visible parts of cuboids.

A cuboid's silhouette is convex: the pixels inside all of its silhouette edges, those between a face that looks at the
camera and one that looks away. At most one of two opposite faces looks at the camera, so at most six of the twelve
edges count, and a table says which. The generic soft rasteriser (Liu et al., ICCV 2019) does the same sums over
triangles that overlap.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from real2sim_jax.data.types import Array, Camera
from real2sim_jax.geometry.cameras import NEAR_M
from real2sim_jax.rendering.boxes import edges_along_z
from real2sim_jax.rendering.half_planes import composite, nearness, soft_hulls

FAR_INSIDE_PX = 1e4
"""Distance from the line of an edge that is no silhouette edge: never the least."""
# Corners as `edges_along_z` orders them: bit 2 the end along z, bit 1 along x, bit 0 along y.
_BITS = np.array([[k >> 1 & 1, k & 1, k >> 2 & 1] for k in range(8)])


def _cycle(axis: int, side: int) -> list[int]:
    """Corners of a face, counterclockwise seen from outside."""
    u, v = (axis + 1) % 3, (axis + 2) % 3
    order = [(0, 0), (1, 0), (1, 1), (0, 1)] if side else [(0, 0), (0, 1), (1, 1), (1, 0)]
    return [
        next(k for k in range(8) if _BITS[k, axis] == side and (_BITS[k, u], _BITS[k, v]) == ends) for ends in order
    ]


CYCLES = np.array([_cycle(axis, side) for axis in range(3) for side in (0, 1)])
"""(6, 4) corner indices of the faces, both of the first axis first."""


def _silhouette(sides: tuple[int, ...]) -> list[tuple[int, int]]:
    """Edges, as pairs of corners, that just one of the visible faces has; sides (3,) is 0, 1 or 2 for none by axis."""
    faces = [CYCLES[2 * axis + side] for axis, side in enumerate(sides) if side < 2]
    edges = {(int(a), int(b)) for face in faces for a, b in zip(face, np.roll(face, -1), strict=True)}
    once = [(a, b) for a, b in sorted(edges) if (b, a) not in edges]
    # From a corner to itself: no edge.
    return once + [(0, 0)] * (6 - len(once))


SILHOUETTES = np.array([_silhouette(sides) for sides in itertools.product(range(3), repeat=3)]).reshape(3, 3, 3, 6, 2)
"""(3, 3, 3, 6, 2): corners of the silhouette's edges by which face of each axis looks at the camera, 2 for none."""


def soft_masks(
    half_extents: Array,
    position: Array,
    wxyz: Array,
    camera: Camera,
    resolution: tuple[int, int],
    softness_px: float | Array = 1.0,
) -> Array:
    """Return masks (T, B, H, W) in [0, 1] of what the camera sees of each body, nearer bodies before farther ones.

    half_extents (B, 3) m, position (T, B, 3) m (tip of the hand), wxyz (T, B, 4); resolution is (W, H), softness in
    pixels of that grid. Whether a body is in front of another is decided at every pixel and has no gradient.
    """
    corners = visible_corners(half_extents, position, wxyz, camera)
    scale = resolution[0] / camera.image_size[0]
    depth = jnp.maximum(corners[..., 2:], NEAR_M)
    pixels = scale * (camera.focal * corners[..., :2] / depth + camera.image_size / 2.0)
    sides = facing(pixels)
    lines = silhouette_lines(pixels, sides) / softness_px
    if position.shape[1] == 1:
        return jnp.expand_dims(soft_hulls(lines[:, 0], resolution), axis=1)
    pixels, depth = jax.lax.stop_gradient((pixels, depth[..., 0]))
    planes, floor = depth_planes(pixels, depth, sides), 1.0 / jnp.max(depth, axis=-1)
    return composite(soft_hulls(lines, resolution), nearness(planes, floor, resolution))


def visible_corners(half_extents: Array, position: Array, wxyz: Array, camera: Camera) -> Array:
    """Return corners (T, B, 8, 3) m in camera axes; an edge along z that crosses the near plane ends there."""
    starts, ends = (jnp.stack(points) for points in edges_along_z(half_extents, position, wxyz, camera))
    behind_start, behind_end = starts[2] < NEAR_M, ends[2] < NEAR_M
    crosses = behind_start != behind_end
    along = (NEAR_M - starts[2]) / jnp.where(crosses, ends[2] - starts[2], 1.0)
    crossing = starts + along * (ends - starts)
    starts, ends = jnp.where(crosses & behind_start, crossing, starts), jnp.where(crosses & behind_end, crossing, ends)
    return jnp.transpose(jnp.concatenate([starts, ends], axis=1), (3, 2, 1, 0))


def facing(pixels: Array) -> Array:
    """Return which face of each axis (..., 3) of bodies with corners at pixels (..., 8, 2) looks at us; 2 for none."""
    a, b, c, d = (pixels[..., CYCLES[:, i], :] for i in range(4))
    across, down = c - a, d - b
    # Counterclockwise from outside is clockwise on an image whose y points down.
    turn = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
    first, second = turn[..., 0::2], turn[..., 1::2]
    return jnp.where(jnp.minimum(first, second) < 0.0, (second < first).astype(jnp.int32), 2)


def silhouette_lines(pixels: Array, sides: Array) -> Array:
    """Return lines (..., 6, 3): distance (px) of (x, y) from an edge's line is l0 x + l1 y + l2, positive inside."""
    ends = jnp.asarray(SILHOUETTES)[sides[..., 0], sides[..., 1], sides[..., 2]]
    # A choice among eight and not indexing, whose gradient is slow on every device.
    chosen = jnp.where(ends[..., None, None] == jnp.arange(8)[:, None], pixels[..., None, None, :, :], 0.0)
    start, end = jnp.moveaxis(jnp.sum(chosen, axis=-2), -2, 0)
    along = end - start
    squared = jnp.sum(along * along, axis=-1)
    point = squared < 1e-6
    length = jnp.sqrt(jnp.where(point, 1.0, squared))
    normal = jnp.stack([-along[..., 1], along[..., 0]], axis=-1) / length[..., None]
    offset = -jnp.sum(normal * start, axis=-1)
    middle = jnp.mean(pixels, axis=-2, keepdims=True)
    inward = jnp.where(jnp.sum(normal * middle, axis=-1) + offset >= 0.0, 1.0, -1.0)
    lines = jnp.concatenate([normal, offset[..., None]], axis=-1) * inward[..., None]
    return jnp.where(point[..., None], jnp.asarray([0.0, 0.0, FAR_INSIDE_PX]), lines)


def depth_planes(pixels: Array, depth: Array, sides: Array) -> Array:
    """Return planes (..., 3, 3): the inverse depth (1/m) of a visible face is p0 x + p1 y + p2 at the pixel (x, y).

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
    front = (jnp.arange(2) == sides[..., None]).reshape(flat.shape)
    planes = jnp.where((front & ~flat)[..., None], planes, jnp.asarray([0.0, 0.0, 1.0 / NEAR_M]))
    nearer = planes.reshape(*planes.shape[:-2], 3, 2, 3)
    return jnp.where((sides == 1)[..., None], nearer[..., 1, :], nearer[..., 0, :])
