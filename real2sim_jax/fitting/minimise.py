"""Optimising many small problems at once: every start of every video is one `Problem` of the same shape."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from real2sim_jax.config.fitting import Scales
from real2sim_jax.data.types import Array, BoxTrack, CuboidTrack, unstack
from real2sim_jax.fitting.goal import Goal, goal_term, no_goal
from real2sim_jax.fitting.initial import Hypothesis, initial_guess
from real2sim_jax.fitting.losses import loss_terms, total
from real2sim_jax.fitting.parameters import ContactConstraints, Parameters, decode, from_free, to_free
from real2sim_jax.jax_settings import cores


class Settings(Protocol):
    """What the optimiser reads of a configuration."""

    @property
    def scales(self) -> Scales:
        """Units of the terms."""
        ...

    @property
    def batch(self) -> int:
        """Problems optimised at once on a CPU."""
        ...


@struct.dataclass
class Problem:
    """One video seen under one hypothesis."""

    observed: BoxTrack
    rules: ContactConstraints
    on_anchor: Array
    """() bool: the released object stands on the anchor."""
    goal: Goal
    """What the action's name asks of the scene; nothing, where evidence alone decides."""
    free: Parameters
    loss: Array
    """() total loss at the last step; inf before the first."""
    curve: Array
    """(MAX_ROUNDS, CURVE_POINTS) total loss along each round, NaN where there was none."""


CURVE_POINTS = 40
MAX_ROUNDS = 4
"""Of the fit to boxes, and one for masks."""


@struct.dataclass
class Schedule:
    """How far to optimise; not static, so that all rounds share one program."""

    steps: Array
    number: Array
    """Of the round, which tells where in `Problem.curve` its losses go."""
    rate: Array
    """First step size."""

    @classmethod
    def of(cls, steps: int, number: int, rate: float) -> "Schedule":
        """Return a schedule of arrays."""
        return cls(jnp.asarray(steps), jnp.asarray(number), jnp.asarray(rate))


@jax.jit
def problem_of(observed: BoxTrack, rules: ContactConstraints, start: Hypothesis) -> Problem:
    """Return the problem of one padded video and one start."""
    free = to_free(initial_guess(observed, rules, start))
    curve = jnp.full((MAX_ROUNDS, CURVE_POINTS), jnp.nan)
    return Problem(observed, rules, jnp.asarray(start.on_anchor), no_goal(), free, jnp.full((), jnp.inf), curve)


def minimise_all(
    problems: Sequence[Problem],
    schedule: Schedule,
    settings: Settings,
    progress: Callable[[float], None] = lambda done: None,
) -> list[Problem]:
    """Return the problems after the schedule's steps; progress is called with the share that is done."""
    # To numpy and back: weakly typed scalars would compile the optimiser a second time.
    told = [jax.tree.map(np.asarray, problem) for problem in problems]

    size = _batch(settings, len(told))

    def run(group: list[Problem]) -> list[Problem]:
        filled = group + [group[-1]] * (size - len(group))
        together = _placed(jax.tree.map(lambda *leaves: np.stack(leaves), *filled))
        return unstack(_minimise(together, schedule, settings.scales))[: len(group)]

    done: list[Problem] = []
    groups = [told[first : first + size] for first in range(0, len(told), size)]
    # On a CPU a batch of small arrays keeps a single core busy, so one runs on each.
    with ThreadPoolExecutor(cores() if _one_cpu() else 1) as pool:
        for group in pool.map(run, groups):
            done += group
            progress(len(done) / len(told))
    return done


def _one_cpu() -> bool:
    return jax.default_backend() == "cpu" and jax.device_count() == 1


def _batch(settings: Settings, count: int) -> int:
    """Problems per program: as configured on a CPU; all at once elsewhere, shared evenly among the devices.

    All at once is a power of two, so that few shapes are compiled.
    """
    wanted = settings.batch if _one_cpu() else max(settings.batch, 1 << (count - 1).bit_length())
    return -(-wanted // jax.device_count()) * jax.device_count()


def _placed(problems: Problem) -> Problem:
    """Spread the leading axis over all devices; XLA then runs each device's share there."""
    if jax.device_count() == 1:
        return problems
    mesh = Mesh(np.array(jax.devices()), ("problems",))
    return jax.device_put(problems, NamedSharding(mesh, PartitionSpec("problems")))


def scene_of(problem: Problem, settings: Settings) -> CuboidTrack:
    """Return the scene of an optimised problem; `quality` holds the loss and every term of it."""
    return _scene(problem, settings.scales)


def total_loss(free: Parameters, problem: Problem, scales: Scales) -> Array:
    """Return the sum of all terms and the penalty for missing the goal, ()."""
    track = decode(free, problem.observed, problem.rules, problem.on_anchor)
    values = from_free(free, len(problem.observed.valid))
    terms = loss_terms(track, values, problem.observed, problem.rules, problem.on_anchor, scales)
    return total(terms) + goal_term(track, problem.goal, problem.observed.valid, scales)


Descent = tuple[Parameters, optax.OptState, Array, Array]
"""Free parameters, Adam's averages, loss and its course."""


@jax.jit
def _minimise(problems: Problem, schedule: Schedule, scales: Scales) -> Problem:
    evaluate = jax.vmap(jax.value_and_grad(partial(total_loss, scales=scales)))
    return descend(lambda free: evaluate(free, problems), problems, schedule)


def descend(evaluate: Callable[[Parameters], tuple[Array, Parameters]], start: Problem, schedule: Schedule) -> Problem:
    """Return one or many problems after Adam with a step that falls along a cosine (Kingma and Ba, ICLR 2015).

    `evaluate` gives loss and gradient at free parameters.
    """
    optimiser = optax.scale_by_adam()
    steps, number, rate = schedule.steps, schedule.number, schedule.rate

    def step(i: Array, carry: Descent) -> Descent:
        free, state, _, curve = carry
        loss, gradient = evaluate(free)
        direction, state = optimiser.update(gradient, state)  # type: ignore[arg-type]
        falling = rate * (0.05 + 0.475 * (1.0 + jnp.cos(jnp.pi * i / steps)))
        free = jax.tree.map(lambda p, d: p - falling * d, free, direction)
        return free, state, loss, curve.at[..., number, i * CURVE_POINTS // steps].set(loss)

    first = start.free, optimiser.init(start.free), jnp.asarray(start.loss), jnp.asarray(start.curve)  # type: ignore[arg-type]
    # The loss kept is that of one step earlier: evaluating it once more would compile it twice.
    free, _, loss, curve = jax.lax.fori_loop(0, steps, step, first)
    return start.replace(free=free, loss=loss, curve=curve)  # type: ignore[attr-defined]


@jax.jit
def _scene(problem: Problem, scales: Scales) -> CuboidTrack:
    track = decode(problem.free, problem.observed, problem.rules, problem.on_anchor)
    values = from_free(problem.free, len(problem.observed.valid))
    terms = loss_terms(track, values, problem.observed, problem.rules, problem.on_anchor, scales)
    quality = {"total": total(terms), **terms}
    quality |= {"on_anchor": problem.on_anchor * 1.0, "hand_reach": values.hand_reach}
    return track.replace(quality=quality)  # type: ignore[attr-defined]
