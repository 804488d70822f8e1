"""Actor and critic, and the actor's export to a policy file.

The actor sees time and the gripper; the critic sees everything. Networks and running statistics are brax's. The actor's
output is a Gaussian whose noise is the same in all states: probabilities are those of the output, because what makes an
action of it (the reference, or a tanh) is the same for every policy and cancels in every ratio of two.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from brax.training.acme import running_statistics, specs
from brax.training.networks import MLP
from flax import linen, struct
from jax import Array

from real2sim_jax.config.learning import NetworkConfig
from real2sim_jax.core.actions import Action
from real2sim_jax.core.clock import CONTROL_HZ
from real2sim_jax.core.observation import ACTION_SIZE, feature_size, features
from real2sim_jax.core.policy import Policy, act
from real2sim_jax.core.reference import Reference

MIN_SIGMA = 0.01
"""Added to every standard deviation: exploration never ends altogether."""


@struct.dataclass
class NetworkParameters:
    """Everything that is optimised."""

    actor: Any
    log_sigma: Array
    """(7,) of the exploration noise."""
    critic: Any


@struct.dataclass
class Statistics:
    """Running mean and scale of the networks' inputs."""

    actor: running_statistics.RunningStatisticsState
    critic: running_statistics.RunningStatisticsState


def sigma_of(parameters: NetworkParameters) -> Array:
    """Return the standard deviations (7,) of the exploration noise."""
    return jnp.exp(parameters.log_sigma) + MIN_SIGMA


def log_prob(mean: Array, sigma: Array, raw: Array) -> Array:
    """Return the log density (...,), up to a constant, of outputs (..., 7)."""
    return -(0.5 * ((raw - mean) / sigma) ** 2 + jnp.log(sigma)).sum(axis=-1)


class Networks:
    """Pure functions of Parameters and Statistics for one action."""

    def __init__(self, observed: Mapping[str, int], reference: Reference | None, config: NetworkConfig):
        """observed: lengths of the two observations, as `ManipulationEnv.observation_size` has them."""
        self.config = config
        self.actor_size, self.critic_size = feature_size(observed["policy"]), observed["critic"]
        self.reference = _converted(reference, jnp.asarray)
        small = jax.nn.initializers.variance_scaling(1e-4, "fan_in", "uniform")
        self._actor = MLP((*config.hidden, ACTION_SIZE), linen.tanh, output_kernel_init=small)
        self._critic = MLP((*config.hidden, 1), linen.tanh)

    def init(self, key: Array) -> tuple[NetworkParameters, Statistics]:
        """Return fresh parameters and statistics."""
        key_actor, key_critic = jax.random.split(key)
        c = self.config
        sigma = jnp.asarray([c.sigma_translation] * 3 + [c.sigma_rotation] * 3 + [c.sigma_grip])
        parameters = NetworkParameters(
            actor=self._actor.init(key_actor, jnp.zeros(self.actor_size)),
            log_sigma=jnp.log(sigma),
            critic=self._critic.init(key_critic, jnp.zeros(self.critic_size)),
        )
        sizes = (self.actor_size, self.critic_size)
        return parameters, Statistics(
            *(running_statistics.init_state(specs.Array((size,), jnp.dtype("float32"))) for size in sizes)
        )

    def actor_inputs(self, statistics: Statistics, obs: Array) -> Array:
        """Return what the actor reads of policy observations (..., len(layout)): (..., F) normalised features."""
        return running_statistics.normalize(features(obs), statistics.actor)

    def actor(self, parameters: NetworkParameters, inputs: Array) -> Array:
        """Return the mean output (..., 7)."""
        output: Any = self._actor.apply(parameters.actor, inputs)
        return output

    def action(self, obs: Array, output: Array) -> Array:
        """Return the action (..., 7) in [-1, 1] that an output (..., 7) means for observations (..., len(layout))."""
        return act(self.reference, obs, output)

    def critic_inputs(self, statistics: Statistics, obs: Array) -> Array:
        """Return what the critic reads of its observations (..., C)."""
        return running_statistics.normalize(obs, statistics.critic, max_abs_value=10.0)

    def critic(self, parameters: NetworkParameters, inputs: Array) -> Array:
        """Return the value (...,) for the critic's inputs."""
        values: Any = self._critic.apply(parameters.critic, inputs)
        return values[..., 0]

    def update_statistics(self, statistics: Statistics, policy: Array, critic: Array, weights: Array) -> Statistics:
        """Return statistics that include a batch of observations, each with its weight."""
        # Early episodes hardly vary; a floor on the scale keeps later, wider ones in range.
        update = running_statistics.update
        return Statistics(
            actor=update(statistics.actor, features(policy), weights=weights, std_min_value=0.3),
            critic=update(statistics.critic, critic, weights=weights, std_min_value=0.1),
        )

    def export(self, parameters: NetworkParameters, statistics: Statistics, action: Action, provenance: dict) -> Policy:
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
            reference=_converted(self.reference, arrays),
            provenance=provenance,
        )


def _converted(reference: Reference | None, convert: Callable[[Any], Any]) -> Reference | None:
    """Return a reference whose tables are of another array library."""
    return reference and Reference(**{name: convert(table) for name, table in reference.tables().items()})
