"""The stages one after another, each reading and writing the artefacts of the runs folder."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from real2sim_jax.actions import Action
from real2sim_jax.benchmark.report import Report, make_report, rate, save_report
from real2sim_jax.benchmark.rollout import make_rollout
from real2sim_jax.benchmark.specs import SPECS, generate, read_spec, spec_hash
from real2sim_jax.console import Console
from real2sim_jax.demonstrations import DemonstrationConfig, demonstrate, stack_demonstrations
from real2sim_jax.errors import UserError
from real2sim_jax.files import RunLayout, file_hash, load, load_header, plain, save
from real2sim_jax.fitting.fit import FitConfig, fit_tracks
from real2sim_jax.learning.train import Outcome, TrainConfig, make_env, train
from real2sim_jax.perception.annotations import read_tracks
from real2sim_jax.perception.synthetic import synthetic_tracks
from real2sim_jax.robot.policy import Policy, load_policy, save_policy
from real2sim_jax.simulation.env import EPISODE_STEPS, ManipulationEnv
from real2sim_jax.simulation.physics import make_physics
from real2sim_jax.simulation.starts import nominal_start, overlaps
from real2sim_jax.simulation.types import StartState
from real2sim_jax.states_csv import write_states
from real2sim_jax.types import BoxTrack, CuboidTrack, Demonstration
from real2sim_jax.viewers.fit import save_fit_gif
from real2sim_jax.viewers.plots import save_learning_curves, save_success_plot
from real2sim_jax.viewers.rollout import save_rollout_gif

SYNTHETIC_COUNT = 6
NOMINAL_HEIGHTS_M = (0.065, 0.10)
NOMINAL_ROWS = 10

Tracks = dict[str, tuple[Action, BoxTrack]]


@dataclass(frozen=True)
class Source:
    """Where demonstrations come from."""

    tracks: Path | None = None
    """Folder of annotations; synthetic demonstrations where there is none."""
    videos: Sequence[str] | None = None
    use_phases: bool = True
    seed: int = 0
    """Of the synthetic demonstrations."""


@dataclass(frozen=True)
class Fits:
    """The videos of a fit stage."""

    tracks: dict[str, tuple[Action, CuboidTrack]]
    skipped: dict[str, str]
    """Why a video has no track."""


def read_source(source: Source, action: Action | None) -> tuple[Tracks, dict[str, str], dict[str, CuboidTrack]]:
    """Return the observed tracks by video id, the reasons for those skipped, and the truth where it is known.

    UserError when no track is left.
    """
    if source.tracks is not None:
        name = action.name if action else None
        tracks, skipped = read_tracks(source.tracks, source.videos, name, use_phases=source.use_phases)
        skipped |= {video: why for video, (shown, _) in tracks.items() if (why := _refusal(video, shown, action))}
        tracks = {video: pair for video, pair in tracks.items() if video not in skipped}
        if not tracks:
            raise UserError(f"{source.tracks}: no usable video; {next(f'{v}: {why}' for v, why in skipped.items())}")
        return tracks, skipped, {}
    if action is None:
        raise UserError("expected --tracks FOLDER or --action NAME; got neither")
    if source.videos:
        raise UserError("--videos chooses among the videos of --tracks FOLDER; there is none")
    scenes = synthetic_tracks(action, SYNTHETIC_COUNT, source.seed)
    named = {f"synthetic{source.seed}_{i}": scene for i, scene in enumerate(scenes)}
    observed = {name: (action, boxes) for name, (boxes, _) in named.items()}
    return observed, {}, {name: truth for name, (_, truth) in named.items()}


def _refusal(video: str, shown: Action, wanted: Action | None) -> str | None:
    """Why a video cannot be used besides its boxes; its id names a folder of ours."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", video) or re.fullmatch(r"seed\d+", video):
        return "expected an id of letters, digits, '_', '-' and '.' that is not called seedN; rename the video"
    if wanted is not None and shown.name != wanted.name:
        return f"shows {shown.name}, expected {wanted.name}"
    return None


def fit_stage(source: Source, action: Action | None, out: Path, console: Console) -> Fits:
    """Fit every video of a source; write boxes.npz, track.npz, states.csv and fit.gif below out/VIDEO.

    Synthetic videos get truth.npz too. A video whose boxes and configuration have not changed is not fitted again.
    UserError when no video can be fitted.
    """
    observed, skipped, truth = read_source(source, action)
    config = FitConfig()
    for video, (_, track) in observed.items():
        save(out / video / "boxes.npz", track)
    for video, track in truth.items():
        save(out / video / "truth.npz", track)
    done = {video: _fresh(out / video, config) for video in observed}
    missing = {video: pair for video, pair in observed.items() if done[video] is None}
    if missing:
        with console.status(f"fitting {len(missing)} videos") as update:
            result = fit_tracks(missing, config, update)
        skipped |= result.failures
        for video, track in result.tracks.items():
            _write_fit(out / video, observed[video][1], track, config)
            done[video] = track
    fitted = {video: (observed[video][0], track) for video, track in done.items() if track is not None}
    if not fitted:
        raise UserError(f"none of {len(skipped)} videos could be fitted; {next(iter(skipped.values()))}")
    return Fits(fitted, skipped)


