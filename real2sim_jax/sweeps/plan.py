"""What a sweep would cost: its populations, what is left of them, control steps and hours."""

from collections.abc import Iterable, Mapping, Sequence

from real2sim_jax.core.errors import UserError
from real2sim_jax.sweeps.population import Job, finished
from real2sim_jax.sweeps.runner import Inputs, Member

HEADER = ("study", "populations", "to do", "policies to train", "control steps", "hours")


def plan(
    studies: Mapping[str, Sequence[Member]], inputs: Inputs, rate: float | None = None
) -> tuple[list[tuple[str, ...]], str]:
    """Return a row for each study and one for all, and a line on where the hours come from.

    What an earlier study has too is done once, so it counts there. rate: control steps per second of a training; that
    of the finished populations where it is absent. UserError where it is none.
    """
    if rate is not None and not rate > 0.0:
        raise UserError(f"--rate {rate:g}: expected control steps per second above 0")
    told: set[str] = set()
    rows, every = [], [m.job for members in studies.values() for m in members]
    source = "as given" if rate else "of the finished populations" if (rate := _measured(every, inputs)) else ""
    left: list[Job] = []
    for name, members in studies.items():
        jobs = [job for job in _once(m.job for m in members) if job.key not in told]
        told |= {job.key for job in jobs}
        missing = [job for job in jobs if finished(inputs.folder(job), job) is None]
        rows.append(_row(name, jobs, missing, rate))
        left += missing
    if len(studies) > 1:
        rows.append(_row("all", _once(every), left, rate))
    known = f"hours at {rate:,.0f} control steps per second, {source}" if rate else ""
    return rows, known or "no population is finished, so hours are not known; give --rate STEPS_PER_SECOND"


def _once(jobs: Iterable[Job]) -> list[Job]:
    return list({job.key: job for job in jobs}.values())


def _steps_of(job: Job) -> int:
    """The control steps of a population, all seeds together."""
    return job.condition.train.ppo.steps * len(job.seeds)


def _measured(jobs: Sequence[Job], inputs: Inputs) -> float | None:
    """Control steps per second of what is finished; an interrupted training has no whole time."""
    found = [(job, summary) for job in _once(jobs) if (summary := finished(inputs.folder(job), job))]
    whole = [(_steps_of(job), summary["train_s"]) for job, summary in found if not summary.get("resumed")]
    return sum(steps for steps, _ in whole) / sum(seconds for _, seconds in whole) if whole else None


def _row(name: str, jobs: Sequence[Job], missing: Sequence[Job], rate: float | None) -> tuple[str, ...]:
    steps, policies = sum(map(_steps_of, missing)), sum(len(job.seeds) for job in missing)
    hours = f"{steps / rate / 3600.0:.1f}" if rate else "?"
    return name, str(len(jobs)), str(len(missing)), str(policies), f"{steps / 1e6:,.1f} M", hours
