"""`real2sim train`: from boxes or video files to a benchmarked policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from real2sim_jax.commands.benchmark import show_success
from real2sim_jax.commands.fit import show_fits
from real2sim_jax.commands.options import at_least_one, ids, not_negative, video_files
from real2sim_jax.core.actions import action_named
from real2sim_jax.core.errors import UserError

LEARNING_ROWS = 8
"""Of the table of success during training, at most."""


@dataclass(frozen=True)
class Train:
    """From demonstrations to a benchmarked, exported policy."""

    action: str
    """One of the nine actions, e.g. pick_up."""
    tracks: Path | None = None
    """Folder of tracks to learn from; the built-in synthetic demonstrations when absent."""
    videos: str | None = None
    """Ids of the videos to learn from, separated by commas; all of the action's when absent."""
    phases: bool = True
    """Take the action's frames from phases.csv where it has them; otherwise infer them from the boxes."""
    video: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    """A video file to learn from (may be repeated), instead of --tracks; it shows --action."""
    segmenter: str | None = None
    """How masks are found in video files: auto, boxes (follow what --prompt draws boxes around, without any network)
    or sam (Segment Anything, with --checkpoint); sam where there is a checkpoint, auto otherwise."""
    checkpoint: Path | None = None
    """File of weights of Segment Anything (ViT-B, L or H), for the segmenter sam; needs the extra sam."""
    prompt: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """ROLE=x1,y1,x2,y2@FRAME, contact=FIRST-LAST or a file of such lines (may be repeated) for one --video: see
    `real2sim segment --help`."""
    seed: int = 0
    """Of synthetic demonstrations, training and benchmark."""
    seeds: int = 1
    """Policies to train at once, with this seed and those that follow it, on the same demonstrations: one program,
    one folder each."""
    physics: str = "batch"
    """Physics back end: batch (MuJoCo's C engine, CPU) or mjx (any device)."""
    runs: Path = Path("runs")
    """Folder of all results."""
    steps: int | None = None
    """Control steps of training (12 are one second of one environment)."""
    envs: int | Literal["auto"] | None = None
    """Environments stepped in parallel; the default when absent, auto: what `real2sim tune-env` found."""
    preset: str = "default"
    """Settings to begin with: default, or published (the learner of CoRL 2020, from reward alone)."""
    config: Path | None = None
    """TOML file of settings that differ from the defaults, e.g. `env.randomization.mass_kg = [0.5, 2.0]`; the names are
    those in the config.json of a run."""
    rows: int = 1000
    """Start states of each benchmark."""
    resume: bool = False
    """Go on from the last checkpoint of the same configuration."""
    wandb: str | None = None
    """Project of Weights & Biases that gets the numbers too (extra `wandb`; WANDB_MODE=offline sends nothing)."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax.data.artefacts import RunLayout
        from real2sim_jax.data.locks import locked
        from real2sim_jax.stages.console import Console
        from real2sim_jax.stages.fit import Source

        action = action_named(self.action)
        not_negative(self.seed)
        config = _train_config(self)
        layout = RunLayout(self.runs, action.name)
        clips = video_files(self.video, self, self.tracks)
        source = Source(self.tracks, ids(self.videos), self.phases, self.seed, clips)
        with locked(layout.folder):
            self._stages(source, action, config, layout, Console())
        return 0

    def _stages(self, source: Any, action: Any, config: Any, layout: Any, console: Any) -> None:
        from real2sim_jax.benchmarks.specs import SPECS
        from real2sim_jax.stages import train_and_benchmark as pipeline
        from real2sim_jax.stages.fit import fit_stage

        fits = fit_stage(source, action, layout.folder, console)
        show_fits(console, fits)
        demos = pipeline.demonstration_stage(fits, action, layout)
        seeds = range(self.seed, self.seed + self.seeds)
        outcomes = pipeline.train_stage(action, demos, config, layout, console, self.resume, seeds, self.wandb)
        if not all(outcome.complete for outcome in outcomes.values()):
            console.say("stopped before the end: what follows is of the policy so far; go on with --resume")
        policies = {seed: layout.seed(seed) / "policy.npz" for seed in seeds}
        reference = pipeline.reference_path(layout, self.seed)
        folders = {path: path.parent for path in (*policies.values(), reference)}
        with console.status("benchmark"):
            reports = pipeline.benchmark_stage(action, folders, tuple(SPECS), self.physics, self.seed, self.rows)
        _show_learning(console, action, outcomes[self.seed].history)
        for seed, path in policies.items():
            nominal = pipeline.nominal_successes(outcomes[seed])
            show_success(console, action, reports[path], nominal, reports[reference] if seed == self.seed else ())
        if self.seeds > 1:
            _show_population(console, action, {seed: reports[path] for seed, path in policies.items()})
        _show_artefacts(console, layout.folder, layout.seed(self.seed))


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


def _train_config(options: Train) -> Any:
    from real2sim_jax.core.clock import EPISODE_STEPS
    from real2sim_jax.data.artefacts import read_toml
    from real2sim_jax.learning.config import PRESETS
    from real2sim_jax.learning.tuning import kept_choice
    from real2sim_jax.simulation.physics.backends import check_physics
    from real2sim_jax.sweeps.overrides import override, placed

    check_physics(options.physics)
    if options.preset not in PRESETS:
        raise UserError(f"--preset {options.preset}: expected one of {', '.join(PRESETS)}")
    config = PRESETS[options.preset]
    if options.config is not None:
        config = override(config, read_toml(options.config), str(options.config))
    envs = kept_choice(action_named(options.action), options.physics).envs if options.envs == "auto" else options.envs
    given = {name: value for name, value in (("steps", options.steps), ("envs", envs)) if value is not None}
    for name in ("rows", "seeds"):
        at_least_one(f"--{name}", getattr(options, name))
    with placed("--"):
        config = replace(config, seed=options.seed, physics=options.physics, ppo=replace(config.ppo, **given))
    ppo = config.ppo
    least = ppo.envs * EPISODE_STEPS
    if ppo.steps < least:
        raise UserError(
            f"--steps {ppo.steps}: expected at least {least}, one episode in each of {ppo.envs} environments"
        )
    return config


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
