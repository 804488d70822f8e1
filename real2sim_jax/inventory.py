"""What is installed and what an artefact says of itself, as rows of a table."""

from pathlib import Path

import numpy as np

from real2sim_jax.benchmark.report import load_report, rate
from real2sim_jax.errors import UserError
from real2sim_jax.files import load_header, read_json, versions
from real2sim_jax.robot.policy import FORMAT, PolicyError, load_policy

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
        return [(name, str(value)[:200]) for name, value in content.items() if name != "rows"]
    if _is_policy(path):
        policy = load_policy(path)
        rows = [("policy for", policy.action), ("control period", f"{policy.dt:.4f} s")]
        return rows + [(name, str(value)[:200]) for name, value in policy.provenance.items()]
    return [(name, str(value)[:200]) for name, value in load_header(path).items()]


def _one_line(path: Path) -> str:
    try:
        if path.suffix == ".json":
            report = load_report(path)
            return f"benchmark, success {rate(report.ok).rate:.1%} of {len(report.ok)}"
        if _is_policy(path):
            return f"policy for {load_policy(path).action}"
        return str(load_header(path).get("schema", "not one of ours"))
    except (UserError, PolicyError):
        return "damaged or not one of ours"


def _is_policy(path: Path) -> bool:
    if not path.is_file():
        raise UserError(f"{path}: expected a file or folder, found nothing")
    try:
        with np.load(path, allow_pickle=False) as file:
            return FORMAT in str(file["header"])
    except Exception:
        # Any damage is reported by the loader that reads it next.
        return False
