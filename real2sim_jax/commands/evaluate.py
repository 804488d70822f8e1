"""`real2sim evaluate-states`: do estimated states show the actions of their videos, and can they be true?"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from real2sim_jax.core.actions import action_named
from real2sim_jax.core.errors import UserError

_MEASURES = {
    "hover_m": ("highest above its support while nothing holds it", 100.0, "cm"),
    "sink_m": ("deepest below its support while nothing holds it", 100.0, "cm"),
    "penetration_m": ("deepest inside the anchor", 100.0, "cm"),
    "size_min_m": ("smallest side of an object", 100.0, "cm"),
    "size_max_m": ("largest side of an object", 100.0, "cm"),
    "acceleration_m_s2": ("largest acceleration of hand or moved object", 1.0, "m/s^2"),
}


@dataclass(frozen=True)
class EvaluateStates:
    """Judge a folder of state files by the reconstruction benchmark's rules, ours or another system's."""

    folder: Annotated[Path, tyro.conf.Positional]
    """Folder with ID.csv or ID/states.csv, at any depth."""
    actions: Path | None = None
    """CSV (video_id, action) for videos in no folder that is called like their action."""
    action: str | None = None
    """File of an action of your own (.toml), for videos of its name, or of none."""
    published_camera: bool = False
    """The files' camera azimuths lack their range factor of 45 degrees, as the published ones do."""
    json: Annotated[tuple[Path, ...] | None, tyro.conf.arg(metavar="[FILE]")] = None
    """Print JSON and nothing else, or write it to FILE beside the tables; give the folder first."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax.data.artefacts import write_json
        from real2sim_jax.evaluation.folders import evaluate_states
        from real2sim_jax.stages.console import Console

        if self.json is not None and len(self.json) > 1:
            raise UserError(f"--json: expected at most one file, got {len(self.json)}")
        own = action_named(self.action) if self.action else None
        found = evaluate_states(self.folder, self.actions, published_camera=self.published_camera, own=own)
        if self.json == ():
            print(json.dumps(found.as_json(), indent=1, allow_nan=False))
            return 0
        show_evaluation(Console(), found)
        if self.json:
            write_json(self.json[0], found.as_json())
            Console().say(f"written to {self.json[0]}")
        return 0


def show_evaluation(console: Any, found: Any) -> None:
    """Print what `evaluate_states` found: success by action, what failed, and how plausible the states are."""
    rows = [(name, f"{row[0]} / {row[1]}", f"{row[2]} / {row[3]}") for name, row in found.table().items()]
    console.table("shows its action", ("action", "videos", "published system"), rows)
    failed = [(video, j.action.name, ", ".join(j.broken)) for video, j in found.videos.items() if j.broken]
    if failed:
        console.table("failed videos", ("video", "action", "broken rules"), failed)
    extremes, judged = found.extremes(), len(found.videos)
    rows = []
    for name, (text, scale, unit) in _MEASURES.items():
        value, video = extremes.get(name, (None, "no file says when nothing touches"))
        rows.append((text, "-" if value is None else f"{scale * value:.2f} {unit}", video))
    console.table(f"plausibility over {judged} videos", ("moved object", "worst", "video"), rows)
    medians = found.iou_medians()
    if medians:
        console.say("median IoU with the boxes: " + ", ".join(f"{body} {value:.2f}" for body, value in medians.items()))
    for video, reason in found.refused.items():
        console.say(f"not judged {video}: {reason}")
    for video, lines in found.notes.items():
        for line in lines:
            console.say(f"{video}: {line}" if video else line)
