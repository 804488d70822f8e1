"""Exact masks of the visible parts of cuboids, by intersecting every pixel's ray with every body.

Slow and without gradients: it makes the embedded demonstrations and is what the fast renderer is checked against.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from real2sim_jax.core.rotations import conjugate, rotate
from real2sim_jax.data.types import Array, Camera, CuboidTrack
from real2sim_jax.geometry.cameras import NEAR_M, eye_position, ray_directions
from real2sim_jax.geometry.cuboids import body_centres

FRAMES_MULTIPLE = 64


def pixel_centres(width: int, height: int, image_size: Array) -> Array:
    """Return the centres (height, width, 2) px, in the video's pixels, of a grid that covers the video's image."""
    x = (jnp.arange(width) + 0.5) * image_size[0] / width
    y = (jnp.arange(height) + 0.5) * image_size[1] / height
    return jnp.stack(jnp.meshgrid(x, y, indexing="xy"), axis=-1)


def body_masks(track: CuboidTrack, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Return masks (T, B, height, width) bool of each body: the part that is visible, and all of it."""
    frames = len(track.position)
    # Frames are padded so that tracks of similar lengths share one compilation.
    extra = ((0, -frames % FRAMES_MULTIPLE), (0, 0), (0, 0))
    position, wxyz = (np.pad(np.asarray(values), extra, mode="edge") for values in (track.position, track.wxyz))
    masks = _masks(track.half_extents, position, wxyz, track.camera, width, height)
    return np.asarray(masks[0])[:frames], np.asarray(masks[1])[:frames]


@partial(jax.jit, static_argnames=("width", "height"))
def _masks(
    half_extents: Array, position: Array, wxyz: Array, camera: Camera, width: int, height: int
) -> tuple[Array, Array]:
    rays = ray_directions(pixel_centres(width, height, camera.image_size), camera)
    centres = body_centres(half_extents, position, wxyz)

    def frame(pose: tuple[Array, Array]) -> tuple[Array, Array]:
        depth = jax.vmap(lambda h, p, q: entry_depth(eye_position(camera), rays, h, p, q))
        depths = depth(half_extents, *pose)
        whole = jnp.isfinite(depths)
        nearest = jnp.argmin(depths, axis=0)
        return (jnp.arange(len(depths))[:, None, None] == nearest) & whole, whole

    return jax.lax.map(frame, (centres, wxyz))


def entry_depth(eye: Array, rays: Array, half_extents: Array, position: Array, wxyz: Array) -> Array:
    """Return the depth (...) at which rays (..., 3) from `eye` enter one cuboid; inf where they miss it.

    The slab method: Kay and Kajiya, "Ray tracing complex scenes", SIGGRAPH 1986.
    """
    inverse = conjugate(wxyz)
    start = rotate(inverse, eye - position)
    towards = rotate(jnp.broadcast_to(inverse, (*rays.shape[:-1], 4)), rays)
    towards = jnp.where(jnp.abs(towards) < 1e-9, 1e-9, towards)
    ends = jnp.stack([(-half_extents - start) / towards, (half_extents - start) / towards])
    enter, leave = ends.min(axis=0).max(axis=-1), ends.max(axis=0).min(axis=-1)
    return jnp.where((enter <= leave) & (leave > NEAR_M), jnp.maximum(enter, NEAR_M), jnp.inf)
