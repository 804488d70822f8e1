"""Reading and writing of every artefact, and the one place that knows the layout of the runs folder.

Arrays go into .npz without pickle, with a JSON header (schema, version, configuration, hashes of the parents,
package versions); everything is written under a temporary name and renamed, so a file is whole or absent.
"""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from real2sim_jax.core.errors import UserError
from real2sim_jax.core.storage import StorageError, read_npz, replacing, shown, write_npz
from real2sim_jax.core.text import columns_of, existing, parse_csv, parse_json, read_text
from real2sim_jax.data.types import BoxTrack, CuboidTrack, Demonstration, MaskTrack, check, flatten, unflatten

SCHEMA_VERSION = 1
MAX_BYTES = 2**29
"""Of an unpacked artefact: three masks of the longest video are as large."""
_HEADER = {"schema": str, "version": int, "parents": dict, "versions": dict}
AnyArtefact = BoxTrack | MaskTrack | CuboidTrack | Demonstration
KINDS: dict[str, Any] = {kind.__name__: kind for kind in (BoxTrack, MaskTrack, CuboidTrack, Demonstration)}
"""Artefacts by the name of their schema."""
Artefact = TypeVar("Artefact", bound=AnyArtefact)


@dataclass(frozen=True)
class RunLayout:
    """Where each artefact of one action lies below the runs folder."""

    root: Path
    action: str

    @property
    def folder(self) -> Path:
        """All of the action's artefacts."""
        return self.root / self.action

    def video(self, video_id: str) -> Path:
        """Folder of one demonstration video: boxes.npz or masks.npz, track.npz, states.csv, fit.gif."""
        return self.folder / video_id

    @property
    def demonstrations(self) -> Path:
        """The demonstrations of all videos, stacked."""
        return self.folder / "demos.npz"

    def seed(self, seed: int) -> Path:
        """Folder of one training run: policy.npz, checkpoints, logs, benchmark reports, rollout.gif."""
        return self.folder / f"seed{seed}"


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON; dataclasses, arrays and paths are converted."""
    write_text(path, json.dumps(value, indent=1, default=_jsonable) + "\n")


def read_json(path: str | Path) -> Any:
    """Read JSON; UserError names the file and the place where it is malformed."""
    return parse_json(read_text(path), path)


def plain(config: Any) -> Any:
    """Return a configuration as it reads back from JSON, to compare with a stored one."""
    return json.loads(json.dumps(config, default=_jsonable))


def file_hash(path: str | Path) -> str:
    """SHA-256 of a file, as hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions() -> dict[str, str]:
    """Versions of this package and of those that shape its numbers."""
    found = {}
    packages = "real2sim-jax jax jaxlib flax optax brax mujoco mujoco-mjx warp-lang numpy"
    for name in packages.split():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def save(
    path: str | Path, artefact: AnyArtefact, *, config: Any = None, parents: Mapping[str, str] | None = None
) -> None:
    """Write a track or demonstration with its configuration and its parents' hashes.

    UserError where it is not what its type says, before anything is written.
    """
    header = {
        "schema": type(artefact).__name__,
        "version": SCHEMA_VERSION,
        "config": config,
        "parents": dict(parents or {}),
        "versions": versions(),
    }
    arrays = checked(path, artefact)
    if isinstance(artefact, MaskTrack):
        # A mask is a byte per pixel on disk: 256 levels are finer than any segmenter's.
        arrays["masks"] = np.round(np.asarray(arrays["masks"]) * 255).astype(np.uint8)
    write_npz(path, json.dumps(header, default=_jsonable), arrays, compressed=True)


