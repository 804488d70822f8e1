"""Cuboids by half extents, centre and orientation: corners, extents along the vertical, overlap."""

import jax
import jax.numpy as jnp
import numpy as np

from real2sim_jax.core.rotations import conjugate, matrix_from_wxyz, rotate
from real2sim_jax.data.types import HAND, Array

HAND_HALF_EXTENTS_M = (0.04, 0.04, 0.2)
"""Of the published hand, a forearm of radius 4 cm and length 40 cm."""
CORNER_SIGNS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
"""(8, 3): which end of each axis a corner is at; corners 2 k and 2 k + 1 share an edge along the cuboid's z."""
EDGES = np.array([(i, j) for i in range(8) for j in range(i + 1, 8) if bin(i ^ j).count("1") == 1])
"""(12, 2) corner indices of the edges."""


def corners(half_extents: Array, position: Array, wxyz: Array) -> Array:
    """Return the corners (..., 8, 3) m of cuboids with half extents and centres (..., 3) m, orientation (..., 4)."""
    local = jnp.asarray(CORNER_SIGNS) * half_extents[..., None, :]
    # Sums written out: XLA:CPU turns products with 3x3 matrices into slow calls instead of fusing them.
    matrix = matrix_from_wxyz(wxyz)[..., None, :, :]
    turned = sum(matrix[..., :, i] * local[..., None, i] for i in range(3))
    return turned + position[..., None, :]


def body_centres(half_extents: Array, position: Array, wxyz: Array) -> Array:
    """Return the centres (..., B, 3) m of the bodies: of the hand, whose position is its tip, half a length behind it.

    half_extents, position (..., B, 3) m and wxyz (..., B, 4) as in `types.CuboidTrack`, broadcast against each other.
    """
    axis = rotate(wxyz[..., HAND, :], jnp.asarray([0.0, 0.0, 1.0], position.dtype))
    shift = half_extents[..., HAND, 2:] * axis
    is_hand = jnp.arange(position.shape[-2])[:, None] == HAND
    return position - jnp.where(is_hand, shift[..., None, :], 0.0)


def vertical_half_extent(half_extents: Array, wxyz: Array) -> Array:
    """Return how far cuboids reach above and below their centres, (...) m."""
    return (abs(matrix_from_wxyz(wxyz)[..., 2, :]) * half_extents).sum(axis=-1)


def signed_distance(point: Array, half_extents: Array, position: Array, wxyz: Array) -> Array:
    """Return the distance (...) m of points (..., 3) from cuboids' surfaces, negative inside.

    Source: the exact distance to a box, q = |p| - h: |max(q, 0)| + min(max(q), 0).
    """
    q = jnp.abs(rotate(conjugate(wxyz), point - position)) - half_extents
    outside = jnp.maximum(q, 0.0)
    squared = jnp.sum(outside * outside, axis=-1)
    inside = squared < 1e-12
    distance = jnp.sqrt(jnp.where(inside, 1.0, squared))
    return jnp.where(inside, jnp.minimum(jnp.max(q, axis=-1), 0.0), distance)


def penetration(
    half_a: Array, position_a: Array, wxyz_a: Array, half_b: Array, position_b: Array, wxyz_b: Array
) -> Array:
    """Return how deep cuboid a reaches into b along the face normals of either, (...) m; 0 when a face separates them.

    The separating-axis test without its nine edge-edge axes: exact for cuboids that both stand upright, else an upper
    bound. Source: Gottschalk et al., "OBBTree", SIGGRAPH 1996.
    """
    # (3, 3, ...): component, axis. Barriers keep XLA from copying these sums into every user of them.
    axes_a, axes_b = (jnp.moveaxis(matrix_from_wxyz(wxyz), (-2, -1), (0, 1)) for wxyz in (wxyz_a, wxyz_b))
    cosines = jnp.abs(jnp.sum(axes_a[:, :, None] * axes_b[:, None], axis=0))
    cosines, axes_a, axes_b = jax.lax.optimization_barrier((cosines, axes_a, axes_b))
    apart = jnp.moveaxis(position_a - position_b, -1, 0)[:, None]
    half_a, half_b = (_component_first(half, apart.ndim - 1) for half in (half_a, half_b))
    along_a = half_a + jnp.sum(cosines * half_b, axis=1)
    along_b = half_b + jnp.sum(cosines * half_a[:, None], axis=0)
    between = jnp.abs(jnp.sum(jnp.concatenate([axes_a, axes_b], axis=1) * apart, axis=0))
    overlaps = jax.lax.optimization_barrier(jnp.concatenate([along_a, along_b]) - between)
    return jnp.maximum(jnp.min(overlaps, axis=0), 0.0)


def _component_first(half: Array, dimensions: int) -> Array:
    """Move the components of (..., 3) to the front, with leading axes added for broadcasting."""
    return jnp.moveaxis(half.reshape(*([1] * (dimensions - half.ndim)), *half.shape), -1, 0)
