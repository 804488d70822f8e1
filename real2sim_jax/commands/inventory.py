"""What is installed and what an artefact says of itself, as rows of a table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from real2sim_jax.benchmarks.report import load_report, rate
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.policy import Policy, PolicyError, load_policy
from real2sim_jax.data.artefacts import KINDS, load, load_header, read_json, schema_of, versions

Rows = list[tuple[str, str]]


def describe_installation() -> Rows:
    """Return the versions of the packages and the devices that jax sees."""
    import jax

    devices = ", ".join(f"{device.platform}:{device.id} {device.device_kind}" for device in jax.devices())
    return [*versions().items(), ("devices", devices)]


def describe_path(path: Path) -> Rows:
    """Return what a file, or each artefact below a folder, is; UserError when there is nothing."""
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix == ".npz" or p.name.startswith("report_"))
        if not files:
            raise UserError(f"{path}: expected artefacts (.npz, report_*.json), found none")
        return [(str(file.relative_to(path)), _one_line(file)) for file in files if file.suffix in (".npz", ".json")]
    if path.suffix == ".json":
        content = read_json(path)
        if not isinstance(content, dict):
            raise UserError(f"{path}: expected a report or configuration, got other JSON")
        return _rows({name: value for name, value in content.items() if name != "rows"})
    found = _loaded(path)
    if isinstance(found, Policy):
        return [("policy for", found.action.name), ("control period", f"{found.dt:.4f} s"), *_rows(found.provenance)]
    return _rows(found)


def _rows(content: Mapping[str, Any]) -> Rows:
    """Name and value, both short and without what steers a terminal."""
    return [(_printable(name), _printable(value)) for name, value in content.items()]


def _printable(value: Any) -> str:
    return (value if isinstance(value, str) and value.isprintable() else repr(value))[:200]


def _one_line(path: Path) -> str:
    try:
        if path.suffix == ".json":
            report = load_report(path)
            return f"benchmark, success {rate(report.ok).rate:.1%} of {len(report.ok)}"
        found = _loaded(path)
        return f"policy for {found.action.name}" if isinstance(found, Policy) else found["schema"]
    except (UserError, PolicyError) as error:
        return f"not good: {_printable(str(error).removeprefix(f'{path}: '))}"


def _loaded(path: Path) -> Policy | dict[str, Any]:
    """A policy, or the header of an artefact of which every array is as its type says; UserError or PolicyError."""
    schema = schema_of(path)
    if schema is None:
        return load_policy(path)
    load(path, KINDS[schema])
    return load_header(path)
