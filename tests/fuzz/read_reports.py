"""Readers of what the package itself wrote: reports, summaries, folders of results, and `real2sim info` over them."""

import contextlib
import io
import random
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from real2sim_jax.benchmarks.report import Report, load_report, path_rows, save_report, summary_rows
from real2sim_jax.cli import main
from real2sim_jax.commands.inventory import describe_path
from real2sim_jax.commands.replay import read_track
from real2sim_jax.commands.view import View, scenes_of
from real2sim_jax.core.clock import EPISODE_TIMES_S
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import save, write_json
from real2sim_jax.evaluation.folders import evaluate_states
from real2sim_jax.evaluation.report import FitReport, saved_loss_curve
from real2sim_jax.formats.published_states import write_states
from real2sim_jax.sweeps.runner import Inputs, Member
from real2sim_jax.sweeps.tables import rows_of
from tests.fuzz import mutate_csv, mutate_npz, oracles
from tests.fuzz.case import REFUSALS, Reader, refusal
from tests.fuzz.read_arrays import artefact, write_policy
from tests.fuzz.read_text import damage_json

REPORT, QUALITY, SUMMARY = "report_easy.json", "quality.json", "sweeps/pick_up/key/summary.json"


def write_report(folder: Path) -> None:
    flags = {
        name: np.arange(6) % 2 == 0 for name in ("hand_ok", "object_ok", "published_hand_ok", "published_object_ok")
    }
    save_report(
        folder, Report("pick_up", "ab", "easy", "cd", "batch", 0, {"numpy": "2"}, False, True, **flags, path_share=0.5)
    )


def read_report(folder: Path) -> Any:
    report = load_report(folder / REPORT)
    return report, [*summary_rows(report), *path_rows(report)], describe_path(folder / REPORT)


def wrong_report(found: Any) -> list[str]:
    report, rows, table = found
    flags = (report.hand_ok, report.object_ok, report.published_hand_ok, report.published_object_ok)
    wrong = [text for flag in flags for text in oracles.array("flags", flag, (None,), "b")]
    return wrong + [f"cell {ascii(cell)[:60]}" for row in (*rows, *table) for cell in row if not isinstance(cell, str)]


def write_quality(folder: Path) -> None:
    write_json(folder / QUALITY, FitReport("pick_up", [], [], {}, True, {}, {}, [(0.0, 1.0), (10.0, 0.5)]))


def read_quality(folder: Path) -> np.ndarray:
    return saved_loss_curve(folder / QUALITY, lambda line: None)


def wrong_quality(curve: np.ndarray) -> list[str]:
    return [] if not len(curve) else list(oracles.array("loss curve", curve, (None, 2)))


def write_summary(folder: Path) -> None:
    result = {"policy": "trained", "seed": 0, "spec": "easy", "successes": 3, "episodes": 4, "rate": 0.75}
    content = {"key": "key", "action": "pick_up", "seeds": [0], "train_s": 2.5, "results": [result]}
    write_json(folder / SUMMARY, content)


def read_summary(folder: Path) -> Any:
    """The rows of a sweep's table; the job is known by its key alone."""
    job = SimpleNamespace(key="key", action=SimpleNamespace(name="pick_up"), seeds=(0,))
    return rows_of([Member("study", "usual", job)], Inputs(folder))  # type: ignore[arg-type]


def wrong_summary(rows: Any) -> list[str]:
    return [f"row {row}"[:200] for row in rows if not 0.0 <= row.rate <= 1.0 or not 0 <= row.successes <= row.episodes]


def write_results(folder: Path) -> None:
    """A video's folder, a policy, a report, demonstrations: what lies below runs/ACTION."""
    video = folder / "pick_up" / "101"
    boxes, track = artefact("boxes"), artefact("track")
    save(video / "track.npz", track, config={}, parents={"boxes": "ab"})
    save(video / "boxes.npz", boxes)
    write_states(video / "states.csv", track)
    write_json(video / QUALITY, FitReport("put_onto", [], [], {}, True, {}, {}, []))
    save(folder / "pick_up" / "demos.npz", artefact("demonstrations"), parents={"101": "ab", "102": "cd"})
    (folder / "pick_up" / "seed1").mkdir()
    write_policy(folder / "pick_up" / "seed1")
    write_report(folder / "pick_up" / "seed1")


