"""The look-at camera of `types.Camera`: world (x right, y away, z up) to camera (x right, y down, z forward) to pixels.

Functions take one camera (scalar fields) and points with any leading axes; `vmap` gives batches of cameras.
"""

import jax.numpy as jnp
import numpy as np

from real2sim_jax.data.types import Array, Camera

IMAGE_SIZE_PX = (427, 240)
"""Of the published annotations."""
NEAR_M = 0.05
"""Points nearer than this plane are projected as if they lay on it, m."""
FOCAL_PER_WIDTH = 1.0 / (2.0 * np.tan(np.pi / 6.0))
"""Focal length over image width of the assumed camera: 30 deg to either side, as in Petrik et al., CoRL 2020."""


def look_at_camera(distance: Array, azimuth: Array, elevation: Array, image_size: Array) -> Camera:
    """Return the camera at `distance` m from the origin; angles in rad, image_size (2,) px width and height."""
    size = jnp.asarray(image_size, jnp.float32)
    values = (jnp.asarray(value, jnp.float32) for value in (distance, azimuth, elevation))
    return Camera(*values, focal=FOCAL_PER_WIDTH * size[0], image_size=size)


def eye_position(camera: Camera) -> Array:
    """Return the camera centre in the world, (3,) m."""
    ca, sa = jnp.cos(camera.azimuth), jnp.sin(camera.azimuth)
    ce, se = jnp.cos(camera.elevation), jnp.sin(camera.elevation)
    return camera.distance * jnp.stack([ce * sa, -ce * ca, se])


def rotation_camera_world(camera: Camera) -> Array:
    """Return the rotation (3, 3) from world to camera axes; its rows are right, down and forward in the world."""
    ca, sa = jnp.cos(camera.azimuth), jnp.sin(camera.azimuth)
    ce, se = jnp.cos(camera.elevation), jnp.sin(camera.elevation)
    right = jnp.stack([ca, sa, jnp.zeros_like(ca)])
    down = jnp.stack([se * sa, -se * ca, -ce])
    forward = jnp.stack([-ce * sa, ce * ca, -se])
    return jnp.stack([right, down, forward])


def points_in_camera(points_world: Array, camera: Camera) -> Array:
    """Return points (..., 3) m in the camera's axes."""
    right, down, forward = rotation_camera_world(camera)
    x, y, z = (points_world[..., i] for i in range(3))
    # Written out: XLA:CPU turns products with 3x3 matrices into slow calls instead of fusing them.
    along = [x * axis[0] + y * axis[1] + z * axis[2] for axis in (right, down, forward)]
    return jnp.stack([along[0], along[1], along[2] + camera.distance], axis=-1)


def pixels_of(points_camera: Array, camera: Camera) -> Array:
    """Project points (..., 3) m in camera axes to pixels (..., 2); those behind the near plane as if upon it."""
    # The clamp makes the division safe, and keeps a gradient along x and y for points behind the camera.
    depth = jnp.maximum(points_camera[..., 2:], NEAR_M)
    return camera.focal * points_camera[..., :2] / depth + camera.image_size / 2.0


def project(points_world: Array, camera: Camera) -> tuple[Array, Array]:
    """Project points (..., 3) m to pixels (..., 2) and depths (...) m along the optical axis.

    The world's origin is always in the middle of the picture; what is higher is further up:

    >>> camera = look_at_camera(2.0, 0.0, 0.0, jnp.array([400.0, 200.0]))
    >>> pixels, depth = project(jnp.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.1]]), camera)
    >>> np.asarray(pixels).round().astype(int).tolist(), depth.tolist()
    ([[200, 100], [200, 83]], [2.0, 2.0])
    """
    points = points_in_camera(points_world, camera)
    return pixels_of(points, camera), points[..., 2]


def ray_directions(pixels: Array, camera: Camera) -> Array:
    """Return the world directions (..., 3) of pixels (..., 2), of unit length along the optical axis."""
    xy = (pixels - camera.image_size / 2.0) / camera.focal
    return jnp.concatenate([xy, jnp.ones_like(xy[..., :1])], axis=-1) @ rotation_camera_world(camera)


def back_project_to_height(pixels: Array, height: Array, camera: Camera, reach: float = 4.0) -> Array:
    """Return where the rays of pixels (..., 2) meet the horizontal plane at `height` (...) m: points (..., 3).

    Rays that meet it beyond `reach` times the camera's distance, or never, end there.
    """
    return _meet(pixels, height, 2, camera, reach)


def back_project_to_depth(pixels: Array, y: Array, camera: Camera, reach: float = 4.0) -> Array:
    """Return where the rays of pixels (..., 2) meet the upright plane of this `y` (...) m (for azimuth 0): (..., 3)."""
    return _meet(pixels, y, 1, camera, reach)


def _meet(pixels: Array, level: Array, axis: int, camera: Camera, reach: float) -> Array:
    directions = ray_directions(pixels, camera)
    start = eye_position(camera)
    slope = directions[..., axis]
    parallel = jnp.abs(slope) < 1e-6
    along = (level - start[axis]) / jnp.where(parallel, 1.0, slope)
    farthest = reach * camera.distance
    along = jnp.where(parallel | (along <= 0.0), farthest, jnp.minimum(along, farthest))
    return start + along[..., None] * directions
