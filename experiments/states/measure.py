"""One measurement of state estimation in a process of its own, for `evaluate.py`: time and memory are this process's.

python experiments/states/measure.py real --tracks FOLDER [--no-phases] --out FILE
python experiments/states/measure.py synthetic | hard | masks [--scenes N] --out FILE
"""

import argparse
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from real2sim_jax.commands.evaluate import show_evaluation
from real2sim_jax.config.fitting import FitConfig
from real2sim_jax.core.actions import ACTIONS, Action
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import versions, write_json
from real2sim_jax.data.types import BoxTrack, CuboidTrack, MaskTrack
from real2sim_jax.evaluation.folders import TrackEvaluation, judge
from real2sim_jax.evaluation.recovery import Recovery, contact_f1, recovery
from real2sim_jax.fitting.fit import FitResult, fit_tracks
from real2sim_jax.fitting.quality import BODY_NAMES
from real2sim_jax.formats.something_else import read_tracks
from real2sim_jax.perception.contact import contact_from_boxes
from real2sim_jax.robot.options import Parser
from real2sim_jax.stages.console import Console
from real2sim_jax.synthetic.scenes import (
    HARD_KINDS,
    Noise,
    hard_tracks,
    observe_masks,
    synthetic_scenes,
    synthetic_tracks,
)

NOISE = Noise(side_px=3.0, hole_fraction=0.2)
MASK_WIDTH_PX = 128
BOX_SEED, MASK_SEED = 0, 3
EVERY_S = 10.0

Observed = Mapping[str, tuple[Action, BoxTrack | MaskTrack]]


def main() -> int:
    options = parse()
    try:
        found = measure(options)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    # Linux counts in kB.
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    write_json(options.out, {**found, "peak_memory_mb": memory_mb, "versions": versions()})
    return 0


def parse() -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("real", "synthetic", "hard", "masks"))
    parser.add_argument("--tracks", type=Path)
    parser.add_argument("--no-phases", action="store_true")
    parser.add_argument("--scenes", type=int, default=20, help="scenes of each action, or kind")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def measure(options: argparse.Namespace, config: FitConfig | None = None) -> dict[str, Any]:
    """Run the part that the options name, print its tables and return what is to be kept."""
    console = Console()
    if options.part == "real":
        return real(options.tracks, not options.no_phases, console, config)
    scenes = {"synthetic": boxes, "hard": hard, "masks": masks}[options.part](options.scenes)
    return synthetic(scenes, console, config)


def real(tracks: Path, use_phases: bool, console: Console, config: FitConfig | None = None) -> dict[str, Any]:
    """Fit real videos and judge them by the rules of the reconstruction benchmark."""
    observed, skipped = read_tracks(tracks, use_phases=use_phases)
    result, seconds = timed_fit(observed, config)
    found = judged(observed, result)
    show_evaluation(console, TrackEvaluation(found.videos, {**skipped, **found.refused}, found.notes))
    return {"phases": use_phases, "seconds": seconds, **found.as_json(), "skipped": skipped}


def boxes(count: int) -> dict[str, tuple[Action, BoxTrack, CuboidTrack]]:
    """Noisy boxes and the truth of `count` scenes of each action."""
    return {
        f"{action.name}/{i}": (action, observed, truth)
        for action in ACTIONS.values()
        for i, (observed, truth) in enumerate(synthetic_tracks(action, count, BOX_SEED, NOISE))
    }


def hard(count: int) -> dict[str, tuple[Action, BoxTrack, CuboidTrack]]:
    """Noisy boxes and the truth of `count` scenes of each hard kind."""
    return {
        f"{kind}/{i}": scene for kind in HARD_KINDS for i, scene in enumerate(hard_tracks(kind, count, BOX_SEED, NOISE))
    }


def masks(count: int) -> dict[str, tuple[Action, MaskTrack, CuboidTrack]]:
    """Exact masks and the truth of `count` scenes of each action."""
    return {
        f"{action.name}/{i}": (action, observe_masks(truth, MASK_WIDTH_PX), truth)
        for action in ACTIONS.values()
        for i, truth in enumerate(synthetic_scenes(action, count, MASK_SEED))
    }


