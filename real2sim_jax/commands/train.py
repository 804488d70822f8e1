"""`real2sim train`: from boxes or video files to a benchmarked policy."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from real2sim_jax.actions import action_named
from real2sim_jax.commands.benchmark import show_success
from real2sim_jax.commands.fit import show_fits
from real2sim_jax.commands.options import at_least_one, ids, not_negative, video_files
from real2sim_jax.errors import UserError

SPECS = ("easy", "hard")


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
    segmenter: str = "auto"
    """How masks are found in video files: auto, or boxes (follow what --prompt draws boxes around)."""
    prompt: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """ROLE=x1,y1,x2,y2@FRAME (may be repeated) for one --video: see `real2sim segment --help`."""
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
    envs: int = 512
    """Environments stepped in parallel."""
    rows: int = 1000
    """Start states of each benchmark."""
    resume: bool = False
    """Go on from the last checkpoint of the same configuration."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax import pipeline
        from real2sim_jax.console import Console
        from real2sim_jax.files import RunLayout
        from real2sim_jax.fits import Source, fit_stage

        console, action = Console(), action_named(self.action)
        not_negative(self.seed)
        config = _train_config(self)
        layout = RunLayout(self.runs, action.name)
        clips = video_files(self.video, self.segmenter, self.prompt, self.tracks)
        source = Source(self.tracks, ids(self.videos), self.phases, self.seed, clips)
        fits = fit_stage(source, action, layout.folder, console)
        show_fits(console, fits)
        demos = pipeline.demonstration_stage(fits, action, layout)
        seeds = range(self.seed, self.seed + self.seeds)
        outcomes = pipeline.train_stage(action, demos, config, layout, console, self.resume, seeds)
        if not all(outcome.complete for outcome in outcomes.values()):
            console.say("stopped before the end: what follows is of the policy so far; go on with --resume")
        for seed, outcome in outcomes.items():
            with console.status("benchmark"):
                found = self._judged(action, demos, config, layout, seed, outcome.policy)
            show_success(console, action, *found)
        if self.seeds > 1:
            _show_population(console, action, layout, seeds)
        _show_artefacts(console, layout.folder, layout.seed(self.seed))
        return 0

    def _judged(self, action: Any, demos: Any, config: Any, layout: Any, seed: int, policy: Any) -> tuple[Any, ...]:
        """Reports on a policy, its success from the unrandomised start, and reports on its guide."""
        from real2sim_jax import pipeline

        folder, guide = layout.seed(seed), pipeline.guide_path(layout, seed)
        nominal = pipeline.rollout_stage(action, policy, demos, config, folder)
        policies = {folder / "policy.npz": folder, guide: guide.parent}
        reports = pipeline.benchmark_stage(action, policies, SPECS, self.physics, self.seed, self.rows)
        return reports[:2], nominal, reports[2:]


def _show_population(console: Any, action: Any, layout: Any, seeds: Any) -> None:
    """Print the spread of success over the seeds, and which is best."""
    import numpy as np

    from real2sim_jax.benchmark.report import load_report, report_path

    rows = []
    for spec in SPECS:
        rates = {seed: load_report(report_path(layout.seed(seed), spec)).ok.mean() for seed in seeds}
        low, middle, high = (f"{value:.1%}" for value in np.quantile(list(rates.values()), (0.0, 0.5, 1.0)))
        rows.append((spec, low, middle, high, str(max(rates, key=lambda seed: rates[seed]))))
    columns = ("start states", "least", "median", "most", "best seed")
    console.table(f"{action.name}: success of {len(seeds)} seeds", columns, rows)


def _train_config(options: Train) -> Any:
    from real2sim_jax.learning.train import TrainConfig
    from real2sim_jax.simulation.env import EPISODE_STEPS
    from real2sim_jax.simulation.physics import check_physics

    check_physics(options.physics)
    for name in ("envs", "rows", "seeds"):
        at_least_one(f"--{name}", getattr(options, name))
    ppo = TrainConfig().ppo
    least = options.envs * EPISODE_STEPS
    steps = ppo.steps if options.steps is None else options.steps
    if steps < least:
        raise UserError(
            f"--steps {steps}: expected at least {least}, one episode in each of {options.envs} environments"
        )
    return TrainConfig(seed=options.seed, physics=options.physics, ppo=replace(ppo, steps=steps, envs=options.envs))


def _show_artefacts(console: Any, videos: Path, folder: Path) -> None:
    rows = [
        ("fitted videos", f"{videos}/VIDEO/ track.npz states.csv fit.gif quality.json"),
        ("all of them", f"{videos}/ contact_sheet.png loss_curves.png"),
        ("demonstrations", f"{videos}/demos.npz"),
        ("policy for the robot", f"{folder}/policy.npz"),
        ("benchmark", f"{folder}/ report_easy.html report_hard.html, as numbers in .json"),
        ("pictures", f"{folder}/ rollout.gif curves.png"),
        ("training", f"{folder}/ metrics.csv tensorboard/ checkpoints/ config.json"),
    ]
    console.table("artefacts", ("what", "where"), rows)
