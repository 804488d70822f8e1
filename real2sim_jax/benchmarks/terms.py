"""How closely episodes follow the demonstrations over time: the reward's terms, from trajectories alone."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from real2sim_jax.config.simulation import RewardConfig
from real2sim_jax.data.types import Array, Demonstration
from real2sim_jax.simulation.reward import ObservedScene, RewardTarget, displaced, reward, reward_targets, scene_of
from real2sim_jax.simulation.types import Trajectory

Terms = dict[str, Array]


def terms_over_time(
    trajectories: Trajectory, demos: Demonstration, config: RewardConfig | None = None, fetched: bool = False
) -> Terms:
    """Return each reward term (N, T) of N episodes, averaged over the demonstrations (stacked on a leading axis).

    Sample k is compared with sample k of the demonstrations; penalties (a gripper through the table) are left out.
    """
    places = places_of(trajectories, fetched)
    return _terms(scenes_of(trajectories), reward_targets(demos), places, config or RewardConfig())


def places_of(trajectories: Trajectory, fetched: bool) -> Array | None:
    """Return where the moved object of each of N episodes stood, (N, 2) m, if it is fetched from there."""
    return jnp.asarray(trajectories.object_position)[:, 0, 0, :2] if fetched else None


def demonstrated_terms(demos: Demonstration, config: RewardConfig | None = None) -> Terms:
    """Return each term (T,) that the demonstrations themselves get on average: below 1 where they differ."""
    config = config or RewardConfig()
    every = reward_targets(demos)
    found = _terms(_demonstrated_scenes(every, config), every, None, config)
    return {name: np.asarray(values).mean(axis=0) for name, values in found.items()}


@partial(jax.jit, static_argnames="config")
def _terms(scenes: ObservedScene, demos: RewardTarget, places: Array | None, config: RewardConfig) -> Terms:
    """Terms (N, T) of scenes (N, T, ...); demos stacked on a leading axis, displaced to places (N, 2) m if given."""
    over_time = jax.vmap(lambda scene, now: reward(scene, now, config)[1], in_axes=(0, 1))
    return jax.vmap(lambda scene, place: over_time(scene, displaced(demos, place)))(scenes, places)


@jax.jit
@jax.vmap
def scenes_of(trajectory: Trajectory) -> ObservedScene:
    """Return what the reward sees of episodes, (N, T, ...)."""
    t = jax.tree.map(jnp.asarray, trajectory)
    opening = jnp.maximum(t.opening, 0.0)
    over_time = jax.vmap(scene_of, in_axes=(0, 0, 0, 0, 0, None, None))
    return over_time(t.gripper_position, t.gripper_wxyz, opening, t.object_position, t.object_wxyz, t.heights, t.radii)


def _demonstrated_scenes(demos: RewardTarget, config: RewardConfig) -> ObservedScene:
    """Scenes (D, T, ...) in which everything is where one demonstration has it, the fingers as they should be."""
    zero = jnp.zeros(demos.azimuth.shape)
    return ObservedScene(
        object_bottom=demos.object_bottom,
        object_axis=demos.object_axis,
        object_half_height=demos.object_half_height,
        gripper_position=demos.gripper_position,
        azimuth=demos.azimuth,
        elevation=demos.elevation,
        opening=zero,
        gap_radius=zero + config.gap_inset_m,
        reach=zero,
    )
