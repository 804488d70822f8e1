"""How far may an object stand from where a policy takes it to be? The kept policies, judged at several distances.

    python experiments/skills/calibration.py [--actions pick_up ...] [--spec easy.csv] [--runs FOLDER]

The error has another direction in each row. Writes the table into docs/results.md after each action.
"""

import argparse
from pathlib import Path

from kept import kept_policies, options_parser, run

from real2sim_jax.benchmarks.report import rate
from real2sim_jax.core.actions import Action
from real2sim_jax.stages.console import Console
from real2sim_jax.stages.train_and_benchmark import benchmark_stage
from real2sim_jax.sweeps.tables import check_section, markdown_table, write_section

DISTANCES_M = (0.0, 0.01, 0.02, 0.03, 0.05)
RESULTS = Path("docs/results.md")
HEADER = ("action", *(f"{100 * distance:g} cm" for distance in DISTANCES_M))


def main() -> int:
    parser = options_parser(__doc__)
    parser.add_argument("--spec", default="easy", help="start states: easy, hard or a CSV file [easy]")
    options = parser.parse_args()
    check_section(RESULTS, "calibration")
    console, rows = Console(), []
    for action, policy in kept_policies(options):
        console.say(f"{action.name} ...")
        rows.append((action.name, *(success(action, policy, distance, options) for distance in DISTANCES_M)))
        write_section(RESULTS, "calibration", markdown_table(HEADER, rows))
    console.table("objects off their place", HEADER, rows)
    return 0


def success(action: Action, policy: Path, distance: float, options: argparse.Namespace) -> str:
    out = options.runs / "calibration" / action.name
    reports = benchmark_stage(action, {policy: out}, (options.spec,), "batch", 0, 500, distance)
    return f"{rate(reports[policy][0].ok).rate:.1%}"


if __name__ == "__main__":
    run(main)
