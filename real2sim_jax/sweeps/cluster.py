"""Populations on a Ray cluster: one task each; results come back as bytes, so no disk needs to be shared.

The only file that imports ray, an optional package (extra `ray`), and late.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real2sim_jax.errors import UserError
from real2sim_jax.files import replacing
from real2sim_jax.sweeps.population import KEPT, SUMMARY, Job, run_population
from real2sim_jax.sweeps.runner import Inputs, Member, keep_failure

RETRIES = 3
PASSED_ON = ("XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")
"""Settings of the environment that a worker takes over where it has none of its own."""


@dataclass(frozen=True)
class Cluster:
    """Where tasks run, and what each of them needs."""

    address: str
    """Of a running cluster, or `local`: one is started on this machine for the purpose, and ended with the sweep."""
    cpus: float = 1.0
    gpus: float = 0.0
    tpus: float = 0.0


def run_on_ray(members: Sequence[Member], inputs: Inputs, cluster: Cluster) -> Iterator[tuple[Member, str | None]]:
    """Run populations as tasks and write each one's results as soon as it has ended.

    A task whose worker dies, or that fails by anything but wrong input, is started again up to RETRIES times.
    UserError: ray is not installed, or there is no cluster at the address.
    """
    ray = _ray()
    needs = {"num_cpus": cluster.cpus, "num_gpus": cluster.gpus}
    needs |= {"resources": {"TPU": cluster.tpus}} if cluster.tpus else {}
    settings = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    with _connected(ray, cluster.address):
        population = ray.remote(max_retries=RETRIES, retry_exceptions=True, **needs)(task)
        running = {population.remote(member.job, settings): member for member in members}
        while running:
            done = ray.wait(list(running), num_returns=1)[0][0]
            member = running.pop(done)
            folder = inputs.folder(member.job)
            try:
                files = ray.get(done)
            except Exception as error:
                # Ray's own errors and those of the task, of any type; the other tasks go on.
                yield member, keep_failure(folder, error)
                continue
            if isinstance(files, str):
                yield member, files
            else:
                _write(folder, files)
                yield member, None


def task(job: Job, settings: Mapping[str, str]) -> dict[str, bytes] | str:
    """Run one population on a worker; return its files by path, or why the job cannot be done anywhere."""
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    from real2sim_jax.console import Console

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "population"
        try:
            run_population(job, folder, Path(temporary) / "fits", Console())
        except UserError as error:
            return str(error)
        except KeyboardInterrupt as error:
            # Somebody ended this worker, not the sweep.
            raise RuntimeError("the worker was told to stop") from error
        paths = [path for pattern in KEPT for path in folder.rglob(pattern)]
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """The summary comes last: with it the results count as complete."""
    for name in sorted(files, key=lambda name: name == SUMMARY):
        with replacing(folder / name) as temporary:
            temporary.write_bytes(files[name])


@contextmanager
def _connected(ray: Any, address: str) -> Iterator[None]:
    try:
        if address == "local":
            # Nobody else is to reach the cluster that is started here.
            ray.init(include_dashboard=False, _node_ip_address="127.0.0.1")
        else:
            ray.init(address=address)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"--ray {address}: expected a Ray cluster, found none ({reason})") from error
    try:
        yield
    finally:
        ray.shutdown()


def _ray() -> Any:
    # Read when ray is imported: nothing is reported to anybody.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UserError("--ray needs the package ray: pip install 'real2sim-jax[ray]'") from error
    return ray
