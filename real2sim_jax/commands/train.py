"""`real2sim train`: from boxes or video files to a benchmarked policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from real2sim_jax.commands.benchmark import show_success
from real2sim_jax.commands.fit import show_fits
from real2sim_jax.commands.options import SourceOptions, TrainingOptions, at_least_one
from real2sim_jax.config.learning import TrainConfig
from real2sim_jax.core.actions import action_named
from real2sim_jax.core.clock import EPISODE_STEPS
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.gripper import gripper_named
from real2sim_jax.core.settings import placed

LEARNING_ROWS = 8
"""Of the table of success during training, at most."""


@dataclass(frozen=True, kw_only=True)
class Train(SourceOptions, TrainingOptions):
    """From demonstrations to a benchmarked, exported policy."""

    action: str
    """One of the nine actions, e.g. pick_up; a file of your own (.toml); or imitate, imitate_with_anchor: end as the
    demonstration does."""
    gripper: str | None = None
    """published, franka_hand, or a file of your own (.toml); that of the action's file when absent."""
    seed: int | None = None
    """Short for --train.seed: of synthetic demonstrations, training and benchmark."""
    seeds: int = 1
    """Policies to train at once, with this seed and those that follow it, on the same demonstrations: one program,
    one folder each."""
    physics: str | None = None
    """Short for --train.physics: batch (MuJoCo's C engine, CPU) or mjx (any device)."""
    runs: Path = Path("runs")
    """Folder of all results."""
    steps: int | None = None
    """Short for --train.ppo.steps: control steps of training (12 are one second of one environment)."""
    envs: int | Literal["auto"] | None = None
    """Short for --train.ppo.envs: environments stepped in parallel; auto: what `real2sim tune-env` found."""
    resume: bool = False
    """Go on from the last checkpoint of the same configuration."""
    wandb: str | None = None
    """Project of Weights & Biases that gets the numbers too (extra `wandb`; WANDB_MODE=offline sends nothing)."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax.data.artefacts import RunLayout
        from real2sim_jax.data.locks import locked
        from real2sim_jax.stages.console import Console

        action, config = action_named(self.action), _train_config(self)
        if self.gripper is not None:
            with placed("--"):
                action = replace(action, gripper=gripper_named(self.gripper))
        layout = RunLayout(self.runs, action.name)
        source = self.source(self.segment, config.seed)
        with locked(layout.folder):
            self._stages(source, action, config, layout, Console())
        return 0

    def _stages(self, source: Any, action: Any, config: Any, layout: Any, console: Any) -> None:
        from real2sim_jax.benchmarks.specs import SPECS
        from real2sim_jax.learning.demonstrations import comes_held
        from real2sim_jax.learning.imitation import as_demonstrated
        from real2sim_jax.stages import train_and_benchmark as pipeline
        from real2sim_jax.stages.fit import fit_stage

        fits = fit_stage(source, action, layout.folder, console, self.fit)
        show_fits(console, fits)
        demos = pipeline.demonstration_stage(fits, action, layout, self.demonstrate)
        action = as_demonstrated(action, demos, self.benchmark.imitate_within_m, self.benchmark.imitate_within_deg)
        made_up = [video for video, (_, track) in fits.tracks.items() if comes_held(track)]
        if action.is_fetched and made_up:
            console.say(f"{', '.join(made_up)}: in the hand when the action begins; its grasp on the table is made up")
        seeds, rows = range(config.seed, config.seed + self.seeds), self.benchmark.rows
        outcomes = pipeline.train_stage(action, demos, config, layout, console, self.resume, seeds, self.wandb)
        if not all(outcome.complete for outcome in outcomes.values()):
            console.say("stopped before the end: what follows is of the policy so far; go on with --resume")
        policies = {seed: layout.seed(seed) / "policy.npz" for seed in seeds}
        reference = pipeline.reference_path(layout, config.seed)
        folders = {path: path.parent for path in (*policies.values(), reference)}
        with console.status("benchmark"):
            reports = pipeline.benchmark_stage(folders, tuple(SPECS), config.physics, config.seed, rows)
        _show_learning(console, action, outcomes[config.seed].history)
        for seed, path in policies.items():
            nominal = pipeline.nominal_successes(outcomes[seed])
            show_success(console, action, reports[path], nominal, reports[reference] if seed == config.seed else ())
        if self.seeds > 1:
            _show_population(console, action, {seed: reports[path] for seed, path in policies.items()})
        _show_artefacts(console, layout.folder, layout.seed(config.seed))


def _show_learning(console: Any, action: Any, history: Mapping[str, Any]) -> None:
    """Print the greedy success over the steps of a training, at a few of its evaluations."""
    import numpy as np

    kinds = {f"eval/success_{kind}": kind for kind in ("unrandomised", "easy", "hard")}
    judged = np.flatnonzero(np.isfinite(history["eval/success_easy"]))
    shown = judged[np.unique(np.linspace(0, len(judged) - 1, LEARNING_ROWS).round().astype(int))]
    rows = [(f"{history['steps'][i]:,.0f}", *(f"{history[name][i]:.0%}" for name in kinds)) for i in shown]
    console.table(f"{action.name}: success during training", ("control steps", *kinds.values()), rows)


def _show_population(console: Any, action: Any, reports: Mapping[int, Sequence[Any]]) -> None:
    """Print the spread of success over the seeds, and which is best."""
    import numpy as np

    rows = []
    for i, first in enumerate(next(iter(reports.values()))):
        rates = {seed: found[i].ok.mean() for seed, found in reports.items()}
        low, middle, high = (f"{value:.1%}" for value in np.quantile(list(rates.values()), (0.0, 0.5, 1.0)))
        rows.append((first.spec, low, middle, high, str(max(rates, key=lambda seed: rates[seed]))))
    columns = ("start states", "least", "median", "most", "best seed")
    console.table(f"{action.name}: success of {len(reports)} seeds", columns, rows)


def _train_config(options: Train) -> TrainConfig:
    """Return the settings of the training with the short options in their places."""
    from real2sim_jax.simulation.physics.backends import check_physics

    at_least_one("--seeds", options.seeds)
    config, steps = options.train, options.steps
    short = {"seed": options.seed, "physics": options.physics}
    with placed("--"):
        config = replace(config, **{name: value for name, value in short.items() if value is not None})
        check_physics(config.physics)
        envs = _tuned(options.action, config.physics) if options.envs == "auto" else options.envs
        sizes = {name: value for name, value in {"steps": steps, "envs": envs}.items() if value is not None}
        config = replace(config, ppo=replace(config.ppo, **sizes))
    ppo = config.ppo
    least = ppo.envs * EPISODE_STEPS
    if ppo.steps < least:
        raise UserError(
            f"--steps {ppo.steps}: expected at least {least}, one episode in each of {ppo.envs} environments"
        )
    return config


def _tuned(action: str, physics: str) -> int:
    from real2sim_jax.learning.tuning import kept_choice

    return kept_choice(action_named(action), physics).envs


def _show_artefacts(console: Any, videos: Path, folder: Path) -> None:
    rows = [
        ("fitted videos", f"{videos}/VIDEO/ track.npz states.csv fit.gif quality.json"),
        ("all of them", f"{videos}/ contact_sheet.png loss_curves.png"),
        ("demonstrations", f"{videos}/demos.npz"),
        ("policy for the robot", f"{folder}/policy.npz"),
        ("benchmark", f"{folder}/ report_easy.html report_hard.html, as numbers in .json"),
        ("pictures", f"{folder}/ rollout.gif curves.png"),
        ("reference alone", f"{folder}/reference/ policy.npz report_easy.html report_hard.html"),
        ("training", f"{folder}/ metrics.csv tensorboard/ checkpoints/ config.json"),
    ]
    console.table("artefacts", ("what", "where"), rows)
