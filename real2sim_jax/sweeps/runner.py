"""Runs studies: what is finished is skipped, what fails costs a line, what is equal in two studies is done once."""

import shutil
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from real2sim_jax.benchmarks.specs import SPECS
from real2sim_jax.core.actions import action_named
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import write_text
from real2sim_jax.simulation.types import StartState
from real2sim_jax.stages.console import Console
from real2sim_jax.stages.train_and_benchmark import start_states
from real2sim_jax.sweeps.population import Job, finished, run_population
from real2sim_jax.sweeps.sources import observed_tracks
from real2sim_jax.sweeps.study import Study

Failures = dict[str, str]
"""Why something could not be done, by what it is."""


@dataclass(frozen=True)
class Inputs:
    """Files that all studies of a sweep read and write."""

    runs: Path
    tracks: Path | None = None
    """Folder of annotations; synthetic scenes where there is none."""
    specs: Path | None = None
    """Folder of easy.csv and hard.csv; drawn from the same ranges where there is none."""

    def folder(self, job: Job) -> Path:
        """Where a population's results lie."""
        return self.runs / "sweeps" / job.action.name / job.key

    def fits(self, job: Job) -> Path:
        """Where the fits of a population's videos lie."""
        return self.runs / "sweeps" / "fits" / job.fits_key


@dataclass(frozen=True)
class Member:
    """A place in a study's table: one population."""

    study: str
    condition: str
    job: Job

    def __str__(self) -> str:
        """Return it as it is called in progress and errors."""
        seeds = self.job.seeds
        which = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]}-{seeds[-1]}"
        return f"{self.study}: {self.condition}, {self.job.action.name}, {which}"


Execute = Callable[[Sequence[Member]], Iterator[tuple[Member, str | None]]]
"""Runs populations in any order and yields each with the reason for which it failed, if it did."""


def members_of(study: Study, inputs: Inputs) -> tuple[list[Member], Failures]:
    """Return the populations of a study, and why others cannot be made: no usable video, no such start states."""
    members, failures = [], Failures()
    for name in study.actions:
        action = action_named(name)
        for condition_name, condition in study.conditions.items():
            try:
                observed, _ = observed_tracks(condition.source, action, inputs.tracks)
                starts = _starts(name, inputs.specs, study.rows)
            except UserError as error:
                failures[f"{study.name}: {condition_name}, {name}"] = str(error)
                continue
            condition = replace(condition, train=replace(condition.train, seed=0))
            jobs = [Job(action, condition, seeds, observed, starts) for seeds in study.groups()]
            members += [Member(study.name, condition_name, job) for job in jobs]
    return members, failures


def run_missing(members: Iterable[Member], inputs: Inputs, execute: Execute, console: Console) -> Failures:
    """Run every population that has no results yet; return the failures."""
    by_key: dict[str, Member] = {}
    for member in members:
        by_key.setdefault(member.job.key, member)
    missing = [m for m in by_key.values() if finished(inputs.folder(m.job), m.job) is None]
    console.say(f"{len(by_key)} populations: {len(by_key) - len(missing)} finished, {len(missing)} to do")
    failures = Failures()
    for count, (member, error) in enumerate(execute(missing), start=1):
        console.say(f"{count}/{len(missing)} {member}: {'done' if error is None else f'failed: {error}'}")
        if error is not None:
            failures[str(member)] = error
    return failures


def run_here(members: Sequence[Member], inputs: Inputs, console: Console) -> Iterator[tuple[Member, str | None]]:
    """Run populations one after another in this process."""
    for member in members:
        console.say(f"{member} ...")
        folder = inputs.folder(member.job)
        try:
            run_population(member.job, folder, inputs.fits(member.job), console)
            yield member, None
        except Exception as error:
            # Whatever goes wrong in one population must not end a night's sweep: the next ones may well work.
            yield member, keep_failure(folder, error)


def keep_failure(folder: Path, error: Exception) -> str:
    """Remove what a failed population left, keep the traceback in its place, and return one line."""
    shutil.rmtree(folder, ignore_errors=True)
    if isinstance(error, UserError):
        return str(error)
    path = folder / "error.txt"
    write_text(path, "".join(traceback.format_exception(error)))
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'} ({path})"


@cache
def _starts(action: str, specs: Path | None, rows: int) -> Mapping[str, StartState]:
    """By name; the same for all policies, so that conditions can be compared row by row."""
    sources = {spec: spec if specs is None else str(specs / f"{spec}.csv") for spec in SPECS}
    return {spec: start_states(source, action_named(action), 0, rows) for spec, source in sources.items()}
