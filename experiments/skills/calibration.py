"""How far may an object stand off its place? The kept policies, judged at several distances, not given where and given.

    python experiments/skills/calibration.py [--actions pick_up ...] [--spec easy.csv] [--runs FOLDER]

The distance has another direction in each row. Writes both tables into docs/results.md after each action.
"""

import argparse
from pathlib import Path

from kept import kept_policies, options_parser, run

from real2sim_jax.benchmarks.placing import Placing
from real2sim_jax.benchmarks.report import rate
from real2sim_jax.core.actions import Action
from real2sim_jax.stages.console import Console
from real2sim_jax.stages.train_and_benchmark import benchmark_stage
from real2sim_jax.sweeps.tables import check_section, markdown_table, write_section

DISTANCES_M = (0.0, 0.01, 0.02, 0.03, 0.05, 0.1)
RESULTS = Path("docs/results.md")
HEADER = ("action", *(f"{100 * distance:g} cm" for distance in DISTANCES_M))
SECTIONS = {"calibration": False, "calibration, given": True}
"""Whether the policy is given where the objects stand, by section of the page."""


def main() -> int:
    parser = options_parser(__doc__)
    parser.add_argument("--spec", default="easy", help="start states: easy, hard or a CSV file [easy]")
    options = parser.parse_args()
    for section in SECTIONS:
        check_section(RESULTS, section)
    console, rows = Console(), {section: [] for section in SECTIONS}
    for action, policy in kept_policies(options):
        for section, given in SECTIONS.items():
            console.say(f"{action.name}, {section} ...")
            placings = [Placing(distance, given) for distance in DISTANCES_M]
            rows[section].append((action.name, *(success(action, policy, placing, options) for placing in placings)))
            write_section(RESULTS, section, markdown_table(HEADER, rows[section]))
    for section in SECTIONS:
        console.table(f"objects off their place: {section}", HEADER, rows[section])
    return 0


def success(action: Action, policy: Path, placing: Placing, options: argparse.Namespace) -> str:
    out = options.runs / "calibration" / action.name
    reports = benchmark_stage({policy: out}, (options.spec,), "batch", 0, 500, placing)
    return f"{rate(reports[policy][0].ok).rate:.1%}"


if __name__ == "__main__":
    run(main)
