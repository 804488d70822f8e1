"""Actor and critic, and the actor's way into a policy file.

The actor sees time and the gripper; the critic sees everything. Networks, distribution and running statistics are
brax's; the actor corrects the demonstrations' guide before the squashing.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from brax.training.acme import running_statistics, specs
from brax.training.distribution import NormalTanhDistribution
from brax.training.networks import MLP
from flax import linen, struct
from jax import Array

from real2sim_jax.actions import Action
from real2sim_jax.robot.guide import Guide
from real2sim_jax.robot.observation import (
    ACTION_SIZE,
    CONTROL_HZ,
    FEATURE_SIZE,
    FORCED_AFTER_S,
    MAX_OPENING_M,
    features,
)
from real2sim_jax.robot.policy import Policy
from real2sim_jax.robot.rotations import wxyz_from_azimuth_elevation
from real2sim_jax.simulation.reward import Reference, RewardConfig, references
from real2sim_jax.simulation.starts import lowest_point
from real2sim_jax.types import Demonstration

CERTAIN = 20.0
"""Before the tanh: no correction of the network changes this."""
DISTRIBUTION = NormalTanhDistribution(event_size=ACTION_SIZE, min_std=0.01)


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes and the first exploration noise."""

    hidden: tuple[int, ...] = (128, 128, 128)
    sigma_translation: float = 0.25
    """Standard deviations before the tanh."""
    sigma_rotation: float = 0.15
    sigma_grip: float = 0.6


@dataclass(frozen=True)
class GuideConfig:
    """How the demonstrations guide the policy before it has learnt anything."""

    grip: float = 1.2
    """Added to the grip before the tanh: minus inside the demonstrated contact, plus outside."""
    grip_lead_s: float = 0.4
    """The fingers start to close this long before the demonstrated contact: they need the time."""
    position_gain: float = 2.0
    """1/s."""
    orientation_gain: float = 2.0
    """1/s."""
    grasp_height_m: float = 0.036
    """Where the guide grasps objects that stand on the table: low enough for the flattest, high enough for a level
    gripper to clear the table."""
    clearance_m: float = 0.004
    """Least height of the gripper's lowest point."""
    steepest_deg: float = 75.0
    """Largest elevation; beyond 85 deg nothing is paid."""


@struct.dataclass
class Parameters:
    """Everything that is optimised."""

    actor: Any
    log_sigma: Array
    """(7,) of the exploration noise before the tanh."""
    critic: Any


@struct.dataclass
class Statistics:
    """Running mean and scale of the networks' inputs."""

    actor: running_statistics.RunningStatisticsState
    critic: running_statistics.RunningStatisticsState


class Networks:
    """Pure functions of Parameters and Statistics for one action."""

    def __init__(self, critic_size: int, guide: Guide, config: NetworkConfig):
        self.config = config
        self.critic_size = critic_size
        self.guide = Guide(**{name: jnp.asarray(table) for name, table in vars(guide).items()})
        small = jax.nn.initializers.variance_scaling(1e-4, "fan_in", "uniform")
        self._actor = MLP((*config.hidden, ACTION_SIZE), linen.tanh, output_kernel_init=small)
        self._critic = MLP((*config.hidden, 1), linen.tanh)

    def init(self, key: Array) -> tuple[Parameters, Statistics]:
        """Return fresh parameters and statistics."""
        key_actor, key_critic = jax.random.split(key)
        c = self.config
        sigma = jnp.asarray([c.sigma_translation] * 3 + [c.sigma_rotation] * 3 + [c.sigma_grip])
        parameters = Parameters(
            actor=self._actor.init(key_actor, jnp.zeros(FEATURE_SIZE)),
            log_sigma=jnp.log(sigma),
            critic=self._critic.init(key_critic, jnp.zeros(self.critic_size)),
        )
        sizes = (FEATURE_SIZE, self.critic_size)
        return parameters, Statistics(
            *(running_statistics.init_state(specs.Array((size,), jnp.dtype("float32"))) for size in sizes)
        )

    def actor(self, parameters: Parameters, statistics: Statistics, obs: Array) -> Array:
        """Return the parameters (..., 14) of DISTRIBUTION for policy observations (..., 8)."""
        inputs = running_statistics.normalize(features(obs, jnp), statistics.actor)
        mean = self._actor.apply(parameters.actor, inputs) + self.guide.bias(obs, jnp)
        # DISTRIBUTION takes the scale through a softplus.
        scale = jnp.broadcast_to(jnp.log(jnp.expm1(jnp.exp(parameters.log_sigma))), mean.shape)
        return jnp.concatenate([mean, scale], axis=-1)

    def critic(self, parameters: Parameters, statistics: Statistics, obs: Array) -> Array:
        """Return the value (...,) for critic observations."""
        inputs = running_statistics.normalize(obs, statistics.critic, max_abs_value=10.0)
        values: Any = self._critic.apply(parameters.critic, inputs)
        return values[..., 0]

    def update_statistics(self, statistics: Statistics, policy: Array, critic: Array, weights: Array) -> Statistics:
        """Return statistics that include a batch of observations, each with its weight."""
        # Early episodes hardly vary; a floor on the scale keeps later, wider ones in range.
        update = running_statistics.update
        return Statistics(
            actor=update(statistics.actor, features(policy, jnp), weights=weights, std_min_value=0.3),
            critic=update(statistics.critic, critic, weights=weights, std_min_value=0.1),
        )

    def export(self, parameters: Parameters, statistics: Statistics, action: str, provenance: dict) -> Policy:
        """Return the deterministic policy for the robot."""
        layers = parameters.actor["params"]
        pairs = [layers[f"hidden_{i}"] for i in range(len(layers))]
        arrays = lambda value: np.asarray(value, np.float32)  # noqa: E731
        return Policy(
            action=action,
            dt=1.0 / CONTROL_HZ,
            mean=arrays(statistics.actor.mean),
            std=arrays(statistics.actor.std),
            layers=tuple((arrays(pair["kernel"]), arrays(pair["bias"])) for pair in pairs),
            guide=Guide(**{name: arrays(table) for name, table in vars(self.guide).items()}),
            provenance=provenance,
        )


