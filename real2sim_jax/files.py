"""Reading and writing of every artefact, and the one place that knows the layout of the runs folder.

Arrays go into .npz without pickle, with a JSON header (schema, version, configuration, hashes of the parents,
package versions); everything is written under a temporary name and renamed, so a file is whole or absent.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from real2sim_jax.errors import UserError
from real2sim_jax.texts import columns_of, parse_csv, parse_json, parse_toml
from real2sim_jax.types import BoxTrack, Camera, CuboidTrack, Demonstration, MaskTrack

SCHEMA_VERSION = 1
Artefact = TypeVar("Artefact", BoxTrack, MaskTrack, CuboidTrack, Demonstration)


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


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its name when the block ends well, and is removed otherwise."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{os.getpid()}.{target.name}")
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON; dataclasses, arrays and paths are converted."""
    write_text(path, json.dumps(value, indent=1, default=_jsonable) + "\n")


def read_text(path: str | Path) -> str:
    """Read a text file, with or without a mark of its byte order; UserError when it is absent or no text."""
    try:
        return _existing(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: expected a text file in UTF-8, got binary data or another encoding") from error


def read_json(path: str | Path) -> Any:
    """Read JSON; UserError names the file and the place where it is malformed."""
    return parse_json(read_text(path), path)


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read the tables of a TOML file; UserError names the file and the place where it is malformed."""
    return parse_toml(read_text(path), path)


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


def save(path: str | Path, artefact: Artefact, *, config: Any = None, parents: Mapping[str, str] | None = None) -> None:
    """Write a track or demonstration with its configuration and its parents' hashes."""
    header = {
        "schema": type(artefact).__name__,
        "version": SCHEMA_VERSION,
        "config": config,
        "parents": dict(parents or {}),
        "versions": versions(),
    }
    arrays = _flatten(artefact)
    if isinstance(artefact, MaskTrack):
        # A mask is a byte per pixel on disk: 256 levels are finer than any segmenter's.
        arrays["masks"] = np.round(np.asarray(arrays["masks"]) * 255).astype(np.uint8)
    text = np.array(json.dumps(header, default=_jsonable))
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, header=text, **arrays)  # type: ignore[arg-type]


def load(path: str | Path, kind: type[Artefact]) -> Artefact:
    """Read a track or demonstration; UserError when the file is absent, damaged, of another schema or version."""
    header, arrays = _read_npz(_existing(path))
    if header.get("schema") != kind.__name__:
        raise UserError(f"{path}: expected a {kind.__name__}, got {header.get('schema')}; check the path")
    if header.get("version") != SCHEMA_VERSION:
        raise UserError(f"{path}: schema version {header.get('version')}, expected {SCHEMA_VERSION}; make it again")
    try:
        if kind is MaskTrack:
            arrays["masks"] = arrays["masks"].astype(np.float32) / 255.0
        return _unflatten(kind, arrays)
    except KeyError as error:
        raise UserError(f"{path}: field {error} is missing; make the file again") from error


def load_header(path: str | Path) -> dict[str, Any]:
    """Return what an artefact says of itself: schema, version, config, parents, versions."""
    return _read_npz(_existing(path))[0]


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


def _existing(path: str | Path) -> Path:
    # Of os: pathlib's raise an OSError for names that are too long.
    if not os.path.isfile(path):
        raise UserError(f"{path}: expected a file, found {'a folder' if os.path.isdir(path) else 'nothing'}")
    return Path(path)


def _read_npz(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return json.loads(str(arrays.pop("header"))), arrays
    except Exception as error:
        # zipfile, numpy and json raise many types for a damaged file; to the user they are one.
        raise UserError(f"{path}: damaged or foreign file ({type(error).__name__}); make it again") from error


def _flatten(value: Any, prefix: str = "") -> dict[str, np.ndarray]:
    items = {f.name: getattr(value, f.name) for f in fields(value)} if is_dataclass(value) else value
    flat: dict[str, np.ndarray] = {}
    for name, item in items.items():
        nested = is_dataclass(item) or isinstance(item, Mapping)
        flat |= _flatten(item, f"{prefix}{name}.") if nested else {prefix + name: np.asarray(item)}
    return flat


def _unflatten(kind: Any, arrays: Mapping[str, np.ndarray], prefix: str = "") -> Any:
    values: dict[str, Any] = {}
    for field in fields(kind):
        name = prefix + field.name
        if field.name == "camera":
            values[field.name] = _unflatten(Camera, arrays, f"{name}.")
        elif field.name == "quality":
            start = f"{name}."
            values[field.name] = {key[len(start) :]: arrays[key] for key in arrays if key.startswith(start)}
        else:
            values[field.name] = arrays[name]
    return kind(**values)


def _jsonable(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    return np.asarray(value).tolist()
