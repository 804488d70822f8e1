"""Where episodes start: poses of the gripper around the objects, free of overlap, drawn inside jit."""

import jax
import jax.numpy as jnp
import numpy as np

from real2sim_jax.config.simulation import StartConfig
from real2sim_jax.core.actions import Action
from real2sim_jax.core.arrays import flat
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.gripper import Gripper
from real2sim_jax.core.rotations import conjugate, multiply, rotate, wxyz_from_azimuth_elevation
from real2sim_jax.data.types import Array
from real2sim_jax.simulation.types import StartState

CANDIDATES = 8
MARGIN = 0.003
"""Clearance below which a start is refused, m: covers the spacing of the sampled surface points."""
HELD_SQUEEZE = 0.0005
HELD_TURN = (np.sqrt(0.5), 0.0, np.sqrt(0.5), 0.0)
"""Ry(pi/2): the held cylinder lies across the fingers."""


def nominal_start(action: Action, heights: Array, radii: Array, moved_offset: Array) -> StartState:
    """Return the start without noise: the gripper around its object, level, pointing away from the camera.

    heights, radii (O,) m; moved_offset (3,) m is the moved object's first demonstrated position (used where it
    starts in the hand).
    """
    place = jnp.asarray(fetched_from(action), jnp.float32) if action.is_fetched else None
    if action.starts_held:
        position = jnp.asarray(moved_offset)
    else:
        position = jnp.append(jnp.zeros(2) if place is None else place, heights[0] / 2.0)
    position = position.at[2].max(action.gripper.level_height_m)
    return StartState(position, jnp.asarray(np.pi / 2), jnp.zeros(()), heights, radii, place)


def radius_ranges(action: Action, config: StartConfig) -> list[tuple[float, float]]:
    """Return the least and greatest radius of each object, m: the moved one is no wider than the gripper holds."""
    return [config.moved_radius_m or action.gripper.held_radius_m, config.radius_m][: action.objects]


def fetched_from(action: Action) -> tuple[float, float]:
    """Return where the moved object is fetched from, m from the anchor; UserError where neither file nor video says."""
    if action.moved_from is None:
        raise UserError(
            f"{action.name}: expected moved_from in its file, or demonstrations to have it from; got neither"
        )
    return action.moved_from


def sample_start(key: Array, action: Action, difficulty: Array, moved_offset: Array, config: StartConfig) -> StartState:
    """Draw a start; difficulty () in [0, 1] scales the noise. The first candidate without overlap is taken.

    The noise is around the nominal pose. Where the object starts in the hand, half of the candidates are around the
    anchor instead, the others around any place between. Falls back to the nominal pose when all candidates overlap.
    """
    key_size, key_pose, key_place = jax.random.split(key, 3)
    nominal = nominal_start(action, *_sizes(key_size, action, config), moved_offset)
    noise = jax.random.uniform(key_pose, (CANDIDATES, 5), minval=-1.0, maxval=1.0) * difficulty
    if not action.starts_held:
        noise = noise.at[:, 2].set(jnp.abs(noise[:, 2]))
    around = nominal.gripper_position
    candidates = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (CANDIDATES, *leaf.shape)), nominal)
    if action.starts_held:
        nearer = jnp.minimum(jax.random.uniform(key_place, (CANDIDATES, 1), maxval=2.0), 1.0) * (difficulty > 0.0)
        around = (1.0 - nearer) * around + nearer * action.gripper.level_height_m * _UP
    elif nominal.moved_place is not None:
        spread = config.moved_place_m * jax.random.uniform(key_place, (CANDIDATES, 2), minval=-1.0, maxval=1.0)
        candidates = candidates.replace(moved_place=nominal.moved_place + difficulty * spread)
        around += flat(difficulty * spread)
    candidates = candidates.replace(
        gripper_position=around + noise[:, :3] * jnp.asarray(config.position_m),
        azimuth=nominal.azimuth + jnp.deg2rad(config.azimuth_deg) * noise[:, 3],
        elevation=nominal.elevation + jnp.deg2rad(config.elevation_deg) * noise[:, 4],
    )
    free = ~jax.vmap(lambda start: overlaps(action, start))(candidates)
    pick = jnp.argmax(free)
    return jax.tree.map(lambda many, one: jnp.where(free.any(), many[pick], one), candidates, nominal)


def _sizes(key: Array, action: Action, config: StartConfig) -> tuple[Array, Array]:
    """Heights and radii (O,) m."""
    unit = jax.random.uniform(key, (2, action.objects))
    low, high = jnp.asarray(radius_ranges(action, config)).T
    return config.height_m[0] + (config.height_m[1] - config.height_m[0]) * unit[0], low + (high - low) * unit[1]


def start_qpos(action: Action, start: StartState) -> Array:
    """Return the scene's qpos (16 or 23,) of a start."""
    wxyz = wxyz_from_azimuth_elevation(start.azimuth, start.elevation)
    upright = jnp.asarray([1.0, 0.0, 0.0, 0.0])
    parts = [start.gripper_position, wxyz, jnp.full(2, start_opening(action, start))]
    if action.starts_held:
        parts += [start.gripper_position, multiply(wxyz, jnp.asarray(HELD_TURN, jnp.float32))]
    for place, height in _standing(start):
        parts += [jnp.append(place, height / 2.0), upright]
    return jnp.concatenate(parts).astype(jnp.float32)


