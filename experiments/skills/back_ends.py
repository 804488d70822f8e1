"""Do policies trained on one physics engine work on the others? Those that are kept, judged on each.

    python experiments/skills/back_ends.py [--actions pick_up ...] [--policies FOLDER] [--rows 100] [--runs FOLDER]

Trained with MuJoCo's C engine (cylinders), judged from the same easy starts there, with its JAX engine (12-sided
prisms) and with Warp (cylinders; extra `warp`): one that is judged already is not judged again. Writes the table into
docs/results.md; "kept" is of the worst engine.
"""

from pathlib import Path

from kept import kept_policies, options_parser, run

from real2sim_jax.benchmarks.report import Report, load_report, rate, report_path
from real2sim_jax.benchmarks.specs import spec_hash
from real2sim_jax.core.actions import Action
from real2sim_jax.data.artefacts import file_hash
from real2sim_jax.stages.console import Console
from real2sim_jax.stages.train_and_benchmark import benchmark_stage, start_states
from real2sim_jax.sweeps.tables import check_section, markdown_table, write_section

ENGINES = ("batch", "mjx", "warp")
RESULTS = Path("docs/results.md")
HEADER = ("action", *ENGINES, "kept")


def main() -> int:
    parser = options_parser(__doc__)
    parser.add_argument("--rows", type=int, default=100, help="start states [100]")
    options = parser.parse_args()
    check_section(RESULTS, "back ends")
    console, rows = Console(), []
    for action, policy in kept_policies(options):
        found = []
        for engine in ENGINES:
            console.say(f"{action.name} on {engine} ...")
            found.append(rate(judged(action, policy, engine, options.runs, options.rows).ok))
        kept = min(one.rate for one in found[1:]) / found[0].rate if found[0].successes else float("nan")
        rows.append((action.name, *map(str, found), f"{kept:.0%}"))
    console.table(f"trained on {ENGINES[0]}, easy starts", HEADER, rows)
    write_section(RESULTS, "back ends", markdown_table(HEADER, rows))
    return 0


def judged(action: Action, policy: Path, engine: str, runs: Path, rows: int) -> Report:
    """Return the kept report of a policy from so many easy starts, or make one: on a CPU it takes MJX minutes."""
    out = runs / "back_ends" / action.name / engine
    starts = spec_hash(start_states("easy", action, 0, rows))
    if (path := report_path(out, "easy")).is_file():
        kept = load_report(path)
        if (kept.policy_hash, kept.spec_hash) == (file_hash(policy), starts):
            return kept
    return benchmark_stage({policy: out}, ("easy",), engine, 0, rows)[policy][0]


if __name__ == "__main__":
    run(main)
