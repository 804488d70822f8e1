"""All nine skills in one command: train, benchmark, keep reports and policies, write the table.

    python experiments/skills/train_all.py [--tracks FOLDER] [--specs FOLDER] [--steps N] [--runs FOLDER] [--out FOLDER]

Trains one seed of each action, three of pick_up, push_left_to_right, put_onto and put_behind. --specs holds the
published start states easy.csv and hard.csv; without it as many are drawn from the same ranges. A policy that has been
benchmarked already is not trained again: delete its folder below --out to repeat it. Some published rows begin with the
hand, or what it holds, inside the table or the other object: the table says what remains without them.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np

from real2sim_jax.benchmarks.placing import overlapping
from real2sim_jax.benchmarks.report import load_report, rate
from real2sim_jax.benchmarks.specs import SPECS, read_spec
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.data.artefacts import RunLayout, read_json, write_json
from real2sim_jax.robot.options import Parser
from real2sim_jax.stages.console import Console
from real2sim_jax.sweeps.tables import check_section, markdown_table, write_section

SEEDS = {"pick_up": 3, "push_left_to_right": 3, "put_onto": 3, "put_behind": 3}
REAL2SIM = Path(sys.executable).with_name("real2sim")
RESULTS = Path("docs/results.md")
KINDS = ("easy", "hard", "easy, free at the start", "hard, free at the start")
HEADER = ("action", "seed", *KINDS, "easy, reference alone", "hard, reference alone", "steps", "training")


def main() -> int:
    options = parse()
    console = Console()
    members = [(action, seed) for seed in range(3) for action in ACTIONS if seed < SEEDS.get(action, 1)]
    failed = []
    check_section(RESULTS, "skills")
    for action, seed in members:
        kept = options.out / action / f"seed{seed}"
        if not (kept / "summary.json").is_file() and not learn(action, seed, kept, options, console):
            failed.append(f"{action} seed {seed}")
        rows = kept_rows(options.out, options.specs)
        write_section(RESULTS, "skills", markdown_table(HEADER, rows))
    console.table("skills: success, 95 % interval", HEADER, rows)
    for name in failed:
        console.say(f"failed: {name}")
    return 1 if failed else 0


def parse() -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=Path, help="folder of tracks; synthetic demonstrations without it")
    parser.add_argument("--specs", type=Path, help="folder of easy.csv and hard.csv; drawn without it")
    parser.add_argument("--steps", type=int, help="control steps of each training; the default when absent")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the trainings [runs]")
    parser.add_argument("--out", type=Path, default=Path("experiments/skills/results"), help="what is kept")
    return parser.parse_args()


def learn(action: str, seed: int, kept: Path, options: argparse.Namespace, console: Console) -> bool:
    """Train and benchmark one policy and keep its results; whether that worked."""
    console.say(f"{action} seed {seed}: ...")
    words = ["--action", action, "--seed", str(seed), "--runs", str(options.runs), "--rows", "10"]
    words += [word for name in ("tracks", "steps") if (v := getattr(options, name)) for word in (f"--{name}", str(v))]
    started = time.perf_counter()
    # The training's own benchmark is kept short: the one that counts follows.
    if subprocess.run([REAL2SIM, "train", *words], env=environment(), check=False).returncode:
        return False
    seconds = time.perf_counter() - started
    folder = RunLayout(options.runs, action).seed(seed)
    kept.mkdir(parents=True, exist_ok=True)
    reference = folder / "reference" / "policy.npz"
    if not all(benchmark(policy, spec, options) for policy in (folder / "policy.npz", reference) for spec in SPECS):
        return False
    for spec in SPECS:
        shutil.copy(report_of(folder, spec), kept / f"report_{spec}.json")
    if seed == 0:
        shutil.copy(folder / "policy.npz", kept / "policy.npz")
    steps = read_json(folder / "config.json")["config"]["ppo"]["steps"]
    alone = {spec: share(reference.parent, spec) for spec in SPECS}
    write_json(kept / "summary.json", {"seconds": seconds, "steps": steps, "reference_alone": alone})
    return True


def benchmark(policy: Path, spec: str, options: argparse.Namespace) -> bool:
    rows = spec if options.specs is None else str(options.specs / f"{spec}.csv")
    words = ["benchmark", "--policy", str(policy), "--spec", rows]
    return subprocess.run([REAL2SIM, *words], env=environment(), check=False).returncode == 0


def environment() -> dict[str, str]:
    return {**os.environ, "COLUMNS": os.environ.get("COLUMNS", "100")}


def kept_rows(out: Path, specs: Path | None) -> list[tuple[str, ...]]:
    """Rows of all policies that are there, in the order of the actions."""
    found = [(a, s, out / a / f"seed{s}") for a in ACTIONS for s in range(SEEDS.get(a, 1))]
    return [row(*one, specs) for one in found if (one[2] / "summary.json").is_file()]


def row(action: str, seed: int, kept: Path, specs: Path | None) -> tuple[str, ...]:
    summary = read_json(kept / "summary.json")
    alone = [summary["reference_alone"][spec] for spec in SPECS]
    costs = f"{summary['steps'] / 1e6:g} M", f"{summary['seconds'] / 60:.1f} min"
    free = [share_of_free(kept, action, spec, specs) for spec in SPECS]
    return action, str(seed), *(share(kept, spec) for spec in SPECS), *free, *alone, *costs


def share_of_free(kept: Path, action: str, spec: str, specs: Path | None) -> str:
    """Success from the rows that begin without overlap; drawn ones all do."""
    report = load_report(report_of(kept, spec))
    if specs is None or not report.spec.endswith("_csv"):
        return share(kept, spec)
    free = free_rows(specs / f"{spec}.csv", action)
    return f"{rate(report.ok[free]).rate:.1%} of {free.sum()}"


@cache
def free_rows(path: Path, action: str) -> np.ndarray:
    return ~np.asarray(overlapping(ACTIONS[action])(read_spec(path, ACTIONS[action])))


def share(folder: Path, spec: str) -> str:
    return str(rate(load_report(report_of(folder, spec)).ok))


def report_of(folder: Path, spec: str) -> Path:
    """On the published rows where there is one, on generated rows otherwise."""
    return max(folder.glob(f"report_{spec}*.json"), key=lambda path: len(path.name))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
