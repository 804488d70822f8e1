"""Proximal policy optimisation (arXiv 1707.06347) as one jitted program, or three around physics on the host.

An iteration is a rollout of whole episodes in all environments, generalised advantages, and several epochs of
minibatch updates; everything is scans over pure functions of the train state, so iterations can be scanned and
train states vmapped (a population) or sharded.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from brax.envs.base import State
from brax.training.agents.ppo.losses import compute_gae
from flax import struct
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from real2sim_jax.config.learning import PPOConfig
from real2sim_jax.core.clock import EPISODE_STEPS
from real2sim_jax.core.errors import UserError
from real2sim_jax.learning.networks import NetworkParameters, Networks, Statistics, log_prob, sigma_of
from real2sim_jax.simulation.env import ManipulationEnv
from real2sim_jax.simulation.types import StartState


@struct.dataclass
class Hyperparameters:
    """The settings of PPOConfig, () each, in which the members of one vmapped program may differ."""

    learning_rate: Array
    clip: Array
    gae_lambda: Array
    entropy_cost: Array
    value_cost: Array


def hyperparameters(config: PPOConfig) -> Hyperparameters:
    """Return those of a configuration."""
    return Hyperparameters(*(jnp.asarray(getattr(config, field.name)) for field in fields(Hyperparameters)))


@struct.dataclass
class TrainState:
    """Everything that an iteration reads and writes."""

    hyper: Hyperparameters
    parameters: NetworkParameters
    statistics: Statistics
    optimizer: Any
    key: Array
    iteration: Array
    """() int."""
    starts: StartState
    """(N, ...) of the last iteration's episodes."""
    surprise: Array
    """(N,) of those episodes: the mean absolute advantage, 0 before the first iteration."""


@struct.dataclass
class Rollout:
    """Whole episodes of all environments, (T, N, ...)."""

    policy_obs: Array
    critic_obs: Array
    output: Array
    log_prob: Array
    reward: Array
    weight: Array
    """1 where the environment was alive before the step."""
    ended: Array
    """1 where the episode ended with the step."""


@struct.dataclass
class Batch:
    """Transitions with their targets, (M, ...)."""

    actor: Array
    """(M, F) the actor's inputs."""
    critic: Array
    """(M, C) the critic's inputs."""
    output: Array
    log_prob: Array
    advantage: Array
    target: Array
    weight: Array


def _keys(state: TrainState) -> dict[str, Array]:
    """Random keys by what an iteration draws from them, and the key of the following one."""
    names = ("following", "starts", "shares", "replayed", "draws", "actions", "updates")
    return dict(zip(names, jax.random.split(state.key, len(names)), strict=True))


Iterate = Callable[[TrainState], tuple[TrainState, dict[str, Array]]]


def _in_turn(begin: Callable, play: Callable, learn: Callable) -> Iterate:
    """Return one iteration made of its three parts."""

    def iterate(state: TrainState) -> tuple[TrainState, dict[str, Array]]:
        starts, first = begin(state)
        rollout, metrics = play(state, first)
        state, losses = learn(state, rollout, starts)
        return state, metrics | losses

    return iterate


