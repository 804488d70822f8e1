"""`real2sim sweep`: studies from their conditions to tables."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from real2sim_jax.commands.options import at_least_one, ids
from real2sim_jax.core.errors import UserError


@dataclass(frozen=True)
class Sweep:
    """Train and judge every condition of studies; what is finished is skipped."""

    studies: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Studies (TOML): a question, conditions, actions and the number of seeds."""
    quick: bool = False
    """The reduced version of each study, its table [quick]."""
    actions: str | None = None
    """Run only these of the studies' actions now, separated by commas; all when absent."""
    seeds: int | None = None
    """Seeds of each condition, from 0 on; as the study says when absent."""
    physics: str | None = None
    """Physics back end of all conditions: batch or mjx; as the study says when absent."""
    tracks: Path | None = None
    """Folder of tracks to learn from; the built-in synthetic demonstrations when absent."""
    specs: Path | None = None
    """Folder of the start states easy.csv and hard.csv; drawn from the same ranges when absent."""
    runs: Path = Path("runs")
    """Folder of all results."""
    out: Path | None = None
    """Folder that gets STUDY.csv and STUDY.png; RUNS/sweeps when absent."""
    page: Path | None = None
    """Page whose section `study STUDY` gets the table and the picture."""
    plan: bool = False
    """Only say what would be trained, how many control steps that is, and how long it takes."""
    rate: float | None = None
    """Control steps per second of a training, for --plan; that of the finished populations when absent."""
    ray: str | None = None
    """Address of a Ray cluster to run on, or `local` to start one on this machine for the purpose."""
    cpus: float = 1.0
    """Processor cores of each task on Ray."""
    gpus: float = 0.0
    """GPUs of each task on Ray."""
    tpus: float = 0.0
    """TPU chips of each task on Ray."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax.stages.console import Console
        from real2sim_jax.sweeps.runner import Inputs, run_missing

        console = Console()
        studies, failures = self._studies()
        inputs = Inputs(self.runs, self.tracks, self.specs)
        if self.plan:
            return self._plan(studies, failures, inputs, console)
        with self._execution(inputs, console) as execute:
            members = self._members(studies, inputs, failures)
            chosen = [m for every in members.values() for m in every if self._wants(m.job.action.name)]
            shown = _Results(inputs, self.out or self.runs / "sweeps", self.page, console)
            try:
                failures |= run_missing(chosen, inputs, execute, console)
            finally:
                # Whatever ends the sweep, the tables say what is finished.
                for study in studies:
                    shown.write(study, members[study.name])
        for name, why in failures.items():
            console.say(f"failed: {name}: {why}")
        return 1 if failures else 0

    def _plan(self, studies: Sequence[Any], failures: dict[str, str], inputs: Any, console: Any) -> int:
        from real2sim_jax.sweeps.plan import HEADER, plan

        every = self._members(studies, inputs, failures)
        wanted = {study: [m for m in found if self._wants(m.job.action.name)] for study, found in every.items()}
        rows, source = plan(wanted, inputs, self.rate)
        console.table("what is to do", HEADER, rows)
        console.say(source)
        for name, why in failures.items():
            console.say(f"cannot be done: {name}: {why}")
        return 1 if failures else 0

    def _members(self, studies: Sequence[Any], inputs: Any, failures: dict[str, str]) -> dict[str, Any]:
        """Return the populations of each study by its name; why others cannot be made joins the failures."""
        from real2sim_jax.sweeps.runner import members_of

        members = {}
        for study in studies:
            members[study.name], refused = members_of(study, inputs)
            failures |= refused
        return members

    def _studies(self) -> tuple[list[Any], dict[str, str]]:
        """Return the studies that can be read, and why others cannot; UserError when none is left."""
        from real2sim_jax.sweeps.study import read_study
        from real2sim_jax.sweeps.tables import check_section

        if self.seeds is not None:
            at_least_one("--seeds", self.seeds)
        studies, failures = [], {}
        for path in self.studies:
            try:
                study = read_study(path, self.quick, self.seeds, self.physics)
                if self.page is not None:
                    check_section(self.page, f"study {study.name}")
                studies.append(study)
            except UserError as error:
                failures[str(path)] = str(error)
        if not studies:
            raise UserError(next(iter(failures.values()), "expected at least one study (TOML), got none"))
        known = {action for study in studies for action in study.actions}
        for name in ids(self.actions) or ():
            if name not in known:
                raise UserError(f"--actions {name}: expected one of {', '.join(known)}")
        return studies, failures

    def _wants(self, action: str) -> bool:
        return self.actions is None or action in (ids(self.actions) or ())

    @contextmanager
    def _execution(self, inputs: Any, console: Any) -> Iterator[Any]:
        """Yield what runs populations: in this process, or on Ray."""
        from real2sim_jax.sweeps.cluster import Cluster, connected, run_on_ray
        from real2sim_jax.sweeps.runner import run_here

        if self.ray is None:
            yield lambda members: run_here(members, inputs, console)
            return
        cluster = Cluster(self.ray, self.cpus, self.gpus, self.tpus)
        with connected(cluster) as ray:
            _leave_accelerators_to_workers()
            yield lambda members: run_on_ray(ray, members, inputs, cluster)


@dataclass(frozen=True)
class _Results:
    """Where a study's results go."""

    inputs: Any
    out: Path
    page: Path | None
    console: Any

    def write(self, study: Any, members: Sequence[Any]) -> None:
        """Write the CSV and the picture, print the table and put it on the page."""
        from real2sim_jax.sweeps import tables
        from real2sim_jax.viewers.plots import save_study_plot

        rows = tables.rows_of(members, self.inputs)
        lines = tables.table(members, rows)
        self.console.table(f"{study.name}: {study.question}", tables.HEADER, lines)
        if not rows:
            return
        tables.write_rows(self.out / f"{study.name}.csv", rows)
        picture = self.out / f"{study.name}.png"
        save_study_plot(picture, tables.panels(rows))
        if self.page is not None:
            text = tables.markdown(study.question, lines, tables.relative(picture, self.page))
            tables.write_section(self.page, f"study {study.name}", text)


def _leave_accelerators_to_workers() -> None:
    """A worker on this machine needs the accelerator's memory, of which jax would take most for this process."""
    import jax

    jax.config.update("jax_platforms", "cpu")
