"""One population: several seeds of one condition on one action, trained in one program and judged.

It needs nothing but its job and a folder, so it runs in this process or on another machine alike.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from real2sim_jax.benchmarks.report import rate, save_report
from real2sim_jax.benchmarks.specs import spec_hash
from real2sim_jax.core.actions import Action
from real2sim_jax.core.clock import EPISODE_STEPS
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import RunLayout, file_hash, load, plain, read_json, versions, write_json
from real2sim_jax.data.types import Demonstration
from real2sim_jax.simulation.types import StartState
from real2sim_jax.stages.console import Console
from real2sim_jax.stages.fit import Observed, fit_observed
from real2sim_jax.stages.train_and_benchmark import demonstration_stage, judged, reference_path, train_stage
from real2sim_jax.sweeps.sources import tracks_hash
from real2sim_jax.sweeps.study import Condition

SUMMARY = "summary.json"
KEPT = (SUMMARY, "demos.npz", "policy.npz", "metrics.csv", "config.json", "report_*.json", "curves.png")
"""What is worth sending home from another machine."""


@dataclass(frozen=True)
class Job:
    """Everything that a population depends on."""

    action: Action
    condition: Condition
    seeds: tuple[int, ...]
    observed: Observed
    starts: Mapping[str, StartState]
    """Start states of the benchmark by name."""

    @property
    def key(self) -> str:
        """Hash of what shapes the result: jobs of equal keys, of whatever study, need to be done once."""
        starts, train = (
            {name: spec_hash(one) for name, one in self.starts.items()},
            replace(self.condition.train, seed=0),
        )
        return _key(self._fitted | {"train": train, "seeds": self.seeds, "starts": starts})

    @property
    def fits_key(self) -> str:
        """Hash of what shapes the demonstrations."""
        return _key(self._fitted)

    @property
    def _fitted(self) -> dict[str, Any]:
        # What of the videos was seen is in the tracks.
        tracks, given = tracks_hash(self.observed), self.condition
        return {"action": self.action.name, "tracks": tracks, "fit": given.fit, "demonstrate": given.demonstrate}


def _key(config: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain(config), sort_keys=True).encode()).hexdigest()[:16]


def finished(folder: Path, job: Job) -> dict[str, Any] | None:
    """Return the summary of a population that has run to its end in this folder; None where it is to be run again."""
    try:
        summary = read_json(folder / SUMMARY)
        whole = isinstance(summary["train_s"], float) and all(map(_is_result, summary["results"]))
        return summary if whole and summary["key"] == job.key else None
    except (UserError, KeyError, TypeError, AttributeError):
        return None


def _is_result(found: dict[str, Any]) -> bool:
    """Whether a policy's result is as `run_population` writes it."""
    kinds = {name: type(value) for name, value in found.items()}
    expected = {"policy": str, "seed": int, "spec": str, "successes": int, "episodes": int, "rate": float}
    return kinds == expected and abs(found["rate"] * found["episodes"] - found["successes"]) < 1e-6 < found["episodes"]


def run_population(job: Job, folder: Path, fits: Path, console: Console) -> None:
    """Fit, train and judge; write policies, reports, and at last summary.json into the folder.

    fits: folder of the fitted videos, which is shared by all that learn from the same tracks. What an interrupted run
    has left in the folder is gone on with. UserError when the training cannot be done; KeyboardInterrupt when it was
    stopped.
    """
    layout = RunLayout(folder, job.action.name)
    demos = _demonstrations(job, layout, RunLayout(fits, job.action.name), console)
    resume = all((layout.seed(seed) / "checkpoints").is_dir() for seed in job.seeds)
    started = time.perf_counter()
    outcomes = train_stage(job.action, demos, job.condition.train, layout, console, resume, job.seeds)
    seconds = time.perf_counter() - started
    if not all(outcome.complete for outcome in outcomes.values()):
        raise KeyboardInterrupt
    ppo = job.condition.train.ppo
    summary = {
        "key": job.key,
        "action": job.action.name,
        "seeds": job.seeds,
        "condition": job.condition,
        "parents": {"tracks": tracks_hash(job.observed), "demos": file_hash(layout.demonstrations)},
        "videos": list(job.observed),
        "steps": len(job.seeds) * ppo.iterations * ppo.envs * EPISODE_STEPS,
        "train_s": seconds,
        "resumed": resume,
        "results": _results(job, layout, console),
        "versions": versions(),
    }
    write_json(folder / SUMMARY, summary)


def _demonstrations(job: Job, layout: RunLayout, fits: RunLayout, console: Console) -> Demonstration:
    """Those of an interrupted run where there are any: its checkpoints belong to them."""
    if not layout.demonstrations.is_file():
        fitted = fit_observed(job.observed, {}, fits.folder, console, job.condition.fit)
        for video, why in fitted.skipped.items():
            console.say(f"skipped {video}: {why}")
        demonstration_stage(fitted, job.action, fits, job.condition.demonstrate)
        layout.folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(fits.demonstrations, layout.demonstrations)
    return load(layout.demonstrations, Demonstration)


def _results(job: Job, layout: RunLayout, console: Console) -> list[dict[str, Any]]:
    """Judge every seed, and of the first one the reference alone, which learning started from."""
    paths = {layout.seed(seed) / "policy.npz": (seed, "trained") for seed in job.seeds}
    paths[reference_path(layout, job.seeds[0])] = (job.seeds[0], "reference")
    results = []
    with console.status("benchmark") as update:
        for path, report, *_ in judged(paths, job.starts, job.condition.train.physics, seed=0):
            save_report(path.parent, report)
            seed, policy = paths[path]
            found = rate(report.ok)
            results.append(
                {
                    "policy": policy,
                    "seed": seed,
                    "spec": report.spec,
                    "successes": found.successes,
                    "episodes": found.count,
                    "rate": found.rate,
                }
            )
            update(f"benchmark: {policy} of seed {seed}, {report.spec}: {found}")
    return results
