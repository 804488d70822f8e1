"""What a study found: one tidy CSV, a table with intervals, and a section of a page."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from real2sim_jax.benchmarks.report import Rate, rate
from real2sim_jax.benchmarks.specs import SPECS
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import write_csv, write_text
from real2sim_jax.sweeps.population import finished
from real2sim_jax.sweeps.runner import Inputs, Member

HEADER = ("condition", "action", "seeds", *SPECS, "training of each")


@dataclass(frozen=True)
class Row:
    """One policy judged on one set of start states; the fields are the columns of the CSV."""

    study: str
    condition: str
    action: str
    policy: str
    """trained, or reference: what learning started from."""
    seed: int
    spec: str
    successes: int
    episodes: int
    rate: float
    seconds: float
    """Of training, with its compilation: the population's divided among its seeds."""
    config_hash: str
    """Hash of what shapes the population's result, see `population.Job.key`."""


def rows_of(members: Sequence[Member], inputs: Inputs) -> list[Row]:
    """Return what the finished populations among the members found."""
    rows = []
    for member in members:
        summary = finished(inputs.folder(member.job), member.job)
        if summary is not None:
            place = {"study": member.study, "condition": member.condition, "action": member.job.action.name}
            each = round(summary["train_s"] / len(member.job.seeds), 1)
            for result in summary["results"]:
                seconds = each if result["policy"] == "trained" else 0.0
                rows.append(Row(**place, **result, seconds=seconds, config_hash=member.job.key))
    return rows


def write_rows(path: str | Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV."""
    write_csv(path, {f.name: np.array([getattr(row, f.name) for row in rows], object) for f in fields(Row)})


def table(members: Sequence[Member], rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Return the cells below HEADER: a line for each condition and action, whether finished or not."""
    wanted: dict[tuple[str, str], int] = {}
    for member in members:
        place = member.condition, member.job.action.name
        wanted[place] = wanted.get(place, 0) + len(member.job.seeds)
    lines = []
    for (condition, action), seeds in wanted.items():
        own = [row for row in rows if (row.condition, row.action) == (condition, action)]
        trained = [row for row in own if row.policy == "trained"]
        done = len({row.seed for row in trained})
        count = str(seeds) if done == seeds else f"{done} of {seeds}"
        cost = f"{np.mean([row.seconds for row in trained]) / 60:.1f} min" if trained else "-"
        lines.append((condition, action, count, *(share(own, spec) for spec in SPECS), cost))
    return lines


def share(rows: Sequence[Row], spec: str) -> str:
    """Return lines: the rate of all trained policies' episodes, the lowest and highest seed, the reference's rate."""
    trained, reference = ([r for r in rows if (r.spec, r.policy) == (spec, name)] for name in ("trained", "reference"))
    if not trained:
        return "-"
    rates = [row.rate for row in trained]
    lines = [
        str(pooled(trained)),
        f"seeds {min(rates):.1%} to {max(rates):.1%}",
        f"reference alone {pooled(reference).rate:.1%}",
    ]
    return "\n".join(lines)


def pooled(rows: Sequence[Row]) -> Rate:
    """Return the rate of all episodes of the rows."""
    return rate(np.arange(sum(row.episodes for row in rows)) < sum(row.successes for row in rows))


def panels(rows: Sequence[Row]) -> dict[str, dict[str, dict[str, list[Rate]]]]:
    """Return what `save_study_plot` draws: by action, condition and spec the rate of all episodes, then the seeds'."""
    found: dict[str, dict[str, dict[str, list[Rate]]]] = {}
    for row in rows:
        if row.policy == "trained":
            series = found.setdefault(row.action, {}).setdefault(row.condition, {})
            series.setdefault(row.spec, []).append(pooled([row]))
    for action, conditions in found.items():
        for condition, series in conditions.items():
            own = [r for r in rows if (r.action, r.condition, r.policy) == (action, condition, "trained")]
            for spec, rates in series.items():
                rates.insert(0, pooled([row for row in own if row.spec == spec]))
    return found


def markdown(question: str, lines: Sequence[tuple[str, ...]], picture: str) -> str:
    """Return a study's section: its question, table and picture."""
    cells = markdown_table(HEADER, lines)
    return (
        f"{question}\n\n{cells}\n\n![Success by condition: all episodes with 95 % interval, and each seed]({picture})"
    )


def markdown_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown; a cell may have several lines."""
    body = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(line).replace("\n", "<br>") + " |" for line in body)


def write_section(page: str | Path, name: str, text: str) -> None:
    """Replace what stands between the markers of a section; UserError when the page has none of that name."""
    begin, end = check_section(page, name)
    old = Path(page).read_text(encoding="utf-8")
    write_text(
        page, re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{text}\n{end}", old, flags=re.S)
    )


def check_section(page: str | Path, name: str) -> tuple[str, str]:
    """Return the two markers of a section; UserError unless the page has each of them once, in this order."""
    begin, end = f"<!-- {name}: written by experiments -->", f"<!-- {name}: end -->"
    text = Path(page).read_text(encoding="utf-8") if Path(page).is_file() else ""
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise UserError(
            f"{page}: expected the lines '{begin}' and '{end}' once each; add them where the table is to be"
        )
    return begin, end


def relative(target: Path, page: Path) -> str:
    """Return the path of a file as a link from a page."""
    return os.path.relpath(target, page.parent)
