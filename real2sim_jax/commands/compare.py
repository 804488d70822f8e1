"""`real2sim compare`: several policies side by side, from their benchmark reports."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from real2sim_jax.core.errors import UserError


@dataclass(frozen=True)
class Compare:
    """Several policies side by side, from the reports of `real2sim benchmark`."""

    reports: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Reports, or folders with report_SPEC.json; the first is what the others are compared with."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax.benchmarks.report import load_report, rate
        from real2sim_jax.stages.console import Console

        found = [(path, load_report(path)) for path in _report_files(self.reports)]
        rows, first = [], {}
        for path, report in found:
            reference = first.setdefault((report.action, report.spec_hash), report)
            against = _against(report, reference)
            rows.append((str(path.parent), report.action, report.spec, str(rate(report.ok)), *against))
        columns = ("report", "action", "start states", "success [95 % interval]", "gained", "lost", "p")
        Console().table("policies", columns, rows)
        Console().say("gained, lost: start states that only this or only the first policy masters; p: sign test")
        return 0


def _report_files(paths: tuple[Path, ...]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("report_*.json")) if path.is_dir() else [path]
        if not inside:
            raise UserError(f"{path}: expected report_SPEC.json in it, found none; run `real2sim benchmark` first")
        files += inside
    if not files:
        raise UserError("expected reports or folders of reports; got none")
    return files


def _against(report: Any, reference: Any) -> tuple[str, str, str]:
    """How many rows are won and lost against a report on the same rows, and how likely that is by chance."""
    from real2sim_jax.benchmarks.report import sign_test

    if report is reference:
        return "", "", ""
    gained = int((report.ok & ~reference.ok).sum())
    lost = int((~report.ok & reference.ok).sum())
    return str(gained), str(lost), f"{sign_test(gained, lost):.3f}"
