"""`real2sim segment`: from video files to masks of hand and objects."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from real2sim_jax.commands.options import SegmentOptions, videos_to_segment


@dataclass(frozen=True, kw_only=True)
class Segment(SegmentOptions):
    """Find hand, moved object and anchor in videos; write masks.npz, masks.mp4, film.mp4 and masks.json for each."""

    videos: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Video files."""
    out: Path = Path("runs/masks")
    """Folder that gets VIDEO/masks.npz, masks.mp4, film.mp4, masks.json."""
    prompt: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """ROLE=x1,y1,x2,y2@FRAME (may be repeated): a box in px of the video, ROLE hand, moved, anchor or ignore, FRAME
    counted at 12 Hz from 0. contact=FIRST-LAST: frames in which the hand touches what it moves. Or a file of such
    lines, as `real2sim annotate` writes it."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax.stages.console import Console
        from real2sim_jax.stages.segment import segment_stage

        console = Console()
        found = segment_stage(videos_to_segment(self.videos, self.segment, self.prompt), self.out, console)
        show_segments(console, found)
        console.say(f"written to {self.out}/VIDEO/: masks.npz masks.mp4 film.mp4 masks.json")
        return 0


def show_segments(console: Any, found: Any) -> None:
    """Print a row for each video, how its things were distinguished, and why others were skipped."""
    rows = []
    for video, summary in found.summaries.items():
        phases, touching = summary["phases"], summary["touching"]
        action = [t for t, phase in enumerate(phases) if phase == "action"]
        sure = sum(summary["confidence"]) / len(phases)
        rows.append((video, str(len(phases)), f"{action[0]}-{action[-1]}", str(sum(touching)), f"{sure:.0%}"))
    console.table("segmented videos", ("video", "frames", "action", "touching", "contact is sure to"), rows)
    for video, summary in found.summaries.items():
        for line in summary["why"]:
            console.say(f"{video}: {line}")
    for video, reason in found.skipped.items():
        console.say(f"skipped {video}: {reason}")