def _fresh(folder: Path, config: FitConfig) -> CuboidTrack | None:
    path = folder / "track.npz"
    if not all((folder / name).is_file() for name in ("track.npz", "states.csv", "fit.gif")):
        return None
    try:
        header = load_header(path)
        same = header["parents"] == {"boxes": file_hash(folder / "boxes.npz")} and header["config"] == plain(config)
        return load(path, CuboidTrack) if same else None
    except (UserError, KeyError):
        # Damaged, or of another version: to be made again.
        return None


def _write_fit(folder: Path, observed: BoxTrack, track: CuboidTrack, config: FitConfig) -> None:
    write_states(folder / "states.csv", track)
    save_fit_gif(folder / "fit.gif", observed, track)
    parents = {"boxes": file_hash(folder / "boxes.npz")}
    save(folder / "track.npz", track, config=plain(config), parents=parents)


def demonstration_stage(fits: Fits, action: Action, layout: RunLayout) -> Demonstration:
    """Turn the fitted tracks of an action into demos.npz; demonstrations are stacked on a leading axis."""
    config = DemonstrationConfig()
    demos = stack_demonstrations([demonstrate(track, action, config) for _, track in fits.tracks.values()])
    parents = {video: file_hash(layout.video(video) / "track.npz") for video in fits.tracks}
    save(layout.demonstrations, demos, config=plain(config), parents=parents)
    return demos


def train_stage(
    action: Action, demos: Demonstration, config: TrainConfig, layout: RunLayout, console: Console, resume: bool = False
) -> Outcome:
    """Train a policy and write its folder; an interrupt ends the training and keeps the policy."""
    folder = layout.seed(config.seed)
    env = make_env(action, demos, config)
    parents = {"demos": file_hash(layout.demonstrations)}
    with console.training(config.ppo.iterations * config.ppo.envs * EPISODE_STEPS) as watch:
        outcome = train(
            env, demos, config, folder, parents=parents, resume=resume, report=watch.report, stopped=watch.stopped
        )
    save_policy(guide_path(layout, config.seed), outcome.first_policy)
    curves = {name: value for name, value in outcome.history.items() if name.startswith(("train/", "reward/"))}
    if curves:
        save_learning_curves(folder / "curves.png", curves, outcome.history["steps"])
    return outcome


def guide_path(layout: RunLayout, seed: int) -> Path:
    """Where the policy lies that a run started from: the guide with an untrained network, as a baseline."""
    return layout.seed(seed) / "guide" / "policy.npz"


def benchmark_stage(
    action: Action, policies: Mapping[Path, Path], specs: Sequence[str], physics: str, seed: int, rows: int
) -> list[Report]:
    """Roll policy files out from the start states of each spec; write report_SPEC.json and success_SPEC.png.

    `policies` gives the folder of the reports by policy file; all share one compilation. Reports come policy by policy.
    """
    env = ManipulationEnv(action, None, make_physics(physics, action.bodies - 1))
    rollout = make_rollout(env)
    # Published files are called like the specs that we generate, but hold other rows.
    names = {spec: spec if spec in SPECS else f"{Path(spec).stem}_csv" for spec in specs}
    states = {names[spec]: start_states(spec, action, seed, rows) for spec in specs}
    reports = []
    for path, out in policies.items():
        policy = load_policy(path)
        for spec, starts in states.items():
            success = rollout(policy, starts)[1]
            identity = {"policy_hash": file_hash(path), "spec": spec, "spec_hash": spec_hash(starts)}
            report = make_report(action.name, success, **identity, physics=physics, seed=seed)
            save_report(out, report)
            save_success_plot(out / f"success_{spec}.png", report, starts)
            reports.append(report)
    return reports


def start_states(spec: str, action: Action, seed: int, rows: int) -> StartState:
    """Return the rows of a named spec (drawn with the seed) or of a CSV file in the published layout."""
    if spec in SPECS:
        return generate(spec, action, rows, seed, jax.jit(jax.vmap(lambda start: overlaps(action, start))))
    if spec.endswith(".csv"):
        return read_spec(spec, action)
    raise UserError(f"unknown benchmark {spec!r}: expected {', '.join(SPECS)} or a CSV file")


def nominal_states(action: Action, moved_offset: np.ndarray) -> StartState:
    """Return the start without noise for NOMINAL_ROWS sizes of the objects."""
    share = jnp.linspace(0.0, 1.0, NOMINAL_ROWS)[:, None] * jnp.ones(action.bodies - 1)
    heights = NOMINAL_HEIGHTS_M[0] + share * (NOMINAL_HEIGHTS_M[1] - NOMINAL_HEIGHTS_M[0])
    radii = 0.04 + 0.01 * share
    return jax.vmap(lambda h, r: nominal_start(action, h, r, jnp.asarray(moved_offset)))(heights, radii)


def rollout_stage(
    action: Action, policy: Policy, demos: Demonstration, config: TrainConfig, folder: Path
) -> tuple[int, int]:
    """Roll the policy out from the unrandomised start and write rollout.gif; return successes and episodes."""
    env = make_env(action, demos, config)
    states = nominal_states(action, np.asarray(env.moved_offset))
    trajectories, success, _ = make_rollout(env)(policy, states)
    shown = NOMINAL_ROWS // 2
    first = jax.tree.map(lambda leaf: np.asarray(leaf)[0], demos)
    save_rollout_gif(folder / "rollout.gif", jax.tree.map(lambda leaf: leaf[shown], trajectories), action, first)
    nominal = rate(success.ok)
    return nominal.successes, nominal.count
