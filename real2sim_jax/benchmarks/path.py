"""How far episodes follow the demonstrated path of the object, for any action."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from real2sim_jax.benchmarks.terms import places_of, scenes_of
from real2sim_jax.data.types import Array, Demonstration
from real2sim_jax.simulation.reward import ObservedScene, RewardTarget, displaced, reward_targets
from real2sim_jax.simulation.types import Trajectory

NEAR_M, NEAR_DEG = 0.05, 30.0
AUC_M = 0.1
"""ADD beyond which nothing counts, as in PoseCNN (Xiang et al., RSS 2018)."""
MOVED = 0


def path_agreement(
    trajectories: Trajectory, demos: Demonstration, fetched: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return what share of N episodes' time the moved object is near the demonstrated path, and its ADD-AUC, (N,) each.

    Near is within NEAR_M and NEAR_DEG of where it is at that time in the demonstration that is followed best (demos
    stacked on a leading axis). ADD is the mean distance of the object's two ends from where they should be, because
    a simulated cylinder has no direction around; its AUC is the mean of 1 - ADD / AUC_M, 0 at the least. fetched: the
    demonstrations are displaced to where the moved object stood.
    """
    near, auc = _agreement(scenes_of(trajectories), reward_targets(demos), places_of(trajectories, fetched))
    best = np.argmax(near, axis=1)[:, None]
    return tuple(np.take_along_axis(np.asarray(found), best, axis=1)[:, 0] for found in (near, auc))  # type: ignore


@jax.jit
def _agreement(scenes: ObservedScene, demos: RewardTarget, places: Array | None) -> tuple[Array, Array]:
    """Both for N scenes (N, T, ...) and D demonstrations (D, T, ...), displaced to places (N, 2) m if given, (N, D)."""
    each = partial(jax.vmap, in_axes=(None, 0))(_follows)
    return jax.vmap(lambda scene, place: each(scene, displaced(demos, place)))(scenes, places)


def _follows(scene: ObservedScene, demo: RewardTarget) -> tuple[Array, Array]:
    bottom, axis = scene.object_bottom[:, MOVED], scene.object_axis[:, MOVED]
    wanted, wanted_axis = demo.object_bottom[:, MOVED], demo.object_axis[:, MOVED]
    height = 2.0 * scene.object_half_height[:, MOVED, None]
    away = jnp.linalg.norm(bottom - wanted, axis=-1)
    turned = jnp.arccos(jnp.clip((axis * wanted_axis).sum(axis=-1), -1.0, 1.0))
    top = jnp.linalg.norm(bottom + height * axis - wanted - height * wanted_axis, axis=-1)
    near = (away < NEAR_M) & (turned < jnp.deg2rad(NEAR_DEG))
    return near.mean(), jnp.clip(1.0 - 0.5 * (away + top) / AUC_M, 0.0).mean()
