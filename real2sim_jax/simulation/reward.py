"""The dense reward: named terms that compare the scene with the demonstrations at one moment.

Terms have the form exp(-sharpness / 2 error), error being squared distances or, for object rotation, the angle
(arXiv 2011.06813), for one demonstration; those of several are averaged, or count by how well they are followed. The
simulated objects are cylinders, which have no top and no direction around: their rotation is that of their axis.
"""

from dataclasses import fields

import jax
import jax.numpy as jnp
from flax import struct

from real2sim_jax.config.simulation import RewardConfig
from real2sim_jax.core.arrays import flat
from real2sim_jax.core.rotations import azimuth_elevation_from_wxyz, matrix_from_wxyz, rotate, wrap
from real2sim_jax.data.types import HAND, MOVED, Array, Demonstration


@struct.dataclass
class RewardTarget:
    """One demonstration at one moment (or all of them over time, with leading axes)."""

    object_bottom: Array
    """(O, 3) m: the point below the centre at the object's bottom."""
    object_axis: Array
    """(O, 3) where the vertical of the first frame has turned to."""
    object_half_height: Array
    """(O,) m."""
    gripper_position: Array
    """(3,) m."""
    azimuth: Array
    """() rad."""
    elevation: Array
    """() rad."""
    grip: Array
    """() 0 open .. 1 closed."""
    fetched_from: Array
    """(2,) m where the moved object stands at the start."""
    share: Array
    """() how much of the distance by which it stands elsewhere all this is displaced by: 1 until the hand has it, 0
    when it is put down."""


@struct.dataclass
class ObservedScene:
    """What the reward sees of the simulation at one moment."""

    object_bottom: Array
    object_axis: Array
    """(O, 3) of the cylinders, either way."""
    object_half_height: Array
    gripper_position: Array
    azimuth: Array
    elevation: Array
    opening: Array
    """() m."""
    gap_radius: Array
    """() m: radius of the object to be held."""
    reach: Array
    """() m: distance of that object's centre from the gripper frame."""


def scene_of(
    gripper: Array, gripper_wxyz: Array, opening: Array, position: Array, wxyz: Array, heights: Array, radii: Array
) -> ObservedScene:
    """Return what the reward sees of a gripper (3,) m, (4,), opening () m, and of cylinders at (O, 3) m, (O, 4).

    heights, radii (O,) m.
    """
    azimuth, elevation = azimuth_elevation_from_wxyz(gripper_wxyz)
    return ObservedScene(
        object_bottom=position.at[:, 2].add(-heights / 2.0),
        object_axis=matrix_from_wxyz(wxyz)[..., :, 2],
        object_half_height=heights / 2.0,
        gripper_position=gripper,
        azimuth=azimuth,
        elevation=elevation,
        opening=opening,
        gap_radius=radii[0],
        reach=jnp.linalg.norm(position[0] - gripper),
    )


def reward_targets(demonstration: Demonstration) -> RewardTarget:
    """Turn demonstrations with any leading axes (..., K) into references with the same leading axes."""
    position = jnp.asarray(demonstration.position)
    half = jnp.broadcast_to(demonstration.half_extents[..., None, 1:, 2], position[..., 1:, 2].shape)
    bottom = position[..., 1:, :].at[..., 2].add(-half)
    wxyz = jnp.asarray(demonstration.wxyz)
    azimuth, elevation = azimuth_elevation_from_wxyz(wxyz[..., HAND, :])
    hand, grip = position[..., HAND, :], jnp.asarray(demonstration.grip)
    axis = rotate(wxyz[..., 1:, :], jnp.asarray([0.0, 0.0, 1.0]))
    start = jnp.broadcast_to(position[..., :1, MOVED, :2], (*grip.shape, 2))
    share = carrying_share(grip, jnp.asarray(demonstration.acting))
    return RewardTarget(bottom, axis, half, hand, azimuth, elevation, grip, start, share)


