"""The training loop around the jitted iteration: progress, logs, checkpoints, a usable policy at any moment."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import jax
import numpy as np

from real2sim_jax.config.learning import PPOConfig, TrainConfig
from real2sim_jax.core.actions import Action
from real2sim_jax.core.clock import EPISODE_STEPS
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.policy import Policy
from real2sim_jax.data.artefacts import plain, versions
from real2sim_jax.data.locks import locked
from real2sim_jax.data.types import Demonstration, stack, unstack
from real2sim_jax.learning.imitation import as_demonstrated
from real2sim_jax.learning.networks import Networks
from real2sim_jax.learning.ppo import PPO, Hyperparameters, TrainState, hyperparameters
from real2sim_jax.learning.references import best_reference
from real2sim_jax.learning.run import Evaluate, RunFolder, WallClock
from real2sim_jax.simulation.env import ManipulationEnv
from real2sim_jax.simulation.physics.backends import make_physics

OPTIMISED = ("loss/policy", "loss/value", "loss/entropy")
"""The parts of the loss."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands after an iteration."""

    iteration: int
    iterations: int
    steps: int
    """Control steps done in all, by all members of a population."""
    steps_per_s: float
    """Of the last iteration, as above."""
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Callbacks:
    """What a run tells, and asks, whoever started it."""

    report: Callable[[Progress], None] = lambda progress: None
    """Called after each iteration."""
    stopped: Callable[[], bool] = lambda: False
    """Asked after each iteration; a stopped run ends like a finished one, with the policy that it has."""
    evaluate: Evaluate | None = None
    """Asked with each checkpoint for numbers to log."""
    say: Callable[[str], None] = lambda line: None
    """Gets lines for the user."""


@dataclass(frozen=True)
class TrainingResult:
    """What a run gives."""

    policy: Policy
    first_policy: Policy
    """Before any learning: the reference alone."""
    history: Mapping[str, np.ndarray]
    """Metrics by name, (iterations,) each."""
    complete: bool
    """False when it was stopped early."""


def make_env(action: Action, demos: Demonstration, config: TrainConfig) -> ManipulationEnv:
    """Return the environment that a run trains in; demos stacked on a leading axis.

    Its action has what a record leaves to the demonstrations.
    """
    action = as_demonstrated(action, demos)
    return ManipulationEnv(action, demos, make_physics(config.physics, action.objects, action.gripper), config.env)


def make_ppo(env: ManipulationEnv, demos: Demonstration, config: PPOConfig) -> PPO:
    """Return the learner of an environment; its reference is made of the demonstrations (stacked on a leading axis)."""
    reference = None if config.reference == "none" else best_reference(env, demos, config.tracking)
    return PPO(env, Networks(env.observation_size, reference, config.networks), config)


def train(
    env: ManipulationEnv,
    demos: Demonstration,
    config: TrainConfig,
    folder: Path,
    *,
    parents: Mapping[str, str] | None = None,
    resume: bool = False,
    callbacks: Callbacks = Callbacks(),
    wandb_project: str | None = None,
) -> TrainingResult:
    """Train a policy and keep policy.npz, metrics.csv, TensorBoard scalars and checkpoints in `folder` up to date.

    `parents` are hashes of the input files. `resume` goes on from the last checkpoint. `wandb_project` gets the numbers
    too (extra `wandb`). A new run writes nothing before its first iteration is done; an earlier one in `folder` is then
    kept as FOLDER.previous, about which the callbacks get a line. UserError when a loss is no longer finite (the last
    good policy is kept), when there is nothing to resume, or when another process trains there.
    """
    members = {folder: config}
    (outcome,) = train_population(
        env, demos, members, parents=parents, resume=resume, callbacks=callbacks, wandb_project=wandb_project
    )
    return outcome


