"""`real2sim fit`: from annotated boxes to cuboids in 3D."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real2sim_jax.actions import action_named
from real2sim_jax.commands.options import ids, not_negative


@dataclass(frozen=True)
class Fit:
    """Fit cuboids to the videos of a folder of tracks, or to synthetic demonstrations of an action."""

    tracks: Path | None = None
    """Folder with something_else_boxes.json, actions.csv and, if there is one, phases.csv."""
    out: Path | None = None
    """Folder that gets VIDEO/states.csv, track.npz and fit.gif; RUNS/ACTION when absent."""
    videos: str | None = None
    """Ids of the videos to fit, separated by commas; all of the folder's actions.csv when absent."""
    action: str | None = None
    """Only videos of this action; with no --tracks, whose synthetic demonstrations to fit."""
    phases: bool = True
    """Take the action's frames from phases.csv where it has them; otherwise infer them from the boxes."""
    runs: Path = Path("runs")
    """Folder of all results."""
    seed: int = 0
    """Of the synthetic demonstrations."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax import pipeline
        from real2sim_jax.console import Console

        console = Console()
        action = action_named(self.action) if self.action else None
        not_negative(self.seed)
        out = self.out or self.runs / (action.name if action else "fits")
        source = pipeline.Source(self.tracks, ids(self.videos), self.phases, self.seed)
        fits = pipeline.fit_stage(source, action, out, console)
        show_fits(console, fits)
        console.say(f"written to {out}/VIDEO/: states.csv, track.npz, fit.gif")
        return 0


def show_fits(console: Any, fits: Any) -> None:
    """Print a row for each fitted video, and why others were skipped."""
    rows = []
    for video, (action, track) in fits.tracks.items():
        quality = {name: float(value) for name, value in track.quality.items()}
        overlap = "  ".join(f"{name[4:]} {value:.2f}" for name, value in quality.items() if name.startswith("iou_"))
        flags = " ".join(name[5:] for name, value in quality.items() if name.startswith("flag_") and value > 0)
        rows.append((video, action.name, str(len(track.valid)), overlap, flags or "-"))
    console.table("fitted videos", ("video", "action", "frames", "box IoU", "flags"), rows)
    for video, reason in fits.skipped.items():
        console.say(f"skipped {video}: {reason}")
