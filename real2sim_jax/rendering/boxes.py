"""Soft bounding boxes of projected cuboids: what a person or a detector would draw around each body.

Inside, points are kept as three separate coordinates (x, y, z) of shape (..., B, T): with time on the last axis the
inner loops are long and XLA vectorises them, with three coordinates there they are not.
"""

import jax.numpy as jnp

from real2sim_jax.geometry.cameras import NEAR_M, rotation_camera_world
from real2sim_jax.geometry.cuboids import body_centres
from real2sim_jax.robot.rotations import matrix_from_wxyz
from real2sim_jax.types import HAND, Array, Camera

Points = tuple[Array, Array, Array]
FACE = jnp.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
"""(4, 2): the ends of a cuboid's x and y axes at which its four edges along z lie."""


def soft_boxes(
    half_extents: Array, position: Array, wxyz: Array, camera: Camera, cut: Array, softness_px: float = 1.5
) -> Array:
    """Return the boxes (T, B, 4) px, x1 y1 x2 y2, around the bodies as the camera sees them.

    half_extents (B, 3) m, position (T, B, 3) m (tip of the hand), wxyz (T, B, 4). cut (T, B, 4) bool names the image
    borders (left, top, right, bottom) at which a body is cut off; only there is it clipped, so that a body which
    sticks out where the observed one does not still feels it. Behind the near plane every body is clipped.
    Each side is the mean of the points weighted by exp(+-u / softness): never outside the hull, exact as softness -> 0.
    """
    x, y = visible_points(half_extents, position, wxyz, camera, cut)
    sides = [soft_minimum(x, softness_px), soft_minimum(y, softness_px)]
    sides += [-soft_minimum(-x, softness_px), -soft_minimum(-y, softness_px)]
    return jnp.stack([side.T for side in sides], axis=-1)


def hard_boxes(half_extents: Array, position: Array, wxyz: Array, camera: Camera) -> Array:
    """Return the exact boxes (T, B, 4) px of the parts of the bodies inside the image; arguments as in soft_boxes."""
    cut = jnp.ones((*position.shape[:-1], 4), bool)
    x, y = visible_points(half_extents, position, wxyz, camera, cut)
    boxes = jnp.stack([side.T for side in (x.min(0), y.min(0), x.max(0), y.max(0))], axis=-1)
    return jnp.clip(boxes, 0.0, jnp.tile(camera.image_size, 2))


def soft_minimum(values: Array, softness: float) -> Array:
    """Return the mean of values (P, ...) over their first axis, weighted by exp(-value / softness)."""
    logits = -values / softness
    weights = jnp.exp(logits - jnp.max(logits, axis=0))
    return jnp.sum(values * weights, axis=0) / jnp.sum(weights, axis=0)


def visible_points(
    half_extents: Array, position: Array, wxyz: Array, camera: Camera, cut: Array
) -> tuple[Array, Array]:
    """Return pixels x and y (8, B, T) of the ends of the bodies' long edges, clipped to the borders in `cut`."""
    starts, ends = edges_along_z(half_extents, position, wxyz, camera)
    # Only the forearm is long enough for its cut end to matter: it widens towards the camera.
    hand, others = slice(HAND, HAND + 1), slice(HAND + 1, None)
    arm = clip_to_view(_bodies(starts, hand), _bodies(ends, hand), camera, jnp.moveaxis(cut, 0, -1)[hand])
    rest = [jnp.concatenate([s, e]) for s, e in zip(_bodies(starts, others), _bodies(ends, others), strict=True)]
    points = [jnp.concatenate([a, r], axis=1) for a, r in zip(arm, rest, strict=True)]
    depth = jnp.maximum(points[2], NEAR_M)
    middle = camera.image_size / 2.0
    return camera.focal * points[0] / depth + middle[0], camera.focal * points[1] / depth + middle[1]


def _bodies(points: Points, chosen: slice) -> Points:
    return tuple(values[:, chosen] for values in points)  # type: ignore[return-value]


def edges_along_z(half_extents: Array, position: Array, wxyz: Array, camera: Camera) -> tuple[Points, Points]:
    """Return both ends of the four edges along each body's z, coordinates (4, B, T) in camera axes."""
    view = rotation_camera_world(camera)
    centre = _in_camera(view, body_centres(half_extents, position, wxyz))
    centre = centre[0], centre[1], centre[2] + camera.distance
    matrix = matrix_from_wxyz(wxyz, jnp) * half_extents[:, None, :]
    along = [_in_camera(view, matrix[..., i]) for i in range(3)]
    u, v = FACE[:, 0, None, None], FACE[:, 1, None, None]
    middle = [c + u * a + v * b for c, a, b in zip(centre, along[0], along[1], strict=True)]
    starts = tuple(m - a for m, a in zip(middle, along[2], strict=True))
    ends = tuple(m + a for m, a in zip(middle, along[2], strict=True))
    return starts, ends  # type: ignore[return-value]


def _in_camera(view: Array, vectors: Array) -> Points:
    """Turn vectors (T, B, 3) into camera axes, as coordinates (B, T)."""
    x, y, z = (vectors[..., i].T for i in range(3))
    return tuple(axis[0] * x + axis[1] * y + axis[2] * z for axis in view)  # type: ignore[return-value]


def clip_to_view(starts: Points, ends: Points, camera: Camera, cut: Array) -> Points:
    """Clip segments, coordinates (P, B, T) in camera axes, to the near plane and the image borders in cut (B, 4, T).

    Returns both ends, coordinates (2 P, B, T). A segment wholly outside keeps its ends. Source: Liang and Barsky, "A
    new concept and method for line clipping", ACM ToG 1984, in homogeneous form: planes are linear before the division.
    """
    first, last = jnp.zeros_like(starts[0]), jnp.ones_like(starts[0])
    outside = jnp.zeros(starts[0].shape, bool)
    for at_start, at_end, active in _planes(starts, ends, camera, cut):
        before, after = active & (at_start < 0.0), active & (at_end < 0.0)
        along = at_start / jnp.where(before != after, at_start - at_end, 1.0)
        first = jnp.where(before & ~after, jnp.maximum(first, along), first)
        last = jnp.where(after & ~before, jnp.minimum(last, along), last)
        outside = outside | (before & after)
    visible = (first < last) & ~outside
    first, last = jnp.where(visible, first, 0.0), jnp.where(visible, last, 1.0)
    pairs = zip(starts, ends, strict=True)
    return tuple(jnp.concatenate([s + first * (e - s), s + last * (e - s)]) for s, e in pairs)  # type: ignore[return-value]


def _planes(starts: Points, ends: Points, camera: Camera, cut: Array) -> list[tuple[Array, Array, Array]]:
    """Return per plane its values at both ends of every segment (positive inside) and where it applies (B, T)."""
    half = camera.image_size / (2.0 * camera.focal)
    everywhere = jnp.ones_like(cut[:, 0])

    def values(points: Points) -> list[Array]:
        x, y, z = points
        return [x + half[0] * z, y + half[1] * z, half[0] * z - x, half[1] * z - y, z - NEAR_M]

    applies = [*(cut[:, side] for side in range(4)), everywhere]
    return list(zip(values(starts), values(ends), applies, strict=True))
