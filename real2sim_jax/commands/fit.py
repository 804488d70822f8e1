"""`real2sim fit`: from annotated boxes or video files to cuboids in 3D."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from real2sim_jax.commands.options import ids, not_negative, video_files
from real2sim_jax.core.actions import action_named

BODIES = ("hand", "moved", "anchor")


@dataclass(frozen=True)
class Fit:
    """Fit cuboids to the videos of a folder of tracks, to video files, or to synthetic demonstrations of an action."""

    tracks: Path | None = None
    """Folder with something_else_boxes.json, actions.csv and, if there is one, phases.csv."""
    out: Path | None = None
    """Folder that gets VIDEO/states.csv, track.npz, fit.gif and quality.json; RUNS/ACTION when absent."""
    videos: str | None = None
    """Ids of the videos to fit, separated by commas; all of the folder's actions.csv when absent."""
    video: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    """A video file to fit (may be repeated), instead of --tracks; it shows --action."""
    segmenter: str | None = None
    """How masks are found in video files: auto, boxes (follow what --prompt draws boxes around, without any network)
    or sam (Segment Anything, with --checkpoint); sam where there is a checkpoint, auto otherwise."""
    checkpoint: Path | None = None
    """File of weights of Segment Anything (ViT-B, L or H), for the segmenter sam; needs the extra sam."""
    prompt: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """ROLE=x1,y1,x2,y2@FRAME, contact=FIRST-LAST or a file of such lines (may be repeated) for one --video: see
    `real2sim segment --help`."""
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
        from real2sim_jax.stages.console import Console
        from real2sim_jax.stages.fit import Source, fit_stage

        console = Console()
        action = action_named(self.action) if self.action else None
        not_negative(self.seed)
        out = self.out or self.runs / (action.name if action else "fits")
        clips = video_files(self.video, self, self.tracks)
        source = Source(self.tracks, ids(self.videos), self.phases, self.seed, clips)
        fits = fit_stage(source, action, out, console)
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
        rows.append((video, report.action, iou, " ".join(report.flags) or "-", "NO" if report.broken_rules else "yes"))
    columns = ("video", "action", "IoU", "flags", "shows its action")
    console.table("fitted videos; IoU with the boxes of hand, moved object and anchor", columns, rows)
    for video, report in fits.reports.items():
        if report.broken_rules:
            console.say(f"{video} does not show {report.action}: {', '.join(report.broken_rules)}")
    for video, reason in fits.skipped.items():
        console.say(f"skipped {video}: {reason}")
