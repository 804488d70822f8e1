"""Files that are whole or absent, and .npz files read without trust: no pickle, nothing twice, nothing huge."""

import json
import math
import os
import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from real2sim_jax.core.errors import InputError

Arrays = dict[str, np.ndarray]

MAX_TEXT = 60
"""Characters of a foreign value in a message."""
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class StorageError(ValueError):
    """Why a file cannot be read, in a few words of one line."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its name when the block ends well, and is removed otherwise.

    What is made there is a file or a folder. No two calls share a name, whether of threads, processes or machines; of
    several that replace one file at once, the last one to end stays. Links are followed. InputError where something
    lies there that is neither file nor folder.
    """
    target = _target(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{secrets.token_hex(8)}.{target.name}")
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        temporary.unlink(missing_ok=True)


def check_output(path: str | Path) -> None:
    """Make sure that a file can be written at `path` before the work that ends in it; InputError or OSError if not."""
    target = _target(path)
    if target.is_dir():
        raise InputError(f"{path}: expected the name of a file, found a folder; give a name in it")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Permissions tell less than an attempt: a disk may be mounted read-only, and root may do anything elsewhere.
    with tempfile.TemporaryFile(dir=target.parent):
        pass


def _target(path: str | Path) -> Path:
    """Where a path leads; renaming would put a file in the place of a device, a pipe or a socket."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file() and not target.is_dir():
        raise InputError(f"{path}: expected a new name or a file to replace, found a device, a pipe or a socket")
    return target


def write_npz(path: str | Path, header: str, arrays: Mapping[str, Any], *, compressed: bool = False) -> None:
    """Write arrays and a JSON header into an .npz file, whole or not at all."""
    save: Any = np.savez_compressed if compressed else np.savez
    with replacing(path) as temporary, open(temporary, "wb") as file:
        save(file, header=np.array(header), **arrays)


def read_npz(path: str | Path, max_bytes: int) -> tuple[dict[str, Any], Arrays]:
    """Return header and arrays of an .npz file; StorageError where it is damaged, foreign or unpacks to more."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            size = sum(entry.file_size for entry in entries)
            if size > max_bytes:
                raise StorageError(f"it unpacks to {size} bytes, expected at most {max_bytes}")
            arrays: Arrays = {}
            for entry in entries:
                name = entry.filename.removesuffix(".npy")
                if name in arrays:
                    raise StorageError(f"it holds {shown(name)} twice")
                with archive.open(entry) as member:
                    arrays[name] = _read_array(member, entry.file_size)
        header = json.loads(str(arrays.pop("header")))
    except StorageError:
        raise
    except Exception as error:
        # Whatever a damaged or foreign file makes zipfile, numpy or json raise means the same to the user.
        raise StorageError(type(error).__name__) from error
    if not isinstance(header, dict):
        raise StorageError(f"its header is {shown(header)}, expected a table")
    return header, arrays


def _read_array(member: Any, size: int) -> np.ndarray:
    """One array of a known size on disk: what its own header promises is not believed before it is compared."""
    file: BinaryIO = member
    shape, by_columns, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
    count = math.prod(shape)
    if dtype.hasobject or count * dtype.itemsize != size - member.tell():
        raise StorageError("an array of it is not as long as it says")
    data, place = bytearray(count * dtype.itemsize), 0
    # To the very end, where its checksum is compared.
    while piece := file.read(2**20):
        data[place : place + len(piece)] = piece
        place += len(piece)
    return np.ndarray(shape, dtype, data, order="F" if by_columns else "C")


def shown(value: Any) -> str:
    """Return a foreign value, short, in one line, and without what steers a terminal."""
    text = repr(value) if isinstance(value, str) else repr(repr(value))[1:-1]
    return text[:MAX_TEXT]