def damage_results(folder: Path, rng: random.Random, seed: int) -> None:
    """One of the files, or its absence."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path, times = files[seed % len(files)], seed // len(files)
    if rng.random() < 0.05:
        path.unlink()
    elif path.suffix == ".npz":
        mutate_npz.damage(path, rng, times)
    elif path.suffix == ".json":
        damage_json(path.name, path.parent, rng, times)
    else:
        mutate_csv.damage(path, rng, times)


def read_results(folder: Path) -> list[Any]:
    """Everything that looks at a folder of results; each may refuse it in a line."""
    run = folder / "pick_up"
    readers = (
        partial(describe_path, folder),
        partial(evaluate_states, run),
        partial(read_track, run / "101" / "states.csv"),
        # Of a seed that has no policy: an episode takes seconds.
        partial(scenes_of, View(run=run, seed=0), EPISODE_TIMES_S),
    )
    return [_or_refusal(reader) for reader in readers]


def _or_refusal(reader: Any) -> Any:
    try:
        return reader()
    except REFUSALS as error:
        verdict = refusal(str(error))
        return ValueError(verdict.detail) if verdict.is_fault else None


def wrong_results(found: list[Any]) -> list[str]:
    wrong = [str(one) for one in found if isinstance(one, ValueError)]
    table, judged, track, _ = (None if isinstance(one, ValueError) else one for one in found)
    wrong += [f"row {ascii(row)[:150]}" for row in table or () if not all(map(oracles.is_line, row))]
    wrong += (
        [] if judged is None else [f"{ascii(why)[:150]}" for why in judged.refused.values() if not oracles.is_line(why)]
    )
    return wrong + ([] if track is None else oracles.cuboid_track(track))


def info(folder: Path) -> tuple[int, str, str]:
    """`real2sim info` on the damaged file: exit code, stdout, stderr. A refusal in one line is raised as such."""
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            main(["info", str(_changed(folder))])
        except SystemExit as end:
            code = end.code
    if code == 2 and not out.getvalue():
        raise UserError(errors.getvalue().removesuffix("\n"))
    return int(code or 0), out.getvalue(), errors.getvalue()


def _changed(folder: Path) -> Path:
    return next(folder.glob("changed.*"))


def write_info(folder: Path) -> None:
    write_results(folder)
    shutil.copy(folder / "pick_up" / "seed1" / "policy.npz", folder / "changed.npz")


def damage_info(folder: Path, rng: random.Random, seed: int) -> None:
    """One of the files becomes the one to look at."""
    files = sorted(path for path in (folder / "pick_up").rglob("*") if path.suffix in (".npz", ".json"))
    path, times = files[seed % len(files)], seed // len(files)
    _changed(folder).unlink()
    target = folder / f"changed{path.suffix}"
    shutil.copy(path, target)
    mutate_npz.damage(target, rng, times) if path.suffix == ".npz" else damage_json(target.name, folder, rng, times)


def wrong_info(found: tuple[int, str, str]) -> list[str]:
    code, out, errors = found
    fine = code == 0 and out and not errors and not set(out) & set("\x1b\x00\r\x07\x08")
    return [] if fine else [f"code {code}, stdout {ascii(out)[:80]}, stderr {ascii(errors)[:80]}"]


READERS = (
    Reader("report JSON", write_report, partial(damage_json, REPORT), read_report, wrong_report, 120),
    Reader("quality JSON", write_quality, partial(damage_json, QUALITY), read_quality, wrong_quality, 60),
    Reader("summary JSON", write_summary, partial(damage_json, SUMMARY), read_summary, wrong_summary, 80),
    Reader("folder of results", write_results, damage_results, read_results, wrong_results, 150),
    Reader("real2sim info", write_info, damage_info, info, wrong_info, 120),
)
