"""Optimising many small problems at once: every start of every video is one `Problem` of the same shape."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

from real2sim_jax.fitting.initial import Start, initial_guess
from real2sim_jax.fitting.losses import Scales, Weights, loss_terms, weighted_sum
from real2sim_jax.fitting.parameters import Parameters, Rules, decode, from_free, to_free
from real2sim_jax.types import Array, BoxTrack, CuboidTrack, stack, unstack


class Settings(Protocol):
    """What the optimiser reads of a configuration."""

    @property
    def weights(self) -> Weights:
        """Weights of the terms."""
        ...

    @property
    def scales(self) -> Scales:
        """Units of the terms."""
        ...

    @property
    def learning_rate(self) -> float:
        """First step size."""
        ...

    @property
    def batch(self) -> int:
        """Problems optimised at once."""
        ...


@struct.dataclass
class Problem:
    """One video seen under one hypothesis."""

    observed: BoxTrack
    rules: Rules
    on_anchor: Array
    """() bool: the released object stands on the anchor."""
    free: Parameters
    loss: Array
    """() total loss at the last step; inf before the first."""


@jax.jit
def problem_of(observed: BoxTrack, rules: Rules, start: Start) -> Problem:
    """Return the problem of one padded video and one start."""
    free = to_free(initial_guess(observed, rules, start))
    return Problem(observed, rules, jnp.asarray(start.on_anchor), free, jnp.full((), jnp.inf, jnp.float32))


def minimise_all(
    problems: Sequence[Problem], steps: int, settings: Settings, progress: Callable[[float], None] = lambda done: None
) -> list[Problem]:
    """Return the problems after `steps` optimisation steps; progress is called with the share that is done."""
    # To numpy and back: weakly typed scalars would compile the optimiser a second time.
    problems = jax.tree.map(np.asarray, list(problems))
    done: list[Problem] = []
    for first in range(0, len(problems), settings.batch):
        group = list(problems[first : first + settings.batch])
        filled = stack(group + [group[-1]] * (settings.batch - len(group)))
        result = _minimise(filled, jnp.asarray(steps), settings.learning_rate, settings.weights, settings.scales)
        done += unstack(result)[: len(group)]
        progress(len(done) / len(problems))
    return done


def scene_of(problem: Problem, settings: Settings) -> CuboidTrack:
    """Return the scene of an optimised problem; `quality` holds its total and every unweighted term."""
    return _scene(problem, settings.weights, settings.scales)


def total_loss(free: Parameters, problem: Problem, weights: Weights, scales: Scales) -> Array:
    """Return the weighted sum of all terms, ()."""
    track = decode(free, problem.observed, problem.rules, problem.on_anchor)
    values = from_free(free, len(problem.observed.valid))
    terms = loss_terms(track, values, problem.observed, problem.rules, problem.on_anchor, scales)
    return weighted_sum(terms, weights)


@partial(jax.jit, static_argnums=(3, 4))
def _minimise(problems: Problem, steps: Array, rate: Array, weights: Weights, scales: Scales) -> Problem:
    """Adam with a step that falls along a cosine (Kingma and Ba, ICLR 2015), over a leading axis of problems."""
    evaluate = jax.vmap(jax.value_and_grad(partial(total_loss, weights=weights, scales=scales)))
    optimiser = optax.scale_by_adam()

    def step(i: Array, carry: tuple[Parameters, optax.OptState, Array]) -> tuple[Parameters, optax.OptState, Array]:
        free, state, _ = carry
        loss, gradient = evaluate(free, problems)
        direction, state = optimiser.update(gradient, state)  # type: ignore[arg-type]
        falling = rate * (0.05 + 0.475 * (1.0 + jnp.cos(jnp.pi * i / steps)))
        return jax.tree.map(lambda p, d: p - falling * d, free, direction), state, loss

    start = problems.free, optimiser.init(problems.free), problems.loss  # type: ignore[arg-type]
    # The loss kept is that of one step earlier: evaluating it once more would compile it twice.
    free, _, loss = jax.lax.fori_loop(0, steps, step, start)
    return problems.replace(free=free, loss=loss)  # type: ignore[attr-defined]


@partial(jax.jit, static_argnums=(1, 2))
def _scene(problem: Problem, weights: Weights, scales: Scales) -> CuboidTrack:
    track = decode(problem.free, problem.observed, problem.rules, problem.on_anchor)
    values = from_free(problem.free, len(problem.observed.valid))
    terms = loss_terms(track, values, problem.observed, problem.rules, problem.on_anchor, scales)
    quality = {"total": weighted_sum(terms, weights), **terms}
    quality |= {"on_anchor": problem.on_anchor * 1.0, "hand_reach": values.hand_reach}
    return track.replace(quality=quality)  # type: ignore[attr-defined]