def synthetic(scenes: Mapping[str, tuple[Action, Any, CuboidTrack]], console: Console, config: Any) -> dict[str, Any]:
    """Fit scenes of known truth and compare."""
    observed = {name: (action, seen) for name, (action, seen, _) in scenes.items()}
    result, seconds = timed_fit(observed, config)
    found = judged(observed, result)
    errors = {name: recovery(scenes[name][2], fit, scenes[name][1].seen) for name, fit in result.tracks.items()}
    contact = {name: f1 for name, scene in scenes.items() if (f1 := inferred_contact(*scene)) is not None}
    table = error_table(errors, contact, found)
    console.table(
        "median errors of objects along x, depth, height in cm, of the hand in degrees; F1 of contact",
        ("scenes", "moved object", "anchor", "hand", "F1", "shown"),
        [(name, *shown(row)) for name, row in table.items()],
    )
    kept = {name: {**asdict(error), "contact_f1": contact.get(name)} for name, error in errors.items()}
    return {"seconds": seconds, "errors": table, "scenes": _nullable(kept), **found.as_json()}


def timed_fit(observed: Observed, config: FitConfig | None) -> tuple[FitResult, float]:
    """Return the fits and the seconds that they took, compilation included."""
    start = last = time.perf_counter()

    def progress(text: str) -> None:
        nonlocal last
        if time.perf_counter() - last > EVERY_S:
            last = time.perf_counter()
            print(f"  {last - start:5.0f} s  {text}", flush=True)

    print(f"  fitting {len(observed)} videos", flush=True)
    result = fit_tracks(observed, config, progress)
    return result, time.perf_counter() - start


def judged(observed: Observed, result: FitResult) -> TrackEvaluation:
    videos = {}
    for name, track in result.tracks.items():
        action, seen = observed[name]
        iou = {b: float(track.quality[f"iou_{b}"]) for b in BODY_NAMES.values() if f"iou_{b}" in track.quality}
        videos[name] = judge(track, action, np.asarray(seen.seen, bool), iou)
    return TrackEvaluation(videos, result.failures)


def inferred_contact(action: Action, observed: Any, truth: CuboidTrack) -> float | None:
    """F1 of the contact that boxes alone tell; None for masks, whose contact comes with them."""
    if not isinstance(observed, BoxTrack):
        return None
    size = np.asarray(observed.image_size)
    found, _ = contact_from_boxes(np.asarray(observed.boxes), np.asarray(observed.seen), size, action.ends_holding)
    return contact_f1(found, np.asarray(truth.touching))


def error_table(
    errors: dict[str, Recovery], contact: dict[str, float], found: TrackEvaluation
) -> dict[str, dict[str, Any]]:
    """Median errors by action and over all of the scenes that have a fit."""
    rows = {}
    for row in (*dict.fromkeys(name.split("/")[0] for name in errors), "all"):
        names = [name for name in errors if row in ("all", name.split("/")[0])]
        moved = 100.0 * np.array([errors[name].moved_m for name in names])
        anchor = 100.0 * np.array([errors[name].anchor_m for name in names])
        scores = [contact[name] for name in names if name in contact]
        rows[row] = {
            "moved_cm": [middle(column) for column in moved.T],
            "anchor_cm": [middle(column) for column in anchor.T],
            "hand_azimuth_deg": middle([errors[name].hand_azimuth_deg for name in names]),
            "camera_elevation_deg": middle([errors[name].camera_elevation_deg for name in names]),
            "contact_f1_mean": float(np.mean(scores)) if scores else None,
            "shown": [sum(not found.videos[name].broken for name in names), len(names)],
        }
    return rows


def middle(values: Sequence[float] | np.ndarray) -> float | None:
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    return float(np.median(known)) if len(known) else None


def shown(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The cells of a row; the camera's error is kept in the file alone: the table is wide enough."""
    places = [" ".join(_number(value, 1) for value in row[name]) for name in ("moved_cm", "anchor_cm")]
    angle, score = _number(row["hand_azimuth_deg"], 1), _number(row["contact_f1_mean"], 2)
    return *places, angle, score, f"{row['shown'][0]} / {row['shown'][1]}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _nullable(value: Any) -> Any:
    """NaN has no place in JSON."""
    if isinstance(value, Mapping):
        return {name: _nullable(part) for name, part in value.items()}
    if isinstance(value, np.ndarray):
        return [_nullable(part) for part in value.tolist()]
    return None if isinstance(value, float) and not np.isfinite(value) else value


if __name__ == "__main__":
    sys.exit(main())
