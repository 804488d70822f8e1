"""`real2sim benchmark`: success of a policy from many start states."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real2sim_jax.commands.options import at_least_one, not_negative
from real2sim_jax.commands.robot import policy_path
from real2sim_jax.core.actions import Action
from real2sim_jax.core.errors import UserError


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
    calibration_m: float = 0.0
    """How far the objects stand from where the policy takes them to be, m: in another direction in each row."""
    given: bool = False
    """Give the policy where the objects stand, with 5 mm and 5 deg of noise; the hand starts where the row says."""
    runs: Path = Path("runs")
    """Folder of all results."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax.benchmarks.placing import Placing
        from real2sim_jax.core.policy import load_policy
        from real2sim_jax.stages import train_and_benchmark as pipeline
        from real2sim_jax.stages.console import Console

        console = Console()
        path = policy_path(self.policy, self.action, self.runs, self.seed)
        action = load_policy(path).action
        at_least_one("--rows", self.rows)
        not_negative(self.seed)
        if not 0.0 <= self.calibration_m <= 1.0:
            raise UserError(f"--calibration-m {self.calibration_m:g}: expected 0 to 1")
        with console.status("benchmark"):
            out = self.out or path.parent
            policies = {path: out}
            how = self.physics, self.seed, self.rows, Placing(self.calibration_m, self.given)
            reports = pipeline.benchmark_stage(policies, (self.spec,), *how)[path]
        show_success(console, action, reports)
        console.say(f"written to {out}: report_{reports[0].spec}.html and .json, success_{reports[0].spec}.png")
        return 0


def show_success(
    console: Any,
    action: Action,
    reports: Sequence[Any],
    nominal: str | None = None,
    reference: Sequence[Any] = (),
) -> None:
    """Print the rates of reports, before them the unrandomised start's, after them the reference's alone."""
    from real2sim_jax.benchmarks.report import path_rows, summary_rows

    rows = [] if nominal is None else [("unrandomised start", nominal, "")]
    for report in reports:
        rules = summary_rows(report)
        # For actions without a hand rule the parts repeat the whole.
        shown = rules if report.hand_rule else rules[: 1 + report.published_rules]
        rows += [(f"{report.spec}: {rule}", count, share) for rule, count, share in [*shown, *path_rows(report)]]
    for report in reference:
        _, count, share = summary_rows(report)[0]
        rows.append((f"{report.spec}: reference alone", count, share))
    console.table(f"{action.name}: success", ("start states", "episodes", "rate [95 % interval]"), rows)
