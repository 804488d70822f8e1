"""The stages after the fit, one after another, each reading and writing the artefacts of the runs folder."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from real2sim_jax.benchmarks.path import path_agreement
from real2sim_jax.benchmarks.placing import ON_PLACE, Placing, overlapping
from real2sim_jax.benchmarks.report import Report, make_report, save_report
from real2sim_jax.benchmarks.rollout import Rollout, make_rollout
from real2sim_jax.benchmarks.specs import SPECS, generate, read_spec, spec_hash
from real2sim_jax.benchmarks.terms import demonstrated_terms, terms_over_time
from real2sim_jax.config.learning import DemonstrationConfig, TrainConfig
from real2sim_jax.config.simulation import EnvConfig, RandomizationConfig, StartConfig
from real2sim_jax.core.actions import Action
from real2sim_jax.core.clock import EPISODE_STEPS
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.policy import Policy, load_policy, save_policy
from real2sim_jax.data.artefacts import RunLayout, file_hash, load, plain, save
from real2sim_jax.data.types import Demonstration
from real2sim_jax.learning.demonstrations import demonstrate, stack_demonstrations
from real2sim_jax.learning.imitation import as_filmed
from real2sim_jax.learning.train import Callbacks, TrainingResult, make_env, train_population
from real2sim_jax.simulation.env import ManipulationEnv, moved_offset
from real2sim_jax.simulation.initial_states import nominal_start, radius_ranges
from real2sim_jax.simulation.physics.backends import make_physics
from real2sim_jax.simulation.types import StartState, Trajectory
from real2sim_jax.stages.console import Console
from real2sim_jax.stages.fit import Fits
from real2sim_jax.viewers.plots import save_learning_curves, save_reward_plot, save_success_plot
from real2sim_jax.viewers.report_page import save_report_page
from real2sim_jax.viewers.rollout import save_rollout_gif

NOMINAL_HEIGHTS_M = (0.065, 0.10)
NOMINAL_ROWS = 10
EVALUATION_ROWS = 64
"""Of each spec, during training."""
NOTHING_VARIES = RandomizationConfig()
SHOWN = ("eval/", "train/", "reward/")
"""Numbers of a training that are plotted."""


def demonstration_stage(
    fits: Fits, action: Action, layout: RunLayout, config: DemonstrationConfig | None = None
) -> Demonstration:
    """Turn the fitted tracks of an action into demos.npz; demonstrations are stacked on a leading axis."""
    config = config or DemonstrationConfig()
    tracks = [track for _, track in fits.tracks.values()]
    action = as_filmed(action, tracks)
    demos = stack_demonstrations([demonstrate(track, action, config) for track in tracks])
    parents = {video: file_hash(layout.video(video) / "track.npz") for video in fits.tracks}
    save(layout.demonstrations, demos, config=plain(config), parents=parents)
    return demos


def train_stage(
    action: Action,
    demos: Demonstration,
    config: TrainConfig,
    layout: RunLayout,
    console: Console,
    resume: bool = False,
    seeds: Sequence[int] = (),
    wandb_project: str | None = None,
) -> dict[int, TrainingResult]:
    """Train one policy for each of the seeds (the configuration's alone when absent) and write their folders.

    An interrupt ends the training and keeps the policies. `wandb_project` gets the numbers too (extra `wandb`).
    """
    members = {layout.seed(seed): replace(config, seed=seed) for seed in seeds or (config.seed,)}
    env = make_env(action, demos, config)
    evaluate = GreedyEvaluation(env.action, demos, config)
    parents = {"demos": file_hash(layout.demonstrations)}
    with console.training(len(members) * config.ppo.iterations * config.ppo.envs * EPISODE_STEPS) as watch:
        outcomes = train_population(
            env,
            demos,
            members,
            parents=parents,
            resume=resume,
            callbacks=Callbacks(watch.report, watch.stopped, evaluate, console.say),
            wandb_project=wandb_project,
        )
    by_seed = {own.seed: outcome for own, outcome in zip(members.values(), outcomes, strict=True)}
    for seed, outcome in by_seed.items():
        save_policy(reference_path(layout, seed), outcome.first_policy)
        curves = {name: value for name, value in outcome.history.items() if name.startswith(SHOWN)}
        if curves:
            save_learning_curves(layout.seed(seed) / "curves.png", curves, outcome.history["steps"])
    return by_seed


def reference_path(layout: RunLayout, seed: int) -> Path:
    """Where the policy lies that a run started from: the reference with an untrained network, as a baseline."""
    return layout.seed(seed) / "reference" / "policy.npz"


def benchmark_stage(
    policies: Mapping[Path, Path],
    specs: Sequence[str],
    physics: str,
    seed: int,
    rows: int,
    placing: Placing = ON_PLACE,
) -> dict[Path, list[Report]]:
    """Roll policy files out from the start states of each spec; write report_SPEC.json, .html and success_SPEC.png.

    `policies` gives the folder of the reports by policy file; all are of one action and share one compilation. Objects
    may stand off their place, and the reports' names say so. Reports by policy.
    """
    action = load_policy(next(iter(policies))).action
    # Published files are called like the specs that we generate, but hold other rows.
    names = {spec: (spec if spec in SPECS else f"{Path(spec).stem}_csv") + placing.suffix for spec in specs}
    states = {names[spec]: placing.starts(start_states(spec, action, seed, rows), action, seed) for spec in specs}
    reports: dict[Path, list[Report]] = {path: [] for path in policies}
    for path, report, trajectories, demos in judged(policies, states, physics, seed, placing):
        out, starts = policies[path], states[report.spec]
        save_report(out, report)
        plot = out / f"success_{report.spec}.png"
        save_success_plot(plot, report, starts)
        rewards = _reward_plot(out / f"report_{report.spec}_rewards.png", demos, report, trajectories, action)
        save_report_page(
            out / f"report_{report.spec}.html", report, starts, trajectories, plot, rewards, action.gripper
        )
        reports[path].append(report)
    return reports


def judged(
    policies: Iterable[Path],
    states: Mapping[str, StartState],
    physics: str,
    seed: int,
    placing: Placing = ON_PLACE,
) -> Iterator[tuple[Path, Report, Trajectory, Demonstration | None]]:
    """Roll policy files out from the start states of each specification; yield what each did, policy by policy.

    With it comes what the policy has learnt from, where that lies above its file.
    """
    hashes = {spec: spec_hash(starts) for spec, starts in states.items()}
    for path in policies:
        policy, found = load_policy(path), demonstrations_of(path)
        demos = None if found is None else load(found, Demonstration)
        for spec, starts in states.items():
            rollout = rollout_of(policy.action, physics, policy.sees_object, placing.randomization)
            trajectories, success, _ = rollout(policy, starts)
            identity = {"policy_hash": file_hash(path), "spec": spec, "spec_hash": hashes[spec]}
            report = make_report(policy.action, success, **identity, physics=physics, seed=seed)
            if demos is not None:
                near, auc = path_agreement(trajectories, demos, policy.action.is_fetched)
                report = replace(report, path_share=float(near.mean()), add_auc=float(auc.mean()))
            yield path, report, trajectories, demos


def demonstrations_of(policy: Path) -> Path | None:
    """Return the file of demonstrations that a policy file has learnt from, None unless it lies in a folder above."""
    parent = load_policy(policy).provenance.get("parents", {}).get("demos")
    known = [folder / "demos.npz" for folder in policy.absolute().parents[:3]]
    return next((path for path in known if path.is_file() and file_hash(path) == parent), None)


def _reward_plot(
    target: Path, demos: Demonstration | None, report: Report, trajectories: Trajectory, action: Action
) -> Path | None:
    """Draw the reward terms over time, where the demonstrations that the policy has learnt from are known."""
    if demos is None:
        return None
    found = terms_over_time(trajectories, demos, fetched=action.is_fetched)
    terms = {name: np.asarray(values) for name, values in found.items()}
    chosen = {"successes": report.ok, "failures": ~report.ok}
    groups = {
        label: {n: v[rows].mean(axis=0) for n, v in terms.items()} for label, rows in chosen.items() if rows.any()
    }
    save_reward_plot(target, {**groups, "demonstration": demonstrated_terms(demos)}, float(trajectories.dt[0]))
    return target


@cache
def rollout_of(
    action: Action, physics: str, sees_object: bool, randomization: RandomizationConfig = NOTHING_VARIES
) -> Rollout:
    """Return what rolls policies of an action out; kept, and with it what it has compiled."""
    config = EnvConfig(observe_object=sees_object, randomization=randomization)
    return make_rollout(ManipulationEnv(action, None, make_physics(physics, action.objects, action.gripper), config))


def start_states(spec: str, action: Action, seed: int, rows: int) -> StartState:
    """Return the rows of a named spec (drawn with the seed) or of a CSV file in the published layout."""
    if spec in SPECS:
        return generate(spec, action, rows, seed, overlapping(action))
    if spec.endswith(".csv"):
        return read_spec(spec, action)
    raise UserError(f"unknown benchmark {spec!r}: expected {', '.join(SPECS)} or a CSV file")


def nominal_states(action: Action, offset: np.ndarray) -> StartState:
    """Return the start without noise for NOMINAL_ROWS sizes of the objects."""
    share = jnp.linspace(0.0, 1.0, NOMINAL_ROWS)[:, None] * jnp.ones(action.bodies - 1)
    heights = NOMINAL_HEIGHTS_M[0] + share * (NOMINAL_HEIGHTS_M[1] - NOMINAL_HEIGHTS_M[0])
    ranges = jnp.asarray(radius_ranges(action, StartConfig()))
    radii = ranges[:, 0] + share * (ranges[:, 1] - ranges[:, 0])
    return jax.vmap(lambda h, r: nominal_start(action, h, r, jnp.asarray(offset)))(heights, radii)


class GreedyEvaluation:
    """Judges a policy during its training: greedy episodes from a few fixed starts, one of them as rollout.gif."""

    def __init__(self, action: Action, demos: Demonstration, config: TrainConfig):
        """The physics is the training's; nothing is randomised."""
        self._action, self._rollout = action, rollout_of(action, config.physics, config.env.observe_object)
        self._demonstration = jax.tree.map(lambda leaf: np.asarray(leaf)[0], demos)
        groups = {"unrandomised": nominal_states(action, moved_offset(demos))}
        groups |= {spec: start_states(spec, action, config.seed, EVALUATION_ROWS) for spec in SPECS}
        self._groups = [name for name, states in groups.items() for _ in range(len(states.azimuth))]
        self._states = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *groups.values())

    def __call__(self, policy: Policy, folder: Path) -> dict[str, float]:
        """Return the share of successes by kind of start, and write rollout.gif."""
        trajectories, success, _ = self._rollout(policy, self._states)
        shown = jax.tree.map(lambda leaf: leaf[NOMINAL_ROWS // 2], trajectories)
        action = self._action
        save_rollout_gif(folder / "rollout.gif", shown, action.name, self._demonstration, gripper=action.gripper)
        ok = np.asarray(success.ok)
        return {f"success_{name}": ok[np.array(self._groups) == name].mean() for name in dict.fromkeys(self._groups)}


def nominal_successes(outcome: TrainingResult) -> str:
    """Return the last policy's successes from the unrandomised start as "successes / episodes"."""
    return f"{round(outcome.history['eval/success_unrandomised'][-1] * NOMINAL_ROWS)} / {NOMINAL_ROWS}"
