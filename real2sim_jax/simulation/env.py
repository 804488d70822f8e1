"""The manipulation environment: a brax `Env` on any physics back end."""

from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from brax.envs.base import Env, State
from flax import struct

from real2sim_jax.config.simulation import EnvConfig, RandomizationConfig, RewardConfig
from real2sim_jax.core.actions import Action
from real2sim_jax.core.clock import CONTROL_HZ, EPISODE_STEPS
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.observation import (
    ACTION_SIZE,
    FORCED_AFTER_S,
    command,
    features,
    observation,
)
from real2sim_jax.core.rotations import azimuth_elevation_from_wxyz, conjugate, matrix_from_wxyz, rotate
from real2sim_jax.data.types import MOVED, Array, Demonstration
from real2sim_jax.simulation.initial_states import (
    fetched_from,
    lowest_point,
    radius_ranges,
    sample_start,
    start_opening,
    start_qpos,
)
from real2sim_jax.simulation.physics.interface import Physics, PhysicsState
from real2sim_jax.simulation.randomization import Draw, as_meant, delayed, noisy, sample_draw
from real2sim_jax.simulation.reward import ObservedScene, displaced, reward, reward_targets, scene_of
from real2sim_jax.simulation.types import StartState

MAX_ELEVATION = np.deg2rad(85.0)
MAX_SPEED, MAX_SPIN = 20.0, 400.0
"""m/s and rad/s; an object faster than this means that the simulation has diverged."""


@struct.dataclass
class Episode:
    """What an episode carries beside the physics."""

    step: Array
    """() control steps done."""
    alive: Array
    """() 1.0 until the episode ends early: the physics diverges, or a violation where these end it."""
    draw: Draw