def carrying_share(grip: Array, acting: Array) -> Array:
    """Return 1 until the demonstrated hand closes, falling to 0 at the end of the action, (..., K)."""
    index = jnp.arange(grip.shape[-1])
    first = jnp.argmax((grip > 0.5) & acting, axis=-1, keepdims=True)
    last = index[-1] - jnp.argmax(acting[..., ::-1], axis=-1, keepdims=True)
    return jnp.clip((last - index) / jnp.maximum(last - first, 1), 0.0, 1.0)


def displaced(target: RewardTarget, place: Array | None) -> RewardTarget:
    """Return demonstrations, any leading axes, for a moved object that stood at a place (2,) m; unchanged for None."""
    if place is None:
        return target
    away = target.share[..., None] * flat(place - target.fetched_from)
    bottom = target.object_bottom.at[..., 0, :].add(away)
    return target.replace(object_bottom=bottom, gripper_position=target.gripper_position + away)  # type: ignore[attr-defined]


def reward_terms(scene: ObservedScene, reference: RewardTarget, config: RewardConfig) -> dict[str, Array]:
    """Return each term () in [0, 1] for one demonstration."""
    position, angle = config.position_sharpness, config.angle_sharpness
    object_error = jnp.sum((scene.object_bottom - reference.object_bottom) ** 2, axis=-1)
    higher = scene.object_half_height[0] - reference.object_half_height[0] if config.own_height else 0.0
    gripper_error = jnp.sum((scene.gripper_position - reference.gripper_position.at[2].add(higher)) ** 2)
    azimuth_error = wrap(scene.azimuth - reference.azimuth)
    orientation_error = azimuth_error**2 + (scene.elevation - reference.elevation) ** 2
    rotation_error = jnp.arccos(jnp.minimum(jnp.abs(jnp.sum(reference.object_axis * scene.object_axis, axis=-1)), 1.0))
    gap_error = (scene.opening - (scene.gap_radius - config.gap_inset_m)) ** 2
    counts = reference.grip > 0.5
    if config.gap_reach_m > 0.0:
        counts &= scene.reach < config.gap_reach_m
    return {
        "object_position": jnp.exp(-0.5 * _object_sharpness(object_error.size, config) * object_error).mean(),
        "gripper_position": jnp.exp(-0.5 * position * gripper_error),
        "gripper_orientation": jnp.exp(-0.5 * angle * orientation_error),
        "object_rotation": jnp.exp(-0.5 * angle * rotation_error).mean(),
        "finger_gap": jnp.where(counts, jnp.exp(-0.5 * config.gap_sharpness * gap_error), 0.0),
    }


def reward(scene: ObservedScene, demos: RewardTarget, config: RewardConfig) -> tuple[Array, dict[str, Array]]:
    """Return the weighted sum () and the terms over demonstrations on the leading axis of `demos`."""
    terms = jax.vmap(lambda reference: reward_terms(scene, reference, config))(demos)
    weights = {f.name: getattr(config.weights, f.name) for f in fields(config.weights)}
    each = jnp.stack([weights[name] * value for name, value in terms.items()]).sum(axis=0)
    shares = _shares(each, config)
    return shares @ each, {name: shares @ value for name, value in terms.items()}


def _object_sharpness(objects: int, config: RewardConfig) -> Array:
    """Return (O,) 1/m^2."""
    return jnp.asarray([config.position_sharpness, config.anchor_sharpness][:objects])


def _shares(rewards: Array, config: RewardConfig) -> Array:
    """Return what each demonstration counts (D,), adding up to 1; rewards (D,)."""
    if config.over_demos == "max":
        return jax.nn.one_hot(jnp.argmax(rewards), rewards.size)
    if config.over_demos == "softmax":
        return jax.nn.softmax(rewards / config.temperature)
    return jnp.full(rewards.shape, 1.0 / rewards.size)