def train_population(
    env: ManipulationEnv,
    demos: Demonstration,
    members: Mapping[Path, TrainConfig],
    *,
    parents: Mapping[str, str] | None = None,
    resume: bool = False,
    callbacks: Callbacks = Callbacks(),
    wandb_project: str | None = None,
) -> list[TrainingResult]:
    """Train one policy for each of `members` in one program; each folder is that of a single run of its configuration.

    Arguments and errors as in `train`; the configurations may differ in their seed and in ppo's `Hyperparameters`,
    otherwise UserError. Reports are means over the members.
    """
    config = _common(list(members.values()))
    ppo = make_ppo(env, demos, config.ppo)
    common = {"parents": dict(parents or {}), "versions": versions()}
    runs: list[RunFolder] = []
    with ExitStack() as held:
        for folder in members:
            held.enter_context(locked(folder))
        # Whatever ends the training, nothing of it computes on.
        held.callback(jax.effects_barrier)
        for folder, own in members.items():
            what = {"config": plain(own), **common}
            runs.append(RunFolder(folder, ppo.networks, env.action, what, resume, callbacks.evaluate, wandb_project))
            held.callback(runs[-1].close)
        init = jax.jit(ppo.init)
        fresh = [init(jax.random.PRNGKey(own.seed), hyperparameters(own.ppo)) for own in members.values()]
        states = [run.restored(state) for run, state in zip(runs, fresh, strict=True)]
        if len({int(state.iteration) for state in states}) > 1:
            raise UserError("the runs to resume stand at different iterations; resume them one by one")
        states, complete = _loop(ppo, states, runs, config, callbacks)
    return [
        TrainingResult(run.policy(last), run.policy(first), run.columns(), complete)
        for run, last, first in zip(runs, states, fresh, strict=True)
    ]


def _common(configs: list[TrainConfig]) -> TrainConfig:
    """Return the first configuration; UserError when another one cannot share its program."""
    first = configs[0]
    own = {field.name: getattr(first.ppo, field.name) for field in fields(Hyperparameters)}
    if any(replace(one, seed=first.seed, ppo=replace(one.ppo, **own)) != first for one in configs):
        raise UserError(f"one program for several runs: expected them to differ in seed, {', '.join(own)} only")
    return first


def _loop(
    ppo: PPO,
    states: list[TrainState],
    runs: list[RunFolder],
    config: TrainConfig,
    callbacks: Callbacks,
) -> tuple[list[TrainState], bool]:
    """Iterate to the end or until stopped; return the last states, saved, and whether the end was reached."""
    alone = len(states) == 1
    iterate = ppo.compiled(members=not alone)
    together = states[0] if alone else stack(states)
    apart = (lambda tree: [tree]) if alone else unstack
    per_iteration = config.ppo.envs * EPISODE_STEPS
    ended_early = False
    for iteration in range(int(states[0].iteration), config.ppo.iterations):
        clock = WallClock(ppo.env.physics)
        following, metrics = iterate(together)
        members = [{name: float(value) for name, value in one.items()} for one in apart(jax.device_get(metrics))]
        seconds = clock.seconds()
        _check_finite(members, apart(following), runs, partial(apart, together), iteration)
        together = following
        steps_per_s = len(runs) * per_iteration / sum(seconds.values())
        steps = (iteration + 1) * per_iteration
        for run, values in zip(runs, members, strict=True):
            run.log(steps, values | {"train/steps_per_s": steps_per_s} | seconds)
        means = {name: float(np.mean([values[name] for values in members])) for name in members[0]}
        callbacks.report(Progress(iteration + 1, config.ppo.iterations, steps * len(runs), steps_per_s, means))
        for run, state in zip(runs, apart(together), strict=True):
            run.begin(state, callbacks.say)
        ended_early = callbacks.stopped() and iteration + 1 < config.ppo.iterations
        if ended_early:
            break
        if (iteration + 1) % config.checkpoint_every == 0:
            _save(runs, apart(together))
    _save(runs, apart(together))
    return apart(together), not ended_early


def _check_finite(
    members: list[dict[str, float]],
    states: list[TrainState],
    runs: list[RunFolder],
    last_good: Callable[[], list[TrainState]],
    iteration: int,
) -> None:
    """Keep the last good policies and raise UserError when what is optimised is not finite for any member.

    Numbers that are only watched, such as the KL divergence, may be anything.
    """
    for run, values, state in zip(runs, members, states, strict=True):
        bad = [name for name in OPTIMISED if not np.isfinite(values[name])]
        parameters = jax.tree.leaves(jax.device_get(state.parameters))
        bad += [] if all(np.isfinite(leaf).all() for leaf in parameters) else ["a parameter of the networks"]
        if bad:
            _save(runs, last_good())
            kept = "before its first policy" if run.manager is None else "last policy kept"
            raise UserError(f"{run.folder}: training diverged: {bad[0]} not finite in iteration {iteration}; {kept}")


def _save(runs: list[RunFolder], states: list[TrainState]) -> None:
    for run, state in zip(runs, states, strict=True):
        run.judge(state)
        run.save(state)
