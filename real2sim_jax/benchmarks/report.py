"""The outcome of a benchmark: one row per start state, and its summary."""

import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from real2sim_jax.benchmarks.path import NEAR_DEG, NEAR_M
from real2sim_jax.benchmarks.success import Success
from real2sim_jax.core.actions import ACTIONS, Action
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import read_json, versions, write_json
from real2sim_jax.data.types import Array

SCHEMA, VERSION = "Report", 1
RULES = ("hand_ok", "object_ok", "published_hand_ok", "published_object_ok")


@dataclass(frozen=True)
class Report:
    """Success of one policy from every start state of one specification."""

    action: str
    policy_hash: str
    """SHA-256 of the policy file."""
    spec: str
    """Name of the specification: easy, hard or a file's stem."""
    spec_hash: str
    """See `specs.spec_hash`."""
    physics: str
    """Physics back end."""
    seed: int
    versions: dict[str, str]
    hand_rule: bool
    """Whether the action asks anything of the hand."""
    published_rules: bool
    """Whether there are published rules for the action."""
    hand_ok: np.ndarray
    """(N,) bool, as the following: by the corrected and by the published rule."""
    object_ok: np.ndarray
    published_hand_ok: np.ndarray
    published_object_ok: np.ndarray
    path_share: float | None = None
    """Of the time in which the object is near its demonstrated path, where the demonstrations are known; see `path`."""
    add_auc: float | None = None
    """Its ADD-AUC, on average over the episodes."""

    @property
    def ok(self) -> np.ndarray:
        """(N,) success by the corrected rule."""
        return self.hand_ok & self.object_ok

    @property
    def published_ok(self) -> np.ndarray:
        """(N,) success by the published rule."""
        return self.published_hand_ok & self.published_object_ok


@dataclass(frozen=True)
class Rate:
    """A success rate with its 95 % confidence interval."""

    successes: int
    count: int
    rate: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return the rate and its interval in percent."""
        return f"{self.rate:.1%} [{self.low:.1%}, {self.high:.1%}]"


def make_report(
    action: Action, success: Success, *, policy_hash: str, spec: str, spec_hash: str, physics: str, seed: int
) -> Report:
    """Put the judgements of N episodes, in the order of the start states, into a report."""
    rows: dict[str, Any] = {name: np.asarray(getattr(success, name), bool) for name in RULES}
    kinds = action.hand_azimuth_deg is not None, ACTIONS.get(action.name) == action
    return Report(action.name, policy_hash, spec, spec_hash, physics, seed, versions(), *kinds, **rows)


def rate(ok: Array) -> Rate:
    """Return the share of True in (N,) with its Wilson score interval (E. B. Wilson, JASA 1927) at 95 %."""
    flags = np.asarray(ok, bool)
    n, successes, z = len(flags), int(flags.sum()), 1.959963984540054
    if n == 0:
        return Rate(0, 0, 0.0, 0.0, 1.0)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # Rounding must not push a bound past the rate where the two coincide (no or only successes).
    return Rate(
        successes, n, share, float(max(0.0, min(share, centre - half))), float(min(1.0, max(share, centre + half)))
    )


def sign_test(gained: int, lost: int) -> float:
    """Return how likely a split at least as uneven is when either side is equally likely: two-sided, exact.

    For two policies on the same start states: McNemar's test (Psychometrika 1947).
    """
    n = gained + lost
    tail = sum(math.comb(n, i) for i in range(min(gained, lost) + 1))
    return min(1.0, 2.0 * tail / 2**n)


def summary(report: Report) -> dict[str, Rate]:
    """Return the rates by name: success, published_success and their parts, where the action has such rules."""
    rates = {"success": rate(report.ok)}
    rates |= {"published_success": rate(report.published_ok)} if report.published_rules else {}
    parts = [name for name in RULES if report.hand_rule or "hand" not in name]
    shown = [name for name in parts if report.published_rules or "published" not in name]
    return rates | {name: rate(getattr(report, name)) for name in shown}


def summary_rows(report: Report) -> list[tuple[str, str, str]]:
    """Return the summary as text for a table: rule, successes of rows, rate with its interval."""
    names = {"success": "success", "hand_ok": "hand", "object_ok": "object"}
    names |= {f"published_{key}": f"{value} (published rule)" for key, value in names.items()}
    return [(names[name], f"{r.successes} / {r.count}", str(r)) for name, r in summary(report).items()]


def path_rows(report: Report) -> list[tuple[str, str, str]]:
    """Return how far the demonstrated path is followed as rows of the same table; none where it is not known."""
    if report.path_share is None or report.add_auc is None:
        return []
    near = f"path within {100 * NEAR_M:.0f} cm, {NEAR_DEG:.0f} deg"
    return [(near, "", f"{report.path_share:.1%} of the time"), ("path, ADD-AUC", "", f"{report.add_auc:.3f}")]


def report_path(folder: str | Path, spec: str) -> Path:
    """Where the report on a specification lies."""
    return Path(folder) / f"report_{spec}.json"


def save_report(folder: str | Path, report: Report) -> Path:
    """Write report_<spec>.json: the same benchmark run twice gives the same bytes."""
    path = report_path(folder, report.spec)
    scalars = {f.name: getattr(report, f.name) for f in fields(report) if f.name not in RULES}
    flags = zip(*(getattr(report, name).tolist() for name in RULES), strict=True)
    write_json(
        path,
        {
            "schema": SCHEMA,
            "version": VERSION,
            **scalars,
            "summary": {name: asdict(value) for name, value in summary(report).items()},
            "rows": [{"index": i, **dict(zip(RULES, row, strict=True))} for i, row in enumerate(flags)],
        },
    )
    return path


def load_report(path: str | Path) -> Report:
    """Read a report; UserError when the file is not one or is damaged."""
    document = read_json(path)
    try:
        return _parse(document)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: expected a benchmark report; run the benchmark again") from error


def _parse(document: Any) -> Report:
    if document["schema"] != SCHEMA or document["version"] != VERSION:
        raise ValueError("another schema")
    # Reports of before there were these four are of the nine actions.
    flags = {"hand_rule": "hand_ok" in document["summary"], "published_rules": True}
    document = {**flags, "path_share": None, "add_auc": None, **document}
    if not (isinstance(document["hand_rule"], bool) and isinstance(document["published_rules"], bool)):
        raise ValueError("not a flag")
    shares = [document[name] for name in ("path_share", "add_auc")]
    if not all(share is None or (isinstance(share, float) and 0.0 <= share <= 1.0) for share in shares):
        raise ValueError("not a share")
    values: dict[str, Any] = {f.name: document[f.name] for f in fields(Report) if f.name not in RULES}
    values |= {name: np.array([row[name] for row in document["rows"]], bool) for name in RULES}
    return Report(**values)
