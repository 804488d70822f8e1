"""How far may an object stand from where a policy takes it to be? The kept policies, judged at several distances.

    python experiments/skills/calibration.py [--actions pick_up ...] [--spec easy.csv] [--runs FOLDER]

The error has another direction in each row. Writes the table into docs/results.md after each action.
"""

import argparse
import sys
from pathlib import Path

from real2sim_jax.benchmarks.report import rate
from real2sim_jax.core.actions import ACTIONS, action_named
from real2sim_jax.core.errors import UserError
from real2sim_jax.robot.options import Parser
from real2sim_jax.stages.console import Console
from real2sim_jax.stages.train_and_benchmark import benchmark_stage
from real2sim_jax.sweeps.tables import check_section, markdown_table, write_section

DISTANCES_M = (0.0, 0.01, 0.02, 0.03, 0.05)
RESULTS = Path("docs/results.md")
HEADER = ("action", *(f"{100 * distance:g} cm" for distance in DISTANCES_M))


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--policies", type=Path, default=Path("experiments/skills/results"), help="ACTION/seed0 below it"
    )
    parser.add_argument("--actions", nargs="+", default=list(ACTIONS), metavar="ACTION", help="all nine when absent")
    parser.add_argument("--spec", default="easy", help="start states: easy, hard or a CSV file [easy]")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the reports [runs]")
    options = parser.parse_args()
    check_section(RESULTS, "calibration")
    console, rows = Console(), []
    for action in map(action_named, options.actions):
        policy = options.policies / action.name / "seed0" / "policy.npz"
        if policy.is_file():
            console.say(f"{action.name} ...")
            rows.append((action.name, *(success(policy, distance, options) for distance in DISTANCES_M)))
            write_section(RESULTS, "calibration", markdown_table(HEADER, rows))
    console.table("objects off their place", HEADER, rows)
    return 0


def success(policy: Path, distance: float, options: argparse.Namespace) -> str:
    action, out = action_named(policy.parents[1].name), options.runs / "calibration" / policy.parents[1].name
    reports = benchmark_stage(action, {policy: out}, (options.spec,), "batch", 0, 500, distance)
    return f"{rate(reports[policy][0].ok).rate:.1%}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