def load(path: str | Path, kind: type[Artefact]) -> Artefact:
    """Read a track or demonstration; UserError when the file is absent, damaged or not what its type says."""
    header, arrays = _read_npz(path)
    if header["schema"] != kind.__name__:
        raise UserError(f"{path}: expected a {kind.__name__}, got {shown(header['schema'])}; check the path")
    if header["version"] != SCHEMA_VERSION:
        raise UserError(f"{path}: schema version {header['version']}, expected {SCHEMA_VERSION}; make it again")
    if kind is MaskTrack and "masks" in arrays:
        if arrays["masks"].dtype != np.uint8:
            raise UserError(f"{path}: masks are of type {arrays['masks'].dtype}, expected a byte each; make it again")
        arrays["masks"] = np.divide(arrays["masks"], np.float32(255.0), dtype=np.float32)
    _check(path, kind, arrays)
    return unflatten(kind, arrays)


def checked(path: str | Path, artefact: AnyArtefact) -> dict[str, np.ndarray]:
    """Return the arrays of an artefact by name; UserError, naming the file, where one is not as its type says."""
    arrays = flatten(artefact)
    _check(path, type(artefact), arrays)
    return arrays


def _check(path: str | Path, kind: type, arrays: Mapping[str, np.ndarray]) -> None:
    try:
        check(kind, arrays)
    except ValueError as error:
        raise UserError(f"{path}: {error}; make it again") from error


def load_if_same(
    folder: Path, names: Sequence[str], kind: type[Artefact], made_from: Mapping[str, Any], say: Callable[[str], None]
) -> Artefact | None:
    """Return the artefact in the first of a folder's files if it was made from the same, None where it is to be made.

    made_from: entries of its header. The other files belong to it and are there. Where there is one that is damaged,
    was made from something else or lacks its company, `say` gets a line about it.
    """
    path = folder / names[0]
    if not path.is_file():
        return None
    absent = [name for name in names if not (folder / name).is_file()]
    try:
        header = load_header(path)
        changed = [name for name, value in made_from.items() if header.get(name) != value]
        if not changed and not absent:
            return load(path, kind)
        why = f"{absent[0]} is missing" if absent else f"other {' and '.join(changed)} than now"
        say(f"made again: {path}: {why}")
    except UserError as error:
        say(f"made again: {error}")
    return None


def schema_of(path: str | Path) -> str | None:
    """Return the name of what an .npz file holds, one of KINDS, None where it is a policy.

    UserError when it is neither.
    """
    try:
        header, _ = read_npz(existing(path), MAX_BYTES)
    except StorageError as error:
        raise UserError(f"{path}: damaged or foreign file ({error}); make it again") from error
    if "format" in header:
        return None
    if header.get("schema") not in KINDS:
        raise UserError(f"{path}: its schema is {shown(header.get('schema'))}, expected one of {', '.join(KINDS)}")
    return header["schema"]


def load_header(path: str | Path) -> dict[str, Any]:
    """Return what an artefact says of itself: schema, version, config, parents, versions."""
    return _read_npz(path)[0]


def read_csv(path: str | Path, required: Sequence[str]) -> list[dict[str, str]]:
    """Read a CSV with a header row; UserError when a required column is absent or a row has another length."""
    return [row for _, row in parse_csv(read_text(path), path, required)]


def read_columns(path: str | Path, required: Sequence[str]) -> dict[str, np.ndarray]:
    """Read a CSV of numbers into float columns, each (rows,); UserError names the line that is no usable number."""
    return columns_of(parse_csv(read_text(path), path, required), path)


def write_csv(path: str | Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write equally long columns with a header row."""
    rows = zip(*(np.asarray(column).tolist() for column in columns.values()), strict=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _read_npz(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        header, arrays = read_npz(existing(path), MAX_BYTES)
    except StorageError as error:
        raise UserError(f"{path}: damaged or foreign file ({error}); make it again") from error
    for name, kind in _HEADER.items():
        if type(header.get(name)) is not kind:
            raise UserError(f"{path}: {name} is {shown(header.get(name))} in its header; make it again")
    return header, arrays


def _jsonable(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    return np.asarray(value).tolist()
