"""`real2sim fit | train | benchmark | run | export | info`."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from real2sim_jax.actions import Action, action_named
from real2sim_jax.arms.commands import Export, Run, policy_path
from real2sim_jax.errors import UserError

# Modules that load jax are imported inside the commands: `--help` stays quick, and jax reads its settings on import.


@dataclass(frozen=True)
class Fit:
    """Fit cuboids to the videos of a folder of tracks, or to synthetic demonstrations of an action."""

    tracks: Path | None = None
    """Folder with something_else_boxes.json, actions.csv and, if there is one, phases.csv."""
    out: Path | None = None
    """Folder that gets VIDEO/states.csv, track.npz and fit.gif; RUNS/ACTION when absent."""
    videos: str | None = None
    """Ids of the videos to fit, separated by commas; all of the folder's actions.csv when absent."""
    action: str | None = None
    """Only videos of this action; with no --tracks, whose synthetic demonstrations to fit."""
    phases: bool = True
    """Take the action's frames from phases.csv where it has them; otherwise infer them from the boxes."""
    runs: Path = Path("runs")
    """Folder of all results."""
    seed: int = 0
    """Of the synthetic demonstrations."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax import pipeline
        from real2sim_jax.console import Console

        console = Console()
        action = action_named(self.action) if self.action else None
        _not_negative(self.seed)
        out = self.out or self.runs / (action.name if action else "fits")
        source = pipeline.Source(self.tracks, _ids(self.videos), self.phases, self.seed)
        fits = pipeline.fit_stage(source, action, out, console)
        _show_fits(console, fits)
        console.say(f"written to {out}/VIDEO/: states.csv, track.npz, fit.gif")
        return 0


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
    seed: int = 0
    """Of synthetic demonstrations, training and benchmark."""
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

        console, action = Console(), action_named(self.action)
        _not_negative(self.seed)
        config = _train_config(self)
        layout = RunLayout(self.runs, action.name)
        source = pipeline.Source(self.tracks, _ids(self.videos), self.phases, self.seed)
        fits = pipeline.fit_stage(source, action, layout.folder, console)
        _show_fits(console, fits)
        demos = pipeline.demonstration_stage(fits, action, layout)
        outcome = pipeline.train_stage(action, demos, config, layout, console, self.resume)
        folder = layout.seed(self.seed)
        if not outcome.complete:
            console.say("stopped before the end: what follows is of the policy so far; go on with --resume")
        with console.status("benchmark"):
            nominal = pipeline.rollout_stage(action, outcome.policy, demos, config, folder)
            guide = pipeline.guide_path(layout, self.seed)
            policies = {folder / "policy.npz": folder, guide: guide.parent}
            specs = ("easy", "hard")
            reports = pipeline.benchmark_stage(action, policies, specs, self.physics, self.seed, self.rows)
        _show_success(console, action, reports[:2], nominal, reports[2:])
        _show_artefacts(console, layout.folder, folder)
        return 0


@dataclass(frozen=True)
class Benchmark:
    """Success of a policy from many start states."""

    policy: Path | None = None
    """Policy file; RUNS/ACTION/seedSEED/policy.npz when absent."""
    action: str | None = None
    """Action whose policy to take from the runs folder."""
    spec: str = "easy"
    """Start states: easy, hard, or a CSV file in the published layout."""
    physics: str = "batch"
    """Physics back end: batch or mjx."""
    out: Path | None = None
    """Folder of the report; the policy's when absent."""
    seed: int = 0
    """Of the policy's run and of generated start states."""
    rows: int = 1000
    """Number of generated start states."""
    runs: Path = Path("runs")
    """Folder of all results."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax import pipeline
        from real2sim_jax.console import Console
        from real2sim_jax.robot.policy import load_policy

        console = Console()
        path = policy_path(self.policy, self.action, self.runs, self.seed)
        action = action_named(load_policy(path).action)
        _at_least_one("--rows", self.rows)
        _not_negative(self.seed)
        with console.status("benchmark"):
            out = self.out or path.parent
            reports = pipeline.benchmark_stage(action, {path: out}, (self.spec,), self.physics, self.seed, self.rows)
        _show_success(console, action, reports)
        console.say(f"written to {out}: report_{reports[0].spec}.json, success_{reports[0].spec}.png")
        return 0


@dataclass(frozen=True)
class Info:
    """What is installed, or what a file or folder of results holds."""

    path: Annotated[Path | None, tyro.conf.Positional] = None
    """An artefact (.npz), a report (.json) or a folder."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax.console import Console
        from real2sim_jax.inventory import describe_installation, describe_path

        lines = describe_installation() if self.path is None else describe_path(self.path)
        Console().table("real2sim", ("what", "value"), lines)
        return 0


