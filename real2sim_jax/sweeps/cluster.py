"""Populations on a Ray cluster: one task each; results come back as bytes, so no disk needs to be shared.

The only file that imports ray, an optional package (extra `ray`), and late.
"""

import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import replacing
from real2sim_jax.sweeps.population import KEPT, SUMMARY, Job, run_population
from real2sim_jax.sweeps.runner import Inputs, Member, keep_failure

Key = TypeVar("Key")
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


@contextmanager
def connected(cluster: Cluster) -> Iterator[Any]:
    """Yield ray, connected to the cluster. To be entered before jax starts its threads: a local cluster is forked.

    UserError: ray is not installed, or there is no cluster at the address.
    """
    # Ray reads these when it is imported. Nothing is reported to anybody; and as Ray listens on all interfaces whatever
    # it is told, nobody without this token can use what is started here.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if cluster.address == "local":
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        import ray
    except ImportError as error:
        raise UserError("--ray needs the package ray: pip install 'real2sim-jax[ray]'") from error
    try:
        if cluster.address == "local":
            ray.init(address="local", include_dashboard=False, _node_ip_address="127.0.0.1")
        else:
            _check_open(cluster.address)
            ray.init(address=cluster.address)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"--ray {cluster.address}: expected a Ray cluster, found none ({reason})") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def run_on_ray(
    ray: Any, members: Sequence[Member], inputs: Inputs, cluster: Cluster
) -> Iterator[tuple[Member, str | None]]:
    """Run populations as tasks and write each one's results as soon as it has ended; yield them as `run_here` does."""
    settings = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    calls = {index: (member.job, settings) for index, member in enumerate(members)}
    for index, result in tasks(ray, population, calls, cluster):
        member = members[index]
        folder = inputs.folder(member.job)
        if isinstance(result, Exception):
            yield member, keep_failure(folder, result)
        elif isinstance(result, str):
            yield member, result
        else:
            _write(folder, result)
            yield member, None


def tasks(
    ray: Any, function: Callable[..., Any], calls: Mapping[Key, tuple[Any, ...]], cluster: Cluster
) -> Iterator[tuple[Key, Any]]:
    """Call a function with each of the arguments as a task; yield the results, or the exceptions, as they come.

    A task whose worker dies, or that raises, is started again up to RETRIES times.
    """
    needs = {"num_cpus": cluster.cpus, "num_gpus": cluster.gpus}
    needs |= {"resources": {"TPU": cluster.tpus}} if cluster.tpus else {}
    remote = ray.remote(max_retries=RETRIES, retry_exceptions=True, **needs)(function)
    running = {remote.remote(*arguments): key for key, arguments in calls.items()}
    while running:
        done = ray.wait(list(running), num_returns=1)[0][0]
        try:
            result = ray.get(done)
        except Exception as error:
            # Ray's own errors and the function's, of any type: the other tasks go on.
            result = error
        yield running.pop(done), result


def population(job: Job, settings: Mapping[str, str]) -> dict[str, bytes] | str:
    """Run one population on a worker; return its files by path, or why the job cannot be done anywhere."""
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    from real2sim_jax.stages.console import Console

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


def _check_open(address: str) -> None:
    """OSError when nobody listens at HOST:PORT: Ray itself would go on trying for more than ten minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10.0).close()
