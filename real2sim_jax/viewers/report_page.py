"""A benchmark as one page that opens anywhere: rates, where they come from, and what failures look like."""

import base64
import tempfile
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import jax
import numpy as np

from real2sim_jax.benchmarks.report import Report, path_rows, summary_rows
from real2sim_jax.core.gripper import PUBLISHED, Gripper
from real2sim_jax.data.artefacts import write_text
from real2sim_jax.simulation.types import StartState, Trajectory
from real2sim_jax.viewers.rollout import save_rollout_gif

SHOWN_FAILURES = 3
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #323741; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .3rem .8rem; border-bottom: 1px solid #dde; text-align: left }
img { max-width: 100% } figure { margin: 1.5rem 0 } figcaption { color: #667 } code { overflow-wrap: anywhere }
"""


def save_report_page(
    path: str | Path,
    report: Report,
    starts: StartState,
    trajectories: Trajectory,
    plot: str | Path,
    rewards: str | Path | None = None,
    gripper: Gripper = PUBLISHED,
) -> None:
    """Write an HTML page with every picture inside: the rates, the plot file, some failures as animations, provenance.

    starts and trajectories have a leading axis of the report's rows. rewards: picture of the reward terms over time,
    where the demonstrations are known.
    """
    failed = np.flatnonzero(~report.ok)
    shown = _animations(failed[:SHOWN_FAILURES], report, trajectories, gripper)
    rates = _table(("rule", "episodes", "rate [95 % interval]"), [*summary_rows(report), *path_rows(report)])
    title = f"{report.action.replace('_', ' ')}: start states {report.spec}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        rates,
        _figure("png", Path(plot).read_bytes(), "Success against each quantity of the start state."),
        *_rewards(rewards),
        f"<h2>Failures</h2><p>{len(failed)} of {len(report.ok)} episodes failed by the corrected rule.</p>",
        *(_figure("gif", picture, _start_text(starts, row)) for row, picture in shown.items()),
        "<h2>Provenance</h2>",
        _table(("what", "value"), _provenance(report)),
    ]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    write_text(path, f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n')


def _rewards(picture: str | Path | None) -> list[str]:
    title = "<h2>Against the demonstrations</h2>"
    if picture is None:
        return [title, "<p>The demonstrations that this policy has learnt from do not lie beside it.</p>"]
    caption = "Reward terms over time, averaged over episodes and demonstrations; 1 follows all demonstrations exactly."
    caption += " Demonstration: what the demonstrations get themselves, compared with all of them."
    return [title, _figure("png", Path(picture).read_bytes(), caption)]


def _animations(rows: np.ndarray, report: Report, trajectories: Trajectory, gripper: Gripper) -> Mapping[int, bytes]:
    pictures = {}
    with tempfile.TemporaryDirectory() as folder:
        for row in rows.tolist():
            path = Path(folder) / f"{row}.gif"
            one = jax.tree.map(lambda leaf, row=row: leaf[row], trajectories)
            save_rollout_gif(path, one, report.action, gripper=gripper)
            pictures[row] = path.read_bytes()
    return pictures


def _start_text(starts: StartState, row: int) -> str:
    one = jax.tree.map(lambda leaf: np.asarray(leaf)[row], starts)
    x, y, z = 100.0 * one.gripper_position
    sizes = ", ".join(
        f"height {100 * h:.1f} cm, radius {100 * r:.1f} cm" for h, r in zip(one.heights, one.radii, strict=True)
    )
    angles = f"azimuth {np.rad2deg(one.azimuth):.0f}°, elevation {np.rad2deg(one.elevation):.0f}°"
    if one.moved_place is not None:
        there = ", ".join(f"{100.0 * value:.0f}" for value in one.moved_place)
        sizes += f"; the object to be fetched at ({there}) cm"
    return f"Row {row}: gripper at ({x:.0f}, {y:.0f}, {z:.0f}) cm, {angles}; {sizes}."


def _provenance(report: Report) -> list[tuple[str, str]]:
    rows = [("policy (SHA-256)", report.policy_hash), ("start states (hash)", report.spec_hash)]
    rows += [("physics", report.physics), ("seed", str(report.seed))]
    return rows + [(f"version of {name}", version) for name, version in report.versions.items()]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["".join(f"<th>{escape(name)}</th>" for name in header)]
    lines += ["".join(f"<td><code>{escape(cell)}</code></td>" for cell in row) for row in rows]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _figure(kind: str, picture: bytes, caption: str) -> str:
    data = base64.b64encode(picture).decode()
    text = escape(caption)
    return f'<figure><img alt="{text}" src="data:image/{kind};base64,{data}"><figcaption>{text}</figcaption></figure>'