class PPO:
    """The learner of one environment; `init` and `iterate` are pure."""

    def __init__(self, env: ManipulationEnv, networks: Networks, config: PPOConfig):
        devices = jax.device_count()
        if config.envs % devices:
            raise UserError(f"{config.envs} environments: expected a multiple of the {devices} devices")
        self.env = env
        self.networks = networks
        self.config = config
        # The learning rate is the state's.
        self._optimizer = optax.chain(
            optax.clip_by_global_norm(config.max_gradient_norm), optax.scale_by_adam(eps=1e-5)
        )

    def init(self, key: Array, hyper: Hyperparameters | None = None) -> TrainState:
        """Return the first train state, with the configuration's hyperparameters if no others are given."""
        hyper = hyperparameters(self.config) if hyper is None else hyper
        key_networks, key_train = jax.random.split(key)
        parameters, statistics = self.networks.init(key_networks)
        optimizer = self._optimizer.init(parameters)  # type: ignore[arg-type]
        iteration, surprise = jnp.zeros((), jnp.int32), jnp.zeros(self.config.envs)
        # Replaced before any of them is replayed.
        starts = jax.vmap(self.env.sample_start)(jax.random.split(key_train, self.config.envs), surprise)
        return TrainState(hyper, parameters, statistics, optimizer, key_train, iteration, starts, surprise)

    def iterate(self, state: TrainState) -> tuple[TrainState, dict[str, Array]]:
        """Do one iteration; return the new state and scalar metrics."""
        return _in_turn(self._begin, self._play, self._learn)(state)

    def compiled(self, members: bool = False) -> Iterate:
        """Return `iterate` compiled, for a stack of train states if there are several members.

        It is one program, or three where physics is called back: jax keeps on disk only those that call nothing back.
        """
        each = jax.vmap if members else (lambda part: part)
        if self.env.physics is None or self.env.physics.clock is None:
            return jax.jit(each(self.iterate))
        return _in_turn(*(jax.jit(each(part)) for part in (self._begin, self._play, self._learn)))

    def _begin(self, state: TrainState) -> tuple[StartState, State]:
        """Start the episodes of an iteration."""
        env, n, keys = self.env, self.config.envs, _keys(state)
        # Every environment draws its own share of the width, so that easy starts are never forgotten.
        shares = self._width(state) * jnp.sqrt(jax.random.uniform(keys["shares"], (n,)))
        fresh = jax.vmap(env.sample_start)(jax.random.split(keys["starts"], n), shares)
        starts = self._spread(self._replayed(state, fresh, keys["replayed"]))
        return starts, self._spread(jax.vmap(env.reset_from)(starts, jax.random.split(keys["draws"], n)))

    def _replayed(self, state: TrainState, fresh: StartState, key: Array) -> StartState:
        """Replace a share of new starts by those of the last iteration whose episodes went otherwise than expected.

        Prioritised level replay (arXiv 2010.03934): they are drawn in proportion to the mean absolute advantage.
        """
        key_rows, key_which = jax.random.split(key)
        rows = jax.random.categorical(key_rows, jnp.log(state.surprise + 1e-12), shape=state.surprise.shape)
        again = jax.random.uniform(key_which, rows.shape) < self.config.replay * (state.iteration > 0)
        chosen = lambda old, new: jnp.where(again.reshape(-1, *[1] * (new.ndim - 1)), old[rows], new)  # noqa: E731
        return jax.tree.map(chosen, state.starts, fresh)

    def _width(self, state: TrainState) -> Array:
        return jnp.clip((state.iteration + 1) / (self.config.ramp * self.config.iterations + 1e-6), 0.0, 1.0)

    def _play(self, state: TrainState, first: State) -> tuple[Rollout, dict[str, Array]]:
        """Play the episodes to their end."""
        env, n = self.env, self.config.envs
        sigma = sigma_of(state.parameters)
        keys = jax.random.split(_keys(state)["actions"], EPISODE_STEPS)

        def step(carry: Any, key_step: Array) -> tuple[Any, Any]:
            before, alive = carry
            inputs = self.networks.actor_inputs(state.statistics, before.obs["policy"])
            mean = self.networks.actor(state.parameters, inputs)
            output = mean + sigma * jax.random.normal(key_step, mean.shape)
            seen, likely = before.obs, log_prob(mean, sigma, output)
            after = jax.vmap(env.step)(before, self.networks.action(seen["policy"], output))
            record = Rollout(seen["policy"], seen["critic"], output, likely, after.reward, alive, after.done)
            return (after, 1.0 - after.done), (record, after.metrics)

        (last, _), (rollout, metrics) = jax.lax.scan(step, (first, jnp.ones(n)), keys)
        means = {f"reward/{name}": value.mean() for name, value in metrics.items()}
        returns = rollout.reward.sum(axis=0)
        means |= {"train/return": returns.mean(), "train/survived": last.info["episode"].alive.mean()}
        return rollout, means

    def _spread(self, first: Any) -> Any:
        """Share the environments among all devices: XLA keeps the rollout of each where it starts."""
        if jax.device_count() == 1:
            return first
        mesh = Mesh(np.array(jax.devices()), ("environments",))
        return jax.lax.with_sharding_constraint(first, NamedSharding(mesh, PartitionSpec("environments")))

    def _learn(self, state: TrainState, rollout: Rollout, starts: StartState) -> tuple[TrainState, dict[str, Array]]:
        """Learn from the episodes."""
        keys = _keys(state)
        batch, surprise = self._targets(state, rollout)
        seen = rollout.policy_obs, rollout.critic_obs
        statistics = self.networks.update_statistics(state.statistics, *seen, rollout.weight)
        # The updates use the statistics that the actions were drawn with: the first ratio must be one.
        state, losses = self._update(state, batch, keys["updates"])
        changes = {"statistics": statistics, "starts": starts, "surprise": surprise}
        state = state.replace(key=keys["following"], iteration=state.iteration + 1, **changes)  # type: ignore[attr-defined]
        return state, losses

    def _targets(self, state: TrainState, rollout: Rollout) -> tuple[Batch, Array]:
        """Return what the updates learn from, and the mean absolute advantage (N,) of each episode."""
        critic_inputs = self.networks.critic_inputs(state.statistics, rollout.critic_obs)
        values = self.networks.critic(state.parameters, critic_inputs)
        targets, advantages = compute_gae(
            truncation=jnp.zeros_like(values),
            # Time is observed, so the end of an episode is the end of its return, not a cut.
            termination=rollout.ended,
            rewards=rollout.reward,
            values=values,
            bootstrap_value=jnp.zeros_like(values[-1]),
            lambda_=state.hyper.gae_lambda,  # type: ignore[arg-type]
            discount=self.config.discount,
        )
        w = rollout.weight
        mean = (w * advantages).sum() / w.sum()
        std = jnp.sqrt((w * (advantages - mean) ** 2).sum() / w.sum())
        batch = Batch(
            actor=self.networks.actor_inputs(state.statistics, rollout.policy_obs),
            critic=critic_inputs,
            output=rollout.output,
            log_prob=rollout.log_prob,
            advantage=(advantages - mean) / (std + 1e-8),
            target=targets,
            weight=w,
        )
        surprise = (w * jnp.abs(advantages)).sum(axis=0) / w.sum(axis=0)
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), batch), surprise

    def _update(self, state: TrainState, batch: Batch, key: Array) -> tuple[TrainState, dict[str, Array]]:
        size = batch.weight.shape[0]
        used = size - size % self.config.minibatches
        rate = state.hyper.learning_rate * (1.0 - 0.9 * state.iteration / self.config.iterations)

        def epoch(carry: Any, key_epoch: Array) -> tuple[Any, Any]:
            order = jax.random.permutation(key_epoch, size)[:used].reshape(self.config.minibatches, -1)
            return jax.lax.scan(minibatch, carry, order)

        def minibatch(carry: Any, rows: Array) -> tuple[Any, Any]:
            parameters, optimizer = carry
            part = jax.tree.map(lambda leaf: leaf[rows], batch)
            grads, metrics = jax.grad(self._loss, has_aux=True)(parameters, state.hyper, part)
            updates, optimizer = self._optimizer.update(grads, optimizer)
            updates = jax.tree.map(lambda update: -rate * update, updates)
            return (optax.apply_updates(parameters, updates), optimizer), metrics

        carry = (state.parameters, state.optimizer)
        keys = jax.random.split(key, self.config.epochs)
        (parameters, optimizer), metrics = jax.lax.scan(epoch, carry, keys)
        metrics = {f"loss/{name}": value.mean() for name, value in metrics.items()}
        sigma = jnp.exp(parameters.log_sigma)
        metrics |= {"train/sigma_move": sigma[:3].mean(), "train/sigma_grip": sigma[6]}
        return state.replace(parameters=parameters, optimizer=optimizer), metrics  # type: ignore[attr-defined]

    def _loss(
        self, parameters: NetworkParameters, hyper: Hyperparameters, batch: Batch
    ) -> tuple[Array, dict[str, Array]]:
        mean = self.networks.actor(parameters, batch.actor)
        log_ratio = log_prob(mean, sigma_of(parameters), batch.output) - batch.log_prob
        ratio = jnp.exp(log_ratio)
        clipped = jnp.clip(ratio, 1.0 - hyper.clip, 1.0 + hyper.clip)
        gain = jnp.minimum(ratio * batch.advantage, clipped * batch.advantage)
        error = self.networks.critic(parameters, batch.critic) - batch.target
        total = batch.weight.sum() + 1e-6
        policy_loss = -(batch.weight * gain).sum() / total
        value_loss = (batch.weight * error**2).sum() / total
        # The noise is the same in all states, so the Gaussian's entropy is the sum of the log scales (and a constant).
        entropy = parameters.log_sigma.sum()
        loss = policy_loss + hyper.value_cost * value_loss - hyper.entropy_cost * entropy
        # Of the log ratio itself: where the ratio underflows, its logarithm is infinite.
        kl = (batch.weight * (jnp.expm1(log_ratio) - log_ratio)).sum() / total
        return loss, {"policy": policy_loss, "value": value_loss, "entropy": entropy, "kl": kl}
