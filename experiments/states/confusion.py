"""What a video's name can make of it: every real video fitted under every name with as many objects.

    python experiments/states/confusion.py --tracks FOLDER [--no-phases] [--out FOLDER]

A name is accepted when the fit under it shows its action. The true name should be; a name whose motion contradicts the
video (the other side, or lifted where the object slides) should not, others may be (an object put behind and beside).
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from real2sim_jax.benchmarks.reconstruction import failures_of
from real2sim_jax.benchmarks.report import rate
from real2sim_jax.config.fitting import FitConfig
from real2sim_jax.core.actions import ACTIONS, Action
from real2sim_jax.core.predicates import Beside, Lifted, MovedBy, unit_vector
from real2sim_jax.data.artefacts import versions, write_json
from real2sim_jax.fitting.fit import fit_tracks
from real2sim_jax.formats.something_else import read_tracks
from real2sim_jax.robot.options import Parser
from real2sim_jax.stages.console import Console
from real2sim_jax.sweeps.tables import check_section, markdown_table, write_section

DOCS = Path("docs/state_estimation.md")

Accepted = dict[tuple[str, str], bool]
"""Whether a video (id) is taken for an action (name)."""


def main() -> int:
    options = parse()
    console = Console()
    check_section(DOCS, "confusion")
    tracks, _ = read_tracks(options.tracks, None, None, use_phases=not options.no_phases)
    asked = {
        f"{video} as {name}": (named, observed)
        for video, (action, observed) in tracks.items()
        for name, named in ACTIONS.items()
        if named.bodies == action.bodies
    }
    with console.status(f"fitting {len(asked)} pairs") as update:
        fits = fit_tracks(asked, FitConfig(), update).tracks
    accepted = {pair: pair in fits and not failures_of(fits[pair], action) for pair, (action, _) in asked.items()}
    shown = {(pair.split(" as ")[0], pair.split(" as ")[1]): value for pair, value in accepted.items()}
    true = {video: action for video, (action, _) in tracks.items()}
    header, rows = matrix(shown, true)
    rates = summary(shown, true)
    write_json(options.out, {"accepted": accepted, "rates": dict(rates), "versions": versions()})
    write_section(
        DOCS, "confusion", f"{markdown_table(header, rows)}\n\n{markdown_table(('names', 'accepted'), rates)}"
    )
    console.table("accepted, of the videos of each action (rows)", header, rows)
    console.table("accepted", ("names", "accepted"), rates)
    return 0


def parse() -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=Path, required=True, help="folder of real tracks")
    parser.add_argument("--no-phases", action="store_true", help="infer the action's frames from the boxes")
    parser.add_argument("--out", type=Path, default=Path("runs/confusion.json"), help="file of all results")
    return parser.parse_args()


def matrix(accepted: Accepted, true: Mapping[str, Action]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows: of the videos that show the action of the row, how many are taken for that of the column."""
    shown = [name for name in ACTIONS if any(action.name == name for action in true.values())]
    rows = []
    for name in shown:
        videos = [video for video, action in true.items() if action.name == name]
        cells = (
            f"{sum(accepted[video, other] for video in videos)} / {len(videos)}"
            if (videos[0], other) in accepted
            else ""
            for other in shown
        )
        rows.append((name, *cells))
    return ("shows", *(f"as {name}" for name in shown)), rows


def summary(accepted: Accepted, true: Mapping[str, Action]) -> list[tuple[str, str]]:
    """Rows of rates with 95 % intervals: of true names, contradicting ones, and others."""
    kinds: dict[str, list[bool]] = {
        "the true name": [],
        "the other side": [],
        "lifted, where it slides": [],
        "any other": [],
    }
    for (video, name), value in accepted.items():
        kinds[kind(true[video], ACTIONS[name])].append(value)
    found = {name: rate(np.array(values, bool)) for name, values in kinds.items()}
    return [(name, f"{one.successes} / {one.count}, {one}") for name, one in found.items()]


def kind(true: Action, named: Action) -> str:
    """How a name relates to what a video shows."""
    if true.name == named.name:
        return "the true name"
    if opposite(true, named):
        return "the other side"
    slides = not true.leaves_table and any(isinstance(rule, Lifted) for rule in named.success)
    return "lifted, where it slides" if slides else "any other"


def opposite(one: Action, other: Action) -> bool:
    """Whether two actions move an object, or put it, in opposite directions."""
    for rule in (MovedBy, Beside):
        ways = [directions(action, rule) for action in (one, other)]
        if all(ways) and all(unit_vector(a) @ unit_vector(b) < -0.5 for a in ways[0] for b in ways[1]):
            return True
    return False


def directions(action: Action, rule: type) -> tuple[str | float, ...]:
    found = [one for one in action.success if isinstance(one, rule)]
    return tuple(way for one in found for way in (one.directions if isinstance(one, Beside) else (one.direction,)))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
