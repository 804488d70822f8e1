"""What is installed and what an artefact says of itself, as rows of a table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from real2sim_jax.benchmark.report import load_report, rate
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.policy import FORMAT, Policy, PolicyError, load_policy
from real2sim_jax.core.storage import StorageError, read_npz, shown
from real2sim_jax.data.artefacts import MAX_BYTES, load, load_header, read_json, versions
from real2sim_jax.data.types import BoxTrack, CuboidTrack, Demonstration, MaskTrack

Rows = list[tuple[str, str]]
KINDS = {kind.__name__: kind for kind in (BoxTrack, MaskTrack, CuboidTrack, Demonstration)}
"""Artefacts by the name of their schema."""


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
        return [("policy for", found.action), ("control period", f"{found.dt:.4f} s"), *_rows(found.provenance)]
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
        return f"policy for {found.action}" if isinstance(found, Policy) else found["schema"]
    except (UserError, PolicyError) as error:
        return f"not good: {_printable(str(error).removeprefix(f'{path}: '))}"


def _loaded(path: Path) -> Policy | dict[str, Any]:
    """A policy, or the header of an artefact of which every array is as its type says; UserError or PolicyError."""
    if not path.is_file():
        raise UserError(f"{path}: expected a file or folder, found nothing")
    try:
        is_policy = read_npz(path, MAX_BYTES)[0].get("format") == FORMAT
    except StorageError:
        # The loader that reads it next says what is wrong.
        is_policy = False
    if is_policy:
        return load_policy(path)
    header = load_header(path)
    if header["schema"] not in KINDS:
        raise UserError(f"{path}: its schema is {shown(header['schema'])}, expected one of {', '.join(KINDS)}")
    load(path, KINDS[header["schema"]])
    return header
