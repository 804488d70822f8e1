"""The reference that the demonstrations give: the demonstrated hand over time, as far as a gripper can follow."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from brax.envs.base import State

from real2sim_jax.config.learning import TrackingConfig
from real2sim_jax.core.actions import Action
from real2sim_jax.core.clock import CONTROL_HZ, EPISODE_STEPS
from real2sim_jax.core.gripper import Gripper
from real2sim_jax.core.observation import ACTION_SIZE
from real2sim_jax.core.reference import Reference
from real2sim_jax.core.rotations import wxyz_from_azimuth_elevation
from real2sim_jax.data.types import Array, Demonstration
from real2sim_jax.simulation.env import ManipulationEnv
from real2sim_jax.simulation.initial_states import MARGIN, lowest_point
from real2sim_jax.simulation.reward import RewardTarget, reward_targets

TRIALS = 64
"""Episodes by which the references of several demonstrations are compared."""
MAX_ELEVATION_DEG = 80.0
"""Of starts and of the published rule for the hand; from 85 deg on nothing is paid."""


def references_of(demos: Demonstration, config: TrackingConfig, action: Action) -> list[Reference]:
    """Return the demonstrated hand of each demonstration as a reference; demos stacked on a leading axis D."""
    targets = jax.tree.map(np.asarray, reward_targets(demos))
    each = [jax.tree.map(lambda leaf, i=i: leaf[i], targets) for i in range(len(targets.grip))]
    return [_reference(target, config, action) for target in each]


def best_reference(env: ManipulationEnv, demos: Demonstration, config: TrackingConfig) -> Reference:
    """Return the reference that earns most when it is followed alone from TRIALS starts.

    The mean of several demonstrations may be none of them, and some of them may be far from what the gripper and the
    simulated object can do: physics decides.
    """
    references = references_of(demos, config, env.action)
    if len(references) == 1:
        return references[0]
    keys = jax.random.split(jax.random.PRNGKey(0), (TRIALS, 2))
    stacked = jax.tree.map(lambda *tables: jnp.stack(tables), *(one.tables() for one in references))
    returns = jax.jit(jax.vmap(jax.vmap(partial(_return_of, env), (None, 0)), (0, None)))(stacked, keys)
    return references[int(jnp.argmax(returns.mean(axis=1)))]


def _return_of(env: ManipulationEnv, tables: dict[str, Array], keys: Array) -> Array:
    """Return () what an episode earns in which a reference, given by its tables, is followed alone."""
    reference = Reference(**tables)

    def step(state: State, _: None) -> tuple[State, Array]:
        after = env.step(state, reference.action(state.obs["policy"], jnp.zeros(ACTION_SIZE)))
        return after, after.reward

    start = env.sample_start(keys[0], jnp.ones(()))
    return jax.lax.scan(step, env.reset_from(start, keys[1]), None, length=EPISODE_STEPS)[1].sum()


def _reference(target: RewardTarget, config: TrackingConfig, action: Action) -> Reference:
    wxyz = _orientation(target)
    position = _above_table(np.asarray(target.gripper_position), wxyz, action.gripper)
    tables = {
        "position": position,
        "wxyz": wxyz,
        "velocity": np.diff(position, axis=0, append=position[-1:]) * CONTROL_HZ,
        "grip": np.where(target.grip > 0.5, -config.grip, config.grip),
        "gains": np.asarray([config.position_gain, config.orientation_gain]),
        "reach": np.asarray([config.position_reach_m, np.deg2rad(config.orientation_reach_deg)]),
    }
    if action.is_fetched:
        tables |= {"fetched_from": target.fetched_from[0], "share": target.share}
    return Reference(**{name: np.asarray(table, np.float32) for name, table in tables.items()})


def _orientation(target: RewardTarget) -> np.ndarray:
    """Orientations (K, 4) that point up or down no more steeply than is paid for."""
    limit = np.deg2rad(MAX_ELEVATION_DEG)
    return np.asarray(wxyz_from_azimuth_elevation(target.azimuth, np.clip(target.elevation, -limit, limit)))


def _above_table(position: np.ndarray, wxyz: np.ndarray, gripper: Gripper) -> np.ndarray:
    """Positions (K, 3) m raised until the gripper clears the table: a forearm may be thinner than the palm."""
    lowest = jax.vmap(lambda p, q: lowest_point(p, q, jnp.asarray(gripper.max_opening_m), gripper))(position, wxyz)
    raised = position.copy()
    raised[:, 2] += np.maximum(0.0, MARGIN - np.asarray(lowest))
    return raised
