"""The training loop around the jitted iteration: progress, logs, checkpoints, a usable policy at any moment."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from tensorboardX import SummaryWriter

from real2sim_jax.actions import Action
from real2sim_jax.errors import UserError
from real2sim_jax.files import plain, read_json, versions, write_csv, write_json
from real2sim_jax.learning.guides import guide_from
from real2sim_jax.learning.networks import Networks
from real2sim_jax.learning.ppo import PPO, Hyperparameters, PPOConfig, TrainState, hyperparameters
from real2sim_jax.robot.policy import Policy, save_policy
from real2sim_jax.simulation.env import EPISODE_STEPS, EnvConfig, ManipulationEnv
from real2sim_jax.simulation.physics import Physics, make_physics
from real2sim_jax.types import Demonstration, stack, unstack


@dataclass(frozen=True)
class TrainConfig:
    """Everything that a training run depends on besides its demonstrations."""

    seed: int = 0
    physics: str = "batch"
    """Physics back end: batch, mjx or warp."""
    ppo: PPOConfig = field(default_factory=PPOConfig)
    env: EnvConfig = field(default_factory=EnvConfig)
    checkpoint_every: int = 5
    """Iterations between checkpoints."""


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


Evaluate = Callable[[Policy, Path], Mapping[str, float]]
"""From the policy so far and the folder of its run to scalars by name; may leave pictures in the folder."""


@dataclass(frozen=True)
class Outcome:
    """What a run gives."""

    policy: Policy
    first_policy: Policy
    """Before any learning: the guide alone."""
    history: Mapping[str, np.ndarray]
    """Metrics by name, (iterations,) each."""
    complete: bool
    """False when it was stopped early."""


def make_env(action: Action, demos: Demonstration, config: TrainConfig) -> ManipulationEnv:
    """Return the environment that a run trains in; demos stacked on a leading axis."""
    return ManipulationEnv(action, demos, make_physics(config.physics, action.bodies - 1), config.env)


def train(
    env: ManipulationEnv,
    demos: Demonstration,
    config: TrainConfig,
    folder: Path,
    *,
    parents: Mapping[str, str] | None = None,
    resume: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
    stopped: Callable[[], bool] = lambda: False,
    evaluate: Evaluate | None = None,
) -> Outcome:
    """Train a policy and keep policy.npz, metrics.csv, TensorBoard scalars and checkpoints in `folder` up to date.

    `parents` are hashes of the input files. `evaluate` is asked with each checkpoint for numbers to log, `stopped`
    after every iteration; a stopped run ends like a finished one, with the policy that it has. `resume` goes on from
    the last checkpoint. UserError when a loss is no longer finite (the last good policy is kept) or when there is
    nothing to resume.
    """
    members = {folder: config}
    (outcome,) = train_population(
        env, demos, members, parents=parents, resume=resume, report=report, stopped=stopped, evaluate=evaluate
    )
    return outcome


def train_population(
    env: ManipulationEnv,
    demos: Demonstration,
    members: Mapping[Path, TrainConfig],
    *,
    parents: Mapping[str, str] | None = None,
    resume: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
    stopped: Callable[[], bool] = lambda: False,
    evaluate: Evaluate | None = None,
) -> list[Outcome]:
    """Train one policy for each of `members` in one program; each folder is that of a single run of its configuration.

    Arguments and errors as in `train`; the configurations may differ in their seed and in ppo's `Hyperparameters`,
    otherwise UserError. Reports are means over the members.
    """
    config = _common(list(members.values()))
    networks = Networks(
        env.observation_size["critic"], guide_from(env.action, demos, config.ppo.guide), config.ppo.networks
    )
    ppo = PPO(env, networks, config.ppo)
    common = {"parents": dict(parents or {}), "versions": versions()}
    runs: list[_Run] = []
    try:
        for folder, own in members.items():
            provenance = {"config": plain(own), **common}
            runs.append(_Run(folder, networks, env.action.name, provenance, resume, evaluate))
        init = jax.jit(ppo.init)
        fresh = [init(jax.random.PRNGKey(own.seed), hyperparameters(own.ppo)) for own in members.values()]
        states = [run.restored(state) for run, state in zip(runs, fresh, strict=True)]
        if len({int(state.iteration) for state in states}) > 1:
            raise UserError("the runs to resume stand at different iterations; resume them one by one")
        states, complete = _loop(ppo, states, runs, config, report, stopped)
    finally:
        for run in runs:
            run.close()
    return [
        Outcome(run.policy(last), run.policy(first), run.columns(), complete)
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
    runs: "list[_Run]",
    config: TrainConfig,
    report: Callable[[Progress], None],
    stopped: Callable[[], bool],
) -> tuple[list[TrainState], bool]:
    """Iterate to the end or until stopped; return the last states, saved, and whether the end was reached."""
    alone = len(states) == 1
    iterate = jax.jit(ppo.iterate if alone else jax.vmap(ppo.iterate))
    together = states[0] if alone else stack(states)
    apart = (lambda tree: [tree]) if alone else unstack
    per_iteration = config.ppo.envs * EPISODE_STEPS
    ended_early = False
    for iteration in range(int(states[0].iteration), config.ppo.iterations):
        clock = WallClock(ppo.env.physics)
        following, metrics = iterate(together)
        members = [{name: float(value) for name, value in one.items()} for one in apart(jax.device_get(metrics))]
        seconds = clock.seconds()
        _check_finite(members, runs, apart(together), iteration)
        together = following
        steps_per_s = len(runs) * per_iteration / sum(seconds.values())
        steps = (iteration + 1) * per_iteration
        for run, values in zip(runs, members, strict=True):
            run.log(steps, values | {"train/steps_per_s": steps_per_s} | seconds)
        means = {name: float(np.mean([values[name] for values in members])) for name in members[0]}
        report(Progress(iteration + 1, config.ppo.iterations, steps * len(runs), steps_per_s, means))
        ended_early = stopped() and iteration + 1 < config.ppo.iterations
        if ended_early:
            break
        if (iteration + 1) % config.checkpoint_every == 0:
            _save(runs, apart(together))
    _save(runs, apart(together))
    return apart(together), not ended_early


def _check_finite(
    members: list[dict[str, float]], runs: "list[_Run]", last_good: list[TrainState], iteration: int
) -> None:
    """Keep the last good policies and raise UserError when a number of any member is not finite."""
    for run, values in zip(runs, members, strict=True):
        bad = [name for name, value in values.items() if not np.isfinite(value)]
        if bad:
            _save(runs, last_good)
            raise UserError(
                f"{run.folder}: training diverged: {bad[0]} not finite in iteration {iteration}; last policy kept"
            )


def _save(runs: "list[_Run]", states: list[TrainState]) -> None:
    for run, state in zip(runs, states, strict=True):
        run.judge(state)
        run.save(state)


def _remove_earlier(folder: Path) -> None:
    """Remove what an earlier run left: it must not lie beside this one's configuration."""
    for name in ("checkpoints", "tensorboard", "guide"):
        shutil.rmtree(folder / name, ignore_errors=True)
    files = ("policy.npz", "metrics.csv", "history.json", "curves.png", "rollout.gif", "report_*", "success_*.png")
    for path in [path for pattern in files for path in folder.glob(pattern)]:
        path.unlink()


