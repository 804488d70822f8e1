"""What a user wants to know of a fit without looking at it: one small JSON file beside each track."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from real2sim_jax.benchmarks.reconstruction import failures_of
from real2sim_jax.core.actions import Action
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import read_json, write_json
from real2sim_jax.data.types import BoxTrack, CuboidTrack
from real2sim_jax.fitting.quality import BODY_NAMES, iou_over_time


@dataclass(frozen=True)
class FitReport:
    """How good the fit of one video is."""

    action: str
    broken_rules: list[str]
    """Rules of its action that the track breaks; none when it shows its action."""
    flags: list[str]
    """Names of what cannot be, as in `quality.plausibility`."""
    measures: dict[str, float]
    """Largest hovering and penetration (m), acceleration (m/s^2), final loss, and by how much loss the picture alone
    prefers a scene that does not show the action."""
    shown_by_evidence: bool
    """Whether the picture alone, without the action's name, gives a scene that shows the action."""
    iou: dict[str, float]
    """Mean agreement with the observed boxes by body."""
    iou_frames: dict[str, list[float | None]]
    """The same frame by frame; null where the body is not seen."""
    loss_curve: list[tuple[float, float]]
    """Step and total loss of the start that won."""


def make_fit_report(
    track: CuboidTrack, action: Action, observed: BoxTrack, curve: np.ndarray | None = None
) -> FitReport:
    """Return the report of a fitted track; curve (N, 2): step, total loss."""
    quality = {name: float(value) for name, value in track.quality.items()}
    frames = iou_over_time(track, observed)
    bodies = [BODY_NAMES[body] for body in range(frames.shape[1])]
    names = ("hovering_m", "penetration_m", "acceleration_m_s2", "total", "evidence_gap")
    steps = np.zeros((0, 2)) if curve is None else np.asarray(curve, float)
    broken = failures_of(track, action)
    return FitReport(
        action=action.name,
        broken_rules=broken,
        flags=[name[5:] for name, value in quality.items() if name.startswith("flag_") and value > 0],
        measures={name: quality[name] for name in names if name in quality},
        shown_by_evidence=bool(quality.get("shown_by_evidence", not broken)),
        iou={name[4:]: value for name, value in quality.items() if name.startswith("iou_")},
        iou_frames={
            body: [round(v, 3) if np.isfinite(v) else None for v in column.tolist()]
            for body, column in zip(bodies, frames.T, strict=True)
        },
        loss_curve=[(step, loss) for step, loss in steps.tolist() if np.isfinite(loss)],
    )


def save_fit_report(path: str | Path, report: FitReport) -> None:
    """Write quality.json."""
    write_json(path, report)


def saved_loss_curve(path: str | Path, say: Callable[[str], None]) -> np.ndarray:
    """Return the loss curve (N, 2) of a quality.json, empty where it holds none: then `say` gets a line."""
    try:
        curve = np.asarray(read_json(path)["loss_curve"], float).reshape(-1, 2)
        if np.isfinite(curve).all():
            return curve
        say(f"{path}: its loss curve is not finite and is lost")
    except UserError as error:
        say(f"the loss curve is lost: {error}")
    except (KeyError, TypeError, ValueError):
        say(f"{path}: its loss curve is missing or damaged and is lost")
    return np.zeros((0, 2))