def guide_from(action: Action, demos: Demonstration, config: GuideConfig) -> Guide:
    """Return the most typical demonstrated hand as a guide; demos stacked on a leading axis D."""
    all_references = references(demos)
    typical = most_typical(all_references)
    chosen = jax.tree.map(lambda leaf: np.asarray(leaf)[typical], all_references)
    acting = np.asarray(demos.acting)[typical]
    hand = np.array(chosen.gripper_position)
    # The hand holds the demonstrated object's centre; ours is usually lower.
    hand[:, 2] += config.grasp_height_m - chosen.object_half_height[:, 0]
    hand[:, 2] = np.maximum(hand[:, 2], config.grasp_height_m)
    hand, wxyz = _clear_of_table(hand, chosen.azimuth, chosen.elevation, config)
    moving = acting[:-1] & acting[1:]
    velocity = np.zeros_like(hand)
    velocity[:-1] = np.where(moving[:, None], np.diff(hand, axis=0) * CONTROL_HZ, 0.0)
    closed = _closed(action, chosen.grip > 0.5, round(config.grip_lead_s * CONTROL_HZ))
    grip = np.where(closed, -config.grip, config.grip)
    # When the action is over the simulator decides for the fingers; the robot must do the same by itself.
    grip[round(FORCED_AFTER_S * CONTROL_HZ) :] = -CERTAIN if action.ends_holding else CERTAIN
    tables = {
        "position": hand,
        "wxyz": wxyz,
        "velocity": velocity,
        "grip": grip,
        "gains": np.asarray([config.position_gain, config.orientation_gain]),
    }
    return Guide(**{name: np.asarray(table, np.float32) for name, table in tables.items()})


def _clear_of_table(
    hand: np.ndarray, azimuth: np.ndarray, elevation: np.ndarray, config: GuideConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (K, 3) and orientations (K, 4) with which the gripper clears the table.

    A forearm may be thinner than the palm and come from below the object's height; the gripper then comes level.
    """
    wxyz = wxyz_from_azimuth_elevation(azimuth, np.clip(elevation, 0.0, np.deg2rad(config.steepest_deg)))
    lowest = jax.vmap(lowest_point, (0, 0, None))(hand, wxyz, jnp.asarray(MAX_OPENING_M))
    rise = np.maximum(0.0, config.clearance_m - np.asarray(lowest))
    return hand + rise[:, None] * np.array([0.0, 0.0, 1.0]), wxyz


def most_typical(all_references: Reference) -> int:
    """Return the index of the demonstration (of D, K samples each) that the reward of all likes best.

    The mean of several demonstrations may be none of them: halfway between two ways to go, or above the object.
    """
    object_path = np.asarray(all_references.object_bottom)[:, :, 0]
    squared = ((object_path[:, None] - object_path[None]) ** 2).sum(axis=-1)
    score = np.exp(-0.5 * RewardConfig.position_sharpness * squared).mean(axis=(1, 2))
    return int(np.argmax(score))


def _closed(action: Action, grip: np.ndarray, lead: int) -> np.ndarray:
    """Whether the fingers should be closed (K,) bool, starting `lead` samples before the demonstrated contact."""
    closed = np.array([grip[k : k + lead + 1].any() for k in range(len(grip))])
    if action.has_anchor:
        # The object starts in the hand: hold it until the demonstrated release.
        closed[: int(np.argmax(grip)) if grip.any() else len(grip)] = True
    return closed