class WallClock:
    """Where the seconds of an iteration go, as far as the physics keeps a clock of its own."""

    def __init__(self, physics: Physics | None):
        self._clock = None if physics is None else physics.clock
        self._busy = self._clock.busy_s if self._clock else 0.0
        self._started = time.perf_counter()

    def seconds(self) -> dict[str, float]:
        """Return the seconds since the start by what they went to."""
        now = time.perf_counter()
        if self._clock is None:
            return {"time/iteration_s": now - self._started}
        physics, update = self._clock.busy_s - self._busy, now - self._clock.last
        networks = now - self._started - physics - update
        return {"time/physics_s": physics, "time/networks_s": networks, "time/update_s": update}


class _Run:
    """The files of one training run."""

    def __init__(
        self,
        folder: Path,
        networks: Networks,
        action: str,
        provenance: dict[str, Any],
        resume: bool,
        evaluate: Evaluate | None,
    ):
        self.folder, self.networks, self.action, self.provenance = folder, networks, action, provenance
        self._evaluate = evaluate
        self.history: list[dict[str, float]] = []
        checkpoints = folder.absolute() / "checkpoints"
        if not resume:
            _remove_earlier(folder)
        elif not checkpoints.is_dir():
            raise UserError(f"{folder}: nothing to resume; train without --resume first")
        else:
            self._check_same(provenance)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", provenance)
        self.manager = ocp.CheckpointManager(checkpoints, options=ocp.CheckpointManagerOptions(max_to_keep=2))
        self.writer = SummaryWriter(str(folder / "tensorboard"))

    def restored(self, state: TrainState) -> TrainState:
        """The last checkpoint, or the given first state where there is none."""
        step = self.manager.latest_step()
        if step is None:
            return state
        self.history = read_json(self.folder / "history.json")[:step]
        restored: Any = self.manager.restore(step, args=ocp.args.StandardRestore(state))
        return restored

    def log(self, steps: int, values: dict[str, float]) -> None:
        self.history.append({"steps": float(steps), **values})
        for name, value in values.items():
            self.writer.add_scalar(name, value, steps)

    def judge(self, state: TrainState) -> None:
        """Add what `evaluate` says of the policy so far to the last iteration's numbers, once."""
        if self._evaluate is None or not self.history or any(name.startswith("eval/") for name in self.history[-1]):
            return
        found = self._evaluate(self.policy(state), self.folder)
        values = {f"eval/{name}": float(value) for name, value in found.items()}
        self.history[-1] |= values
        for name, value in values.items():
            self.writer.add_scalar(name, value, int(self.history[-1]["steps"]))

    def save(self, state: TrainState) -> None:
        step = int(state.iteration)
        write_json(self.folder / "history.json", self.history)
        # Numbers of every iteration only: a table has no holes.
        write_csv(self.folder / "metrics.csv", {n: c for n, c in self.columns().items() if not np.isnan(c).any()})
        save_policy(self.folder / "policy.npz", self.policy(state))
        if step not in self.manager.all_steps():
            self.manager.save(step, args=ocp.args.StandardSave(state))
            self.manager.wait_until_finished()

    def close(self) -> None:
        self.writer.close()
        self.manager.close()

    def policy(self, state: TrainState) -> Policy:
        provenance = self.provenance | {"iteration": int(state.iteration)}
        return self.networks.export(state.parameters, state.statistics, self.action, provenance)

    def columns(self) -> dict[str, np.ndarray]:
        """Numbers by name, (iterations,) each; NaN where there is none."""
        names = dict.fromkeys(name for row in self.history for name in row)
        return {name: np.array([row.get(name, np.nan) for row in self.history]) for name in names}

    def _check_same(self, provenance: dict[str, Any]) -> None:
        known = read_json(self.folder / "config.json")
        for name, what in (("config", "with another configuration"), ("parents", "on other demonstrations")):
            if known.get(name) != provenance[name]:
                raise UserError(f"{self.folder}: was trained {what}; resume with the same or start anew")