def _standing(start: StartState) -> list[tuple[Array, Array]]:
    """Place (2,) m and height () m of each object that stands on the table, in their order."""
    anchor = jnp.zeros(2), start.heights[-1]
    return [anchor] if start.moved_place is None else [(start.moved_place, start.heights[0]), anchor]


def start_opening(action: Action, start: StartState) -> Array:
    """Finger opening () m at the start: closed on the held object, or fully open."""
    return start.radii[0] - HELD_SQUEEZE if action.starts_held else jnp.asarray(action.gripper.max_opening_m)


def overlaps(action: Action, start: StartState) -> Array:
    """Whether the gripper, or what it holds, overlaps the table or a standing object at the start, () bool.

    What is fetched has to stand where the open gripper fits in between it and the anchor.
    """
    wxyz = wxyz_from_azimuth_elevation(start.azimuth, start.elevation)
    opening, gripper = start_opening(action, start), action.gripper
    hit: Array = lowest_point(start.gripper_position, wxyz, opening, gripper) < 0.0
    half, radius = start.heights[-1] / 2.0, start.radii[-1]
    boxes = _gripper_boxes(opening, gripper)
    hit |= _gripper_hits(boxes, start.gripper_position - half * _UP, wxyz, radius, half)
    if start.moved_place is not None:
        hit |= jnp.linalg.norm(start.moved_place) < gripper.reach_m + radius
        middle = jnp.append(start.moved_place, start.heights[0] / 2.0)
        hit |= _gripper_hits(boxes, start.gripper_position - middle, wxyz, start.radii[0], start.heights[0] / 2.0)
    if action.starts_held:
        turned = multiply(wxyz, jnp.asarray(HELD_TURN, jnp.float32))
        held = start.gripper_position + rotate(turned, _cylinder_points(start.radii[0], start.heights[0] / 2))
        hit |= (held[:, 2] < 0.0).any() | (_cylinder_distance(held - half * _UP, radius, half) < MARGIN).any()
    return hit


Boxes = list[tuple[Array, np.ndarray]]
"""Centre and half extents of palm and fingers in the gripper frame."""


def _gripper_hits(boxes: Boxes, gripper: Array, wxyz: Array, radius: Array, half: Array) -> Array:
    """Whether the gripper at (3,) m is closer than MARGIN to an upright cylinder around the origin, () bool."""
    grids = (center + extent * grid for (center, extent), grid in zip(boxes, _BOX_GRIDS, strict=True))
    points = gripper + rotate(wxyz, jnp.concatenate(list(grids)))
    hit = jnp.any(_cylinder_distance(points, radius, half) < MARGIN)
    local = rotate(conjugate(wxyz), _cylinder_points(radius, half) - gripper)
    return hit | (_gripper_distance(local, boxes) < MARGIN).any()


def lowest_point(position: Array, wxyz: Array, opening: Array, gripper: Gripper) -> Array:
    """Height () m of the gripper's lowest corner; position (3,) m, wxyz (4,), opening () m."""
    down = rotate(conjugate(wxyz), -_UP)
    depths = [down @ center + jnp.abs(down) @ half for center, half in _gripper_boxes(opening, gripper)]
    return position[2] - jnp.stack(depths).max()


_UP = np.array([0.0, 0.0, 1.0], np.float32)


def _gripper_boxes(opening: Array, gripper: Gripper) -> Boxes:
    zero = jnp.zeros(())
    parts = gripper.boxes(opening)
    return [(jnp.stack([zero, zero + y, zero + z]), np.array(half, np.float32)) for y, z, half in parts]


def _grid(counts: tuple[int, int, int]) -> np.ndarray:
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in counts), indexing="ij")
    return np.stack([axis.ravel() for axis in axes], axis=-1).astype(np.float32)


_BOX_GRIDS = [_grid((4, 8, 4)), _grid((2, 2, 7)), _grid((2, 2, 7))]
_ANGLES = np.linspace(0, 2 * np.pi, 20, endpoint=False)
_CYLINDER_UNIT = np.concatenate(
    [np.c_[f * np.cos(_ANGLES), f * np.sin(_ANGLES), np.full(20, z)] for f in (0.5, 1.0) for z in np.linspace(-1, 1, 5)]
).astype(np.float32)


def _cylinder_points(radius: Array, half: Array) -> Array:
    return _CYLINDER_UNIT * jnp.stack([radius, radius, half])


def _cylinder_distance(points: Array, radius: Array, half: Array) -> Array:
    """Lower bound of the distance (N,) m of points (N, 3) to an upright cylinder at the origin; negative inside."""
    horizontal = points[:, 0] ** 2 + points[:, 1] ** 2
    return jnp.maximum(jnp.sqrt(horizontal + 1e-12) - radius, jnp.abs(points[:, 2]) - half)


def _gripper_distance(points: Array, boxes: Boxes) -> Array:
    """Lower bound of the distance (N,) m of points (N, 3), gripper frame, to palm and fingers; negative inside."""
    each = [(jnp.abs(points - center) - half).max(axis=-1) for center, half in boxes]
    return jnp.stack(each).min(axis=0)