Command = (
    Annotated[Fit, tyro.conf.subcommand("fit")]
    | Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Benchmark, tyro.conf.subcommand("benchmark")]
    | Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Info, tyro.conf.subcommand("info")]
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `real2sim`: exit code 0, 2 for wrong input (one line on stderr), 130 when interrupted."""
    _prepare_environment()
    command = tyro.cli(Command, args=arguments, prog="real2sim", description=__doc__)  # type: ignore[arg-type]
    try:
        sys.exit(command())
    except (UserError, *_robot_errors()) as error:
        print(f"real2sim: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"real2sim: {error.filename or 'files'}: {error.strerror or error}; check the path", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("real2sim: interrupted", file=sys.stderr)
        sys.exit(130)


def _prepare_environment() -> None:
    """Set what jax reads once on import, unless the user has."""
    flag = "--xla_cpu_enable_concurrency_optimized_scheduler"
    flags = os.environ.get("XLA_FLAGS", "")
    if flag not in flags:
        # With the other scheduler XLA:CPU can wait for ever in physics programs on few cores.
        os.environ["XLA_FLAGS"] = f"{flags} {flag}=false".strip()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "real2sim_jax" / "jax"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "1")


def _robot_errors() -> tuple[type[Exception], ...]:
    from real2sim_jax.robot.arms import ArmError
    from real2sim_jax.robot.policy import PolicyError

    return PolicyError, ArmError


def _ids(videos: str | None) -> list[str] | None:
    return None if videos is None else [part.strip() for part in videos.split(",") if part.strip()]


def _not_negative(seed: int) -> None:
    if seed < 0:
        raise UserError(f"--seed {seed}: expected 0 or more")


def _at_least_one(name: str, value: int) -> None:
    if value < 1:
        raise UserError(f"{name} {value}: expected at least 1")


def _train_config(options: Train) -> Any:
    from real2sim_jax.learning.train import TrainConfig
    from real2sim_jax.simulation.env import EPISODE_STEPS
    from real2sim_jax.simulation.physics import check_physics

    check_physics(options.physics)
    for name in ("envs", "rows"):
        _at_least_one(f"--{name}", getattr(options, name))
    ppo = TrainConfig().ppo
    least = options.envs * EPISODE_STEPS
    steps = ppo.steps if options.steps is None else options.steps
    if steps < least:
        raise UserError(
            f"--steps {steps}: expected at least {least}, one episode in each of {options.envs} environments"
        )
    return TrainConfig(seed=options.seed, physics=options.physics, ppo=replace(ppo, steps=steps, envs=options.envs))


def _show_fits(console: Any, fits: Any) -> None:
    rows = []
    for video, (action, track) in fits.tracks.items():
        quality = {name: float(value) for name, value in track.quality.items()}
        overlap = "  ".join(f"{name[4:]} {value:.2f}" for name, value in quality.items() if name.startswith("iou_"))
        flags = " ".join(name[5:] for name, value in quality.items() if name.startswith("flag_") and value > 0)
        rows.append((video, action.name, str(len(track.valid)), overlap, flags or "-"))
    console.table("fitted videos", ("video", "action", "frames", "box IoU", "flags"), rows)
    for video, reason in fits.skipped.items():
        console.say(f"skipped {video}: {reason}")


def _show_success(
    console: Any,
    action: Action,
    reports: Sequence[Any],
    nominal: tuple[int, int] | None = None,
    guide: Sequence[Any] = (),
) -> None:
    from real2sim_jax.benchmark.report import summary_rows

    rows = [] if nominal is None else [("unrandomised start", f"{nominal[0]} / {nominal[1]}", "")]
    for report in reports:
        rules = summary_rows(report)
        # For actions without a hand rule the parts repeat the whole.
        shown = rules[:2] if action.hand_azimuth_deg is None else rules
        rows += [(f"{report.spec}: {rule}", count, share) for rule, count, share in shown]
    for report in guide:
        _, count, share = summary_rows(report)[0]
        rows.append((f"{report.spec}: success before training", count, share))
    console.table(f"{action.name}: success", ("start states", "episodes", "rate [95 % interval]"), rows)


def _show_artefacts(console: Any, videos: Path, folder: Path) -> None:
    rows = [
        ("fitted videos", f"{videos}/VIDEO/ track.npz states.csv fit.gif"),
        ("demonstrations", f"{videos}/demos.npz"),
        ("policy for the robot", f"{folder}/policy.npz"),
        ("benchmark", f"{folder}/ report_easy.json report_hard.json success_easy.png success_hard.png"),
        ("pictures", f"{folder}/ rollout.gif curves.png"),
        ("training", f"{folder}/ metrics.csv tensorboard/ checkpoints/ config.json"),
    ]
    console.table("artefacts", ("what", "where"), rows)


if __name__ == "__main__":
    main()
