"""Soft bounding boxes of projected cuboids: what a person or a detector would draw around each body.

Inside, points are arrays (3, ..., B, T) of coordinates x, y, z: with time on the last axis the inner loops are long
and XLA vectorises them. Barriers between the stages keep XLA from copying each stage's sums into every user of them,
which multiplies what has to be compiled.
"""

import jax
import jax.numpy as jnp

from real2sim_jax.core.rotations import matrix_from_wxyz
from real2sim_jax.data.types import HAND, Array, Camera
from real2sim_jax.geometry.cameras import NEAR_M, rotation_camera_world

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
    points = visible_points(half_extents, position, wxyz, camera, cut)
    sign = jnp.asarray([1.0, 1.0, -1.0, -1.0]).reshape(4, 1, 1, 1)
    sides = sign[:, 0] * soft_minimum(sign * jnp.concatenate([points, points]), softness_px)
    return jnp.transpose(sides, (2, 1, 0))


def hard_boxes(half_extents: Array, position: Array, wxyz: Array, camera: Camera) -> Array:
    """Return the exact boxes (T, B, 4) px of the parts of the bodies inside the image; arguments as in soft_boxes."""
    cut = jnp.ones((*position.shape[:-1], 4), bool)
    points = visible_points(half_extents, position, wxyz, camera, cut)
    boxes = jnp.transpose(jnp.concatenate([points.min(1), points.max(1)]), (2, 1, 0))
    return jnp.clip(boxes, 0.0, jnp.tile(camera.image_size, 2))


def soft_minimum(values: Array, softness: float) -> Array:
    """Return the mean of values (S, P, ...) over their second axis, weighted by exp(-value / softness)."""
    logits = -values / softness
    weights = jnp.exp(logits - jax.lax.stop_gradient(jnp.max(logits, axis=1, keepdims=True)))
    return jnp.sum(values * weights, axis=1) / jnp.sum(weights, axis=1)


def visible_points(half_extents: Array, position: Array, wxyz: Array, camera: Camera, cut: Array) -> Array:
    """Return pixels (2, 8, B, T) of the ends of the bodies' long edges, clipped to the borders in `cut`."""
    starts, ends = edges_along_z(half_extents, position, wxyz, camera)
    # Only the forearm is long enough for its cut end to matter: it widens towards the camera.
    hand, others = slice(HAND, HAND + 1), slice(HAND + 1, None)
    arm = clip_to_view(starts[:, :, hand], ends[:, :, hand], camera, jnp.moveaxis(cut, 0, -1)[hand])
    rest = jnp.concatenate([starts[:, :, others], ends[:, :, others]], axis=1)
    points = jax.lax.optimization_barrier(jnp.concatenate([arm, rest], axis=2))
    middle = (camera.image_size / 2.0).reshape(2, 1, 1, 1)
    return camera.focal * points[:2] / jnp.maximum(points[2:], NEAR_M) + middle


def edges_along_z(half_extents: Array, position: Array, wxyz: Array, camera: Camera) -> tuple[Array, Array]:
    """Return both ends of the four edges along each body's z, points (3, 4, B, T) in camera axes."""
    view = rotation_camera_world(camera)
    matrix = jnp.transpose(matrix_from_wxyz(wxyz), (2, 3, 1, 0))
    half_axes = jax.lax.optimization_barrier(matrix * half_extents.T[:, :, None])
    # The hand's position is its tip.
    is_hand = (jnp.arange(position.shape[1]) == HAND)[:, None]
    centre = _turn(view, jnp.transpose(position, (2, 1, 0)) - jnp.where(is_hand, half_axes[:, 2], 0.0))
    centre = centre + camera.distance * jnp.asarray([0.0, 0.0, 1.0])[:, None, None]
    along = jax.lax.optimization_barrier(_turn(view, half_axes))
    u, v = FACE.T[:, :, None, None]
    middle = centre[:, None] + u * along[:, None, 0] + v * along[:, None, 1]
    return jax.lax.optimization_barrier((middle - along[:, None, 2], middle + along[:, None, 2]))


def _turn(view: Array, vectors: Array) -> Array:
    """Turn vectors (3, ..., B, T) into camera axes."""
    # A sum and not a product of matrices, which XLA:CPU turns into slow calls instead of fusing it.
    return jnp.sum(view.reshape(3, 3, *([1] * (vectors.ndim - 1))) * vectors, axis=1)


def clip_to_view(starts: Array, ends: Array, camera: Camera, cut: Array) -> Array:
    """Clip segments, points (3, P, B, T) in camera axes, to the near plane and the image borders in cut (B, 4, T).

    Returns both ends, points (3, 2 P, B, T). A segment wholly outside keeps its ends. Source: Liang and Barsky, "A
    new concept and method for line clipping", ACM ToG 1984, in homogeneous form: planes are linear before the division.
    """
    at_start, at_end, active = _planes(starts, ends, camera, cut)
    before, after = active & (at_start < 0.0), active & (at_end < 0.0)
    along = at_start / jnp.where(before != after, at_start - at_end, 1.0)
    first = jnp.max(jnp.where(before & ~after, along, 0.0), axis=0)
    last = jnp.min(jnp.where(after & ~before, along, 1.0), axis=0)
    visible = (first < last) & ~jnp.any(before & after, axis=0)
    first, last = jax.lax.optimization_barrier((jnp.where(visible, first, 0.0), jnp.where(visible, last, 1.0)))
    return jnp.concatenate([starts + first * (ends - starts), starts + last * (ends - starts)], axis=1)


def _planes(starts: Array, ends: Array, camera: Camera, cut: Array) -> tuple[Array, Array, Array]:
    """Return the values of five planes at both ends of every segment (5, P, B, T), positive inside, and which count."""
    half = camera.image_size / (2.0 * camera.focal)

    def values(points: Array) -> Array:
        across, forward = points[:2], points[2:]
        borders = half.reshape(2, 1, 1, 1) * forward
        return jnp.concatenate([borders + across, borders - across, forward - NEAR_M])

    active = jnp.concatenate([jnp.moveaxis(cut, 1, 0), jnp.ones_like(cut[None, :, 0])])
    return *jax.lax.optimization_barrier((values(starts), values(ends))), active[:, None]
