"""Damage to archives of arrays: their members' types, shapes and values, their headers, and the archive itself."""

import io
import json
import random
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz import mutate_bytes, mutate_tree, odd

Members = dict[str, bytes]
DTYPES = ("<f8", ">f4", "<f2", "<i4", "<i8", "|i1", "|u1", "|b1", "<c8", "<U4", "|S3", "<M8[s]", "<m8[s]", "|V4", "|O")


def read(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an archive by name."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def member(array: np.ndarray) -> bytes:
    """Return an array as the bytes of a member; objects are pickled, which readers must refuse."""
    data = io.BytesIO()
    np.lib.format.write_array(data, array, allow_pickle=True)
    return data.getvalue()


def write(path: Path, members: Members, extra: list[tuple[str, bytes]]) -> None:
    """Write members, and others that may have the same names."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")
        for name, data in [*((f"{name}.npy", data) for name, data in members.items()), *extra]:
            archive.writestr(name, data)


def other_type(array: np.ndarray, rng: random.Random) -> np.ndarray:
    dtype = rng.choice(DTYPES)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return array.astype(dtype)
        except (ValueError, TypeError):
            return np.zeros(array.shape, dtype)


def other_shape(array: np.ndarray, rng: random.Random) -> np.ndarray:
    shapes: tuple[Callable[[], np.ndarray], ...] = (
        lambda: array[None], lambda: array.reshape(-1), lambda: array.T, lambda: array[..., None], lambda: array[:0],
        lambda: array[..., :-1], lambda: array[:-1], lambda: array[:1], lambda: np.concatenate([array, array]),
        lambda: np.concatenate([array, array], axis=-1), lambda: array.reshape(-1)[0],
        lambda: np.zeros((0,), array.dtype), lambda: np.zeros((1,) * 20, array.dtype),
        lambda: np.repeat(array, 3, axis=-1),
        lambda: array[1:],
    )  # fmt: skip
    try:
        return np.asarray(rng.choice(shapes)())
    except (ValueError, IndexError):
        return np.zeros((2, 2), array.dtype)


def other_values(array: np.ndarray, rng: random.Random) -> np.ndarray:
    """One value, some, or all, become odd."""
    if array.dtype.kind not in "fiub" or not array.size:
        return np.zeros_like(array)
    array = array.copy()
    flat = array.reshape(-1)
    share = rng.choice((1, 1, 3, array.size))
    where = [rng.randrange(array.size) for _ in range(share)] if share < array.size else slice(None)
    with np.errstate(all="ignore"):
        flat[where] = _as(array.dtype, odd.number(rng))
    return array


def _as(dtype: np.dtype, number: Any) -> Any:
    """An odd number as a type holds it."""
    if dtype.kind == "b":
        return bool(number)
    if dtype.kind == "f":
        return np.float64(min(number, 1e308)) if isinstance(number, int) else np.float64(number)
    limits = np.iinfo(dtype)
    return int(min(max(number, limits.min), limits.max)) if np.isfinite(float(min(number, 2**64))) else limits.max


def lying_shape(array: np.ndarray, rng: random.Random) -> bytes:
    """A member whose header names more numbers than it holds."""
    data = io.BytesIO()
    shape = rng.choice(((2**40,), (10**9, 10**9), (-1,), (2**62, 8), (10**4, *array.shape), (10**8,)))
    np.lib.format.write_array_header_1_0(data, {"descr": array.dtype.str, "fortran_order": False, "shape": shape})
    return data.getvalue() + array.tobytes()


def bomb(path: Path, name: str, gigabytes: float) -> None:
    """Put a member into an archive that is small and unpacks to `gigabytes` of zeros."""
    block = 2**24
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    part = packer.compress(bytes(block)) + packer.flush(zlib.Z_FULL_FLUSH)
    blocks, head = int(gigabytes * 2**30 / block), io.BytesIO()
    size = blocks * block
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (size // 4,)})
    begin = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = begin.compress(head.getvalue()) + begin.flush(zlib.Z_FULL_FLUSH) + part * blocks + packer.flush()
    size += len(head.getvalue())
    with zipfile.ZipFile(path, "a") as archive:
        entry = zipfile.ZipInfo(name)
        archive.writestr(entry, data)
        # What was stored is what a deflated member would be: only its directory has to say so.
        entry.compress_type, entry.file_size = zipfile.ZIP_DEFLATED, size
    _mark_deflated(path, name, size)


def _mark_deflated(path: Path, name: str, size: int) -> None:
    """The member's local header says the same as the directory."""
    data = bytearray(path.read_bytes())
    start = data.rindex(b"PK\x03\x04", 0, data.rindex(b"PK\x01\x02"))
    data[start + 8 : start + 10] = (8).to_bytes(2, "little")
    data[start + 22 : start + 26] = min(size, 2**32 - 1).to_bytes(4, "little")
    path.write_bytes(bytes(data))


def header_damage(arrays: dict[str, np.ndarray], rng: random.Random, seed: int) -> np.ndarray:
    """The header: its tree, or something else than a tree."""
    tree = json.loads(str(arrays["header"]))
    texts = ("[]", "5", "null", '"x"', "{}", "", "{", "[" * 200_000, "nan", '{"schema": []}', "true", odd.DIGITS)
    if rng.random() < 0.15:
        return np.array(rng.choice(texts))
    if rng.random() < 0.1:
        return rng.choice(
            (np.array([str(arrays["header"])] * 2), np.array(str(arrays["header"]).encode()), np.zeros(3))
        )
    return np.array(mutate_tree.json_text(mutate_tree.damaged(tree, rng, seed)))


def damage(path: Path, rng: random.Random, seed: int) -> None:
    """Damage an archive in the way that the seed names."""
    kind, times = seed % 12, seed // 12
    if kind in (3, 9):
        mutate_bytes.damage(path, rng, 2 * times + kind // 9)
        return
    arrays = read(path)
    members = {name: member(array) for name, array in arrays.items()}
    names = [name for name in arrays if name != "header"] or list(arrays)
    name, extra = rng.choice(names), []
    if kind in (0, 6):
        members[name] = member(other_values(arrays[name], rng))
    elif kind in (1, 7):
        members[name] = member(other_shape(arrays[name], rng))
    elif kind == 2:
        members[name] = member(other_type(arrays[name], rng))
    elif kind in (4, 10) and "header" in arrays:
        members["header"] = member(header_damage(arrays, rng, 2 * times + kind // 10))
    elif kind == 5:
        del members[rng.choice(list(members))]
    elif kind == 8:
        chosen = rng.choice(list(members))
        other = rng.choice((members[rng.choice(list(members))], member(other_values(arrays[name], rng)), b"x", b""))
        extra = [(f"{chosen}.npy", other)]
    elif kind == 11:
        extra = _foreign_member(members, arrays, name, rng)
    else:
        members = {
            one: members[other] for one, other in zip(members, rng.sample(list(members), len(members)), strict=True)
        }
    write(path, members, extra)
    if kind == 11 and rng.random() < 0.15:
        bomb(path, rng.choice(("bomb.npy", f"{name}.npy")), 2.5)


def _foreign_member(
    members: Members, arrays: dict[str, np.ndarray], name: str, rng: random.Random
) -> list[tuple[str, bytes]]:
    """What is no array of ours in the archive."""
    choice = rng.randrange(5)
    if choice == 0:
        members[name] = lying_shape(arrays[name], rng)
    elif choice == 1:
        data = bytearray(members[name])
        members[name] = bytes(mutate_bytes.flip_early(data, rng))
    elif choice == 2:
        members[name] = rng.choice((b"", b"\x93NUMPY", members[name][:80], odd.LONG.encode()))
    elif choice == 3:
        return [
            (
                rng.choice(("../outside.npy", "/root.npy", "notes.txt", "deep/er.npy", odd.text(rng)[:90] or "x")),
                b"hello",
            )
        ]
    else:
        members[odd.text(rng)[:50] or "x"] = members[name]
    return []
