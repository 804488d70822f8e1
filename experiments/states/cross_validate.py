"""How much the fit depends on each of its numbers, and how it does on videos that had no say in choosing them.

    python experiments/states/cross_validate.py --tracks FOLDER [--scenes N] [--only NAME] [--out FOLDER]

Each number of `Scales` is halved and doubled, all else as it is; each of these settings fits all real videos and N
synthetic scenes (2) of each action. The folds follow: of five, each leaves out a fifth of the videos of every action,
takes the setting that does best on the others, and is judged on those left out. Settings that lie in --out are not
fitted again.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from measure import NOISE

from real2sim_jax.benchmarks.reconstruction import failures_of
from real2sim_jax.benchmarks.report import rate
from real2sim_jax.config.fitting import FitConfig, Scales
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.data.artefacts import read_json, write_json
from real2sim_jax.evaluation.recovery import recovery
from real2sim_jax.fitting.fit import fit_tracks
from real2sim_jax.formats.something_else import read_tracks
from real2sim_jax.robot.options import Parser
from real2sim_jax.stages.console import Console
from real2sim_jax.sweeps.tables import check_section, markdown_table, write_section
from real2sim_jax.synthetic.scenes import synthetic_tracks

FOLDS = 5
SYNTHETIC_SEED = 20
DOCS = Path("docs/state_estimation.md")
HEADER = ("number", "halved: named, evidence, synthetic, cm", "doubled: named, evidence, synthetic, cm")

Found = dict[str, dict[str, Any]]
"""Facts of each video of one setting, by its name."""


def main() -> int:
    options = parse()
    console = Console()
    check_section(DOCS, "scales")
    tracks, skipped = read_tracks(options.tracks, None, None)
    for video, why in skipped.items():
        console.say(f"left out: {video}: {why}")
    scenes = {
        f"{name}_{i}": (action, *scene)
        for name, action in ACTIONS.items()
        for i, scene in enumerate(synthetic_tracks(action, options.scenes, SYNTHETIC_SEED, NOISE))
    }
    found: dict[str, Found] = {}
    for name, scales in settings(options.only).items():
        path = options.out / f"{name}.json"
        if not path.is_file():
            with console.status(name) as update:
                write_json(path, measure(tracks, scenes, FitConfig(scales=scales), update))
        found[name] = read_json(path)
        console.say(f"{name}: {' '.join(cells(found[name]))}")
    rows = sensitivity(found)
    folds = out_of_fold(found, {video: action.name for video, (action, _) in tracks.items()})
    text = markdown_table(HEADER, rows) + "\n\n" + markdown_table(("judged", "named", "evidence alone"), folds)
    write_section(DOCS, "scales", text)
    console.table("halved and doubled", HEADER, rows)
    console.table("folds", ("judged", "named", "evidence alone"), folds)
    return 0


def parse() -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=Path, required=True, help="folder of real tracks")
    parser.add_argument("--scenes", type=int, default=2, help="synthetic scenes of each action [2]")
    parser.add_argument("--only", action="append", help="a number of Scales (may be repeated); all when absent")
    parser.add_argument("--out", type=Path, default=Path("runs/cross_validation"), help="folder of what is measured")
    return parser.parse_args()


def settings(only: list[str] | None) -> dict[str, Scales]:
    """Scales by name: as they are, and each number halved and doubled."""
    names = only or [one.name for one in fields(Scales)]
    factors = {"halved": 0.5, "doubled": 2.0}
    changed = {f"{n}_{word}": replace(Scales(), **{n: times(n, by)}) for n in names for word, by in factors.items()}
    return {"default": Scales(), **changed}


def times(name: str, factor: float) -> Any:
    """A number, or the deviation beside a mean, times a factor."""
    value = getattr(Scales(), name)
    return (*value[:-1], factor * value[-1]) if isinstance(value, tuple) else factor * value


def measure(tracks: Mapping[str, Any], scenes: Mapping[str, Any], config: FitConfig, update: Any) -> Found:
    """Fit everything once; per video whether it shows its action, and errors where the truth is known."""
    asked = dict(tracks) | {name: (action, boxes) for name, (action, boxes, _) in scenes.items()}
    found: Found = {}
    for name, track in fit_tracks(asked, config, update).tracks.items():
        action, observed = asked[name]
        found[name] = {
            "named": not failures_of(track, action),
            "evidence": bool(track.quality["shown_by_evidence"]),
            "gap": float(track.quality["evidence_gap"]),
        }
        if name in scenes:
            errors = recovery(scenes[name][2], track, np.asarray(observed.seen))
            found[name]["moved_cm"] = (100.0 * errors.moved_m).tolist()
    return found


def cells(found: Found) -> tuple[str, ...]:
    """Real videos that show their action with the name and by evidence alone, synthetic ones, median errors in cm."""
    real = [facts for facts in found.values() if "moved_cm" not in facts]
    made = [facts for facts in found.values() if "moved_cm" in facts]
    errors = np.median([facts["moved_cm"] for facts in made], axis=0)
    named, evidence = (sum(facts[name] for facts in real) for name in ("named", "evidence"))
    return str(named), str(evidence), str(sum(f["evidence"] for f in made)), "/".join(f"{e:.1f}" for e in errors)


def sensitivity(found: Mapping[str, Found]) -> list[tuple[str, ...]]:
    names = dict.fromkeys(name.rsplit("_", 1)[0] for name in found if name != "default")
    rows = [("as it is", ", ".join(cells(found["default"])), "")]
    both = ("halved", "doubled")
    return rows + [(f"`{name}`", *(", ".join(cells(found[f"{name}_{word}"])) for word in both)) for name in names]


def out_of_fold(found: Mapping[str, Found], actions: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Rows: in fold (of the settings chosen, on what chose them), out of fold, and as it is; with 95 % intervals."""
    fold = folds_of(actions)
    inside: list[dict[str, Any]] = []
    outside: list[dict[str, Any]] = []
    for number in range(FOLDS):
        kept = [video for video in actions if fold[video] != number]
        best = max(found, key=lambda name: (score(found[name], kept), name == "default"))
        inside += [found[best][video] for video in kept]
        outside += [found[best][video] for video in actions if fold[video] == number]
    plain = [found["default"][video] for video in actions]
    parts = {"in fold": inside, "out of fold": outside, "as it is": plain}
    return [
        (name, *(share([facts[key] for facts in part]) for key in ("named", "evidence")))
        for name, part in parts.items()
    ]


def share(flags: list[bool]) -> str:
    found = rate(np.array(flags))
    return f"{found.successes} / {len(flags)} [{found.low:.0%}, {found.high:.0%}]"


def folds_of(actions: Mapping[str, str]) -> dict[str, int]:
    """Number of the fold that leaves a video out: the videos of each action take turns."""
    order = sorted(actions, key=lambda video: (actions[video], video))
    return {video: i % FOLDS for i, video in enumerate(order)}


def score(found: Found, videos: list[str]) -> int:
    return sum(found[video]["named"] + found[video]["evidence"] for video in videos)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
