"""Films of made-up scenes: what a camera would show of them, so that masks can be tried where there is no video."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from real2sim_jax.core.rotations import conjugate, rotate
from real2sim_jax.data.types import HAND, MOVED, Array, CuboidTrack
from real2sim_jax.geometry.cameras import eye_position, ray_directions
from real2sim_jax.geometry.cuboids import body_centres
from real2sim_jax.rendering.raycast import entry_depth, pixel_centres

WIDTH_PX = 320
COLOURS = ((196, 142, 112), (60, 90, 190), (70, 140, 80))
"""RGB of hand (skin), moved object and anchor."""
TABLE = (172, 150, 120)
ARM_M = 1.2
"""Length of the forearm in films."""
FURTHER = 2.5
"""How much further than in its scene the hand withdraws."""
WAVES, LONGEST_M, SHORTEST_M = 24, 0.4, 0.02
"""Of each texture, with wavelengths between these."""
CONTRAST = 0.03
LIGHT = (0.3, -0.5, 0.8)
AMBIENT = 0.6
NOISE = 2.0
"""Standard deviation of the sensor's noise, of 255."""


@struct.dataclass
class _Texture:
    """A solid texture: a sum of plane waves through a body."""

    colour: Array
    """(3,) RGB."""
    wave: Array
    """(WAVES, 3) rad/m."""
    phase: Array
    """(WAVES,) rad."""

    def __call__(self, points: Array) -> Array:
        """Return the colours (..., 3) of points (..., 3) m in the body's frame."""
        bright = jnp.sin(points @ self.wave.T + self.phase).sum(axis=-1)
        return self.colour * (1.0 + CONTRAST * bright[..., None])


def as_filmed(truth: CuboidTrack) -> CuboidTrack:
    """Return a scene as our segmenters ask for it: the arm comes in from the border, and is out of view otherwise.

    While the hand is at the object nothing changes; before and after it is further away.
    """
    half, position = np.array(truth.half_extents), np.array(truth.position)
    half[HAND, 2] = ARM_M / 2.0
    position[:, HAND] = position[:, MOVED] + FURTHER * (position[:, HAND] - position[:, MOVED])
    return truth.replace(half_extents=half, position=position)  # type: ignore[attr-defined]


def film_of(truth: CuboidTrack, seed: int, width: int = WIDTH_PX) -> np.ndarray:
    """Return the frames (T, H, W, 3) uint8 RGB of a track: textured cuboids on a table under one lamp.

    width: px; the height follows from the camera's image. The same seed gives the same frames.
    """
    random = np.random.default_rng(seed)
    image = np.asarray(truth.camera.image_size)
    height = round(width * float(image[1]) / float(image[0]))
    bodies = truth.half_extents.shape[0]
    textures = [_texture(colour, random) for colour in (*COLOURS[:bodies], TABLE)]
    textures = jax.tree.map(lambda *leaves: jnp.stack(leaves), *textures)
    frames = np.asarray(_frames(truth, textures, width, height))
    return np.clip(frames + random.normal(0.0, NOISE, frames.shape), 0.0, 255.0).astype(np.uint8)


def _texture(colour: tuple[int, int, int], random: np.random.Generator) -> _Texture:
    length = np.exp(random.uniform(np.log(SHORTEST_M), np.log(LONGEST_M), WAVES))
    towards = random.normal(size=(WAVES, 3))
    wave = 2.0 * np.pi * towards / np.linalg.norm(towards, axis=1, keepdims=True) / length[:, None]
    return _Texture(np.array(colour, np.float32), wave.astype(np.float32), random.uniform(0.0, 2.0 * np.pi, WAVES))


@partial(jax.jit, static_argnames=("width", "height"))
def _frames(truth: CuboidTrack, textures: _Texture, width: int, height: int) -> Array:
    eye = eye_position(truth.camera)
    rays = ray_directions(pixel_centres(width, height, truth.camera.image_size), truth.camera)
    light = jnp.array(LIGHT) / jnp.linalg.norm(jnp.array(LIGHT))
    ground = jax.tree.map(lambda leaf: leaf[-1], textures)
    # Rays that never meet the table end far away on it.
    fall = jnp.maximum(-rays[..., 2:], 1e-3)
    table = ground(eye + eye[2] / fall * rays) * _brightness(light[2])

    def body(half: Array, centre: Array, wxyz: Array, texture: _Texture) -> tuple[Array, Array]:
        depth = entry_depth(eye, rays, half, centre, wxyz)
        met = jnp.where(jnp.isfinite(depth), depth, 0.0)[..., None] * rays + eye - centre
        turn = jnp.broadcast_to(conjugate(wxyz), (*met.shape[:-1], 4))
        local = rotate(turn, met)
        # The face that was met is the one of the largest coordinate, measured in half extents.
        face = jax.nn.one_hot(jnp.argmax(jnp.abs(local) / half, axis=-1), 3) * jnp.sign(local)
        return depth, texture(local) * _brightness(face @ rotate(conjugate(wxyz), light))[..., None]

    def frame(pose: tuple[Array, Array]) -> Array:
        depths, colours = jax.vmap(body)(truth.half_extents, *pose, jax.tree.map(lambda leaf: leaf[:-1], textures))
        nearest = jnp.argmin(depths, axis=0)[None, ..., None]
        colour = jnp.take_along_axis(colours, nearest, axis=0)[0]
        return jnp.where(jnp.isfinite(depths).any(axis=0)[..., None], colour, table)

    return jax.lax.map(frame, (body_centres(truth.half_extents, truth.position, truth.wxyz), truth.wxyz))


def _brightness(cosine: Array) -> Array:
    """Lambert's law, with light from all around."""
    return AMBIENT + (1.0 - AMBIENT) * jnp.maximum(cosine, 0.0)