class ManipulationEnv(Env):
    """One action, its demonstrations and a physics back end.

    Observations are a dict: `policy` (8,) as POLICY_FIELDS, or (14,) with the object; `critic` everything. `info` holds
    the Episode. The reward of an episode that follows the demonstrations perfectly adds up to about the weights' sum.
    """

    def __init__(self, action: Action, demos: Demonstration | None, physics: Physics, config: EnvConfig | None = None):
        """demos: stacked on a leading axis D; without any (enough to judge a policy) the reward is 0."""
        self.action = action
        self.physics, self.joints = physics, physics.joints
        self.config = config or EnvConfig()
        self.demos = None if demos is None else jax.tree.map(jnp.asarray, reward_targets(demos))
        if action.is_fetched:
            fetched_from(action)
        self._check_sizes()
        self.moved_offset = jnp.asarray(np.zeros(3) if demos is None else moved_offset(demos), jnp.float32)

    def _check_sizes(self) -> None:
        gripper = self.action.gripper
        widest = radius_ranges(self.action, self.config.starts)[0][1]
        if widest >= gripper.max_opening_m:
            held = f"below {gripper.max_opening_m:g} m, which {gripper.name} opens to on each side"
            raise UserError(f"starts.moved_radius_m: expected {held}, got {widest:g}")

    def reset(self, rng: Array) -> State:
        """Start an episode anywhere in the full start distribution."""
        key_start, key_draw = jax.random.split(rng)
        return self.reset_from(self.sample_start(key_start, jnp.ones(())), key_draw)

    def sample_start(self, key: Array, difficulty: Array) -> StartState:
        """Draw a start; difficulty () in [0, 1]."""
        return sample_start(key, self.action, difficulty, self.moved_offset, self.config.starts)

    def reset_from(self, start: StartState, key: Array | None = None) -> State:
        """Start an episode from a given state; a randomised environment needs a key. ValueError without it."""
        if key is None and self.config.randomization != RandomizationConfig():
            raise ValueError("a randomised environment: expected a key")
        key = jax.random.PRNGKey(0) if key is None else key
        physics = self.physics.initial(start_qpos(self.action, start))
        grip = 2.0 * start_opening(self.action, start) / self.action.gripper.max_opening_m - 1.0
        draw = sample_draw(key, start, jnp.zeros(ACTION_SIZE).at[-1].set(grip), self.config.randomization)
        episode = Episode(jnp.zeros((), jnp.int32), jnp.ones(()), draw)
        zero = jnp.zeros(())
        metrics = dict.fromkeys([*_term_names(self.config.reward), "allowed"], zero)
        return State(physics, self._observe(physics, episode), zero, zero, metrics, {"episode": episode})  # type: ignore[arg-type]

    def step(self, state: State, action: Array) -> State:
        """Apply an action (7,) in [-1, 1] for one control period."""
        before: Any = state.pipeline_state
        episode: Episode = state.info["episode"]
        draw, action = delayed(episode.draw, as_meant(episode.draw, action, self.config.randomization))
        physics = self._advance(before, episode, action)
        valid = jnp.isfinite(physics.qpos).all() & _is_slow(self.joints.object_velocities(physics.qvel))
        physics = jax.tree.map(lambda new, old: jnp.where(valid, new, old), physics, before)
        allowed = self._allowed(physics)
        survives = valid & (allowed | (not self.config.end_on_violation))
        episode = episode.replace(step=episode.step + 1, alive=episode.alive * survives, draw=draw)
        reward, terms = self._reward(physics, episode)
        reward = episode.alive * allowed * reward / EPISODE_STEPS
        done = ((episode.step >= EPISODE_STEPS) | (episode.alive == 0.0)).astype(jnp.float32)
        metrics = {name: episode.alive * value for name, value in terms.items()} | {
            "allowed": allowed.astype(jnp.float32)
        }
        return state.replace(  # type: ignore[attr-defined]
            pipeline_state=physics,
            obs=self._observe(physics, episode),
            reward=reward,
            done=done,
            metrics=metrics,
            info=state.info | {"episode": episode},
        )

    @cached_property
    def observation_size(self) -> dict[str, int]:
        """Lengths of the two observations."""
        shapes: Any = jax.eval_shape(self.reset, jax.random.PRNGKey(0)).obs
        return {name: one.shape[-1] for name, one in shapes.items()}

    @property
    def action_size(self) -> int:
        """Length of an action."""
        return ACTION_SIZE

    @property
    def backend(self) -> str:
        """Name of the physics back end."""
        return self.physics.name

    def _advance(self, physics: PhysicsState, episode: Episode, action: Array) -> PhysicsState:
        linear, angular, opening = command(jnp.clip(action, -1.0, 1.0), self.action.gripper.max_opening_m)
        forced = episode.step >= round(FORCED_AFTER_S * CONTROL_HZ)
        opening = jnp.where(forced, self.action.last_opening_m, opening)
        # A free joint's angular velocity is in body axes.
        body_rate = rotate(conjugate(self.joints.gripper(physics.qpos).wxyz), angular)
        qvel = self.joints.with_gripper_velocity(physics.qvel, linear, body_rate)
        ctrl = jnp.stack([opening, opening])
        return self.physics.step(physics.replace(qvel=qvel), ctrl, episode.draw.properties)

    def _allowed(self, physics: PhysicsState) -> Array:
        gripper = self.joints.gripper(physics.qpos)
        _, elevation = azimuth_elevation_from_wxyz(gripper.wxyz)
        above = lowest_point(*gripper, self._opening(physics), self.action.gripper) > 0.0
        return above & (jnp.abs(elevation) < MAX_ELEVATION)

    def _reward(self, physics: PhysicsState, episode: Episode) -> tuple[Array, dict[str, Array]]:
        if self.demos is None:
            return jnp.zeros(()), dict.fromkeys(_term_names(self.config.reward), jnp.zeros(()))
        index = jnp.clip(episode.step, 0, self.demos.azimuth.shape[1] - 1)
        now = displaced(jax.tree.map(lambda leaf: leaf[:, index], self.demos), episode.draw.moved_place)
        return reward(self._scene(physics, episode), now, self.config.reward)

    def _scene(self, physics: PhysicsState, episode: Episode) -> ObservedScene:
        sizes = episode.draw.properties
        gripper, objects = self.joints.gripper(physics.qpos), self.joints.objects(physics.qpos)
        return scene_of(*gripper, self._opening(physics), *objects, sizes.heights, sizes.radii)

    def _opening(self, physics: PhysicsState) -> Array:
        return jnp.clip(self.joints.opening(physics.qpos), 0.0, self.action.gripper.max_opening_m)

    def _observe(self, physics: PhysicsState, episode: Episode) -> dict[str, Array]:
        time = episode.step / CONTROL_HZ
        gripper, objects = self.joints.gripper(physics.qpos), self.joints.objects(physics.qpos)
        exact = observation(time, *gripper, self._opening(physics))
        sizes = episode.draw.properties
        axes = matrix_from_wxyz(objects.wxyz)[..., :, 2]
        place = [] if episode.draw.moved_place is None else [episode.draw.moved_place]
        seen = [exact, *place, *([objects.position[0], axes[0]] if self.config.observe_object else [])]
        policy = noisy(episode.draw, episode.step, jnp.concatenate(seen), self.config.randomization)
        parts = [
            5.0 * objects.position,
            5.0 * gripper.local(objects.position),
            axes,
            self.joints.object_velocities(physics.qvel),
            10.0 * sizes.heights[:, None],
            10.0 * sizes.radii[:, None],
        ]
        objects = jnp.concatenate(parts, axis=-1).ravel()
        left, right = self.joints.fingers(physics.qpos)
        extra = jnp.stack([episode.alive, left - right])
        return {"policy": policy, "critic": jnp.concatenate([features(exact), extra, objects])}


def moved_offset(demos: Demonstration) -> np.ndarray:
    """Return the moved object's first place (3,) m, the mean of demonstrations stacked on a leading axis."""
    return np.asarray(demos.position)[:, 0, MOVED].mean(axis=0)


def _is_slow(velocities: Array) -> Array:
    """Whether no object, of velocities (O, 6), is faster than a real one could be."""
    speed = jnp.abs(velocities)
    return (speed[:, :3] < MAX_SPEED).all() & (speed[:, 3:] < MAX_SPIN).all()


def _term_names(reward: RewardConfig) -> list[str]:
    return list(vars(reward.weights))
