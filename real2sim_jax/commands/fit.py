"""`real2sim fit`: from annotated boxes or video files to cuboids in 3D."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real2sim_jax.commands.options import FitOptions, SourceOptions, not_negative
from real2sim_jax.core.actions import action_named

BODIES = ("hand", "moved", "anchor")


@dataclass(frozen=True, kw_only=True)
class Fit(SourceOptions, FitOptions):
    """Fit cuboids to the videos of a folder of tracks, to video files, or to synthetic demonstrations of an action."""

    out: Path | None = None
    """Folder that gets VIDEO/states.csv, track.npz, fit.gif and quality.json; RUNS/ACTION when absent."""
    action: str | None = None
    """Only videos of this action (a name, or a file of your own); with no --tracks, whose synthetic demonstrations to
    fit."""
    runs: Path = Path("runs")
    """Folder of all results."""
    seed: int = 0
    """Of the synthetic demonstrations."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax.stages.console import Console
        from real2sim_jax.stages.fit import fit_stage

        console = Console()
        action = action_named(self.action) if self.action else None
        not_negative(self.seed)
        out = self.out or self.runs / (action.name if action else "fits")
        fits = fit_stage(self.source(self.segment, self.seed), action, out, console, self.fit)
        show_fits(console, fits)
        console.say(f"written to {out}/VIDEO/: states.csv, track.npz, fit.gif, quality.json")
        pictures = [name for name in ("contact_sheet.png", "loss_curves.png") if (out / name).is_file()]
        console.say(f"of all videos: {out}/ {' '.join(pictures)}")
        return 0


def show_fits(console: Any, fits: Any) -> None:
    """Print a row for each fitted video, and why others were skipped."""
    rows = []
    for video, report in fits.reports.items():
        iou = " ".join(f"{report.iou[body]:.2f}" if body in report.iou else "  - " for body in BODIES)
        rows.append((video, report.action, iou, " ".join(report.flags) or "-", _shown(report)))
    columns = ("video", "action", "IoU", "flags", "shows its action")
    console.table("fitted videos; IoU with the boxes of hand, moved object and anchor", columns, rows)
    for video, report in fits.reports.items():
        if report.broken_rules:
            console.say(f"{video} does not show {report.action}: {', '.join(report.broken_rules)}")
        elif not report.shown_by_evidence:
            gap = report.measures.get("evidence_gap", 0.0)
            console.say(f"{video}: the action's name decided; another scene explains it better (loss {gap:.2f} less)")
    for video, reason in fits.skipped.items():
        console.say(f"skipped {video}: {reason}")


def _shown(report: Any) -> str:
    if report.broken_rules:
        return "NO"
    return "yes" if report.shown_by_evidence else "by its name"
