"""Damage to any file: flipped bits, missing, doubled and foreign parts."""

import random
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.odd import TEXTS


def flip(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def flip_early(data: bytearray, rng: random.Random) -> bytearray:
    """Headers are in front."""
    data[rng.randrange(min(len(data), 256))] = rng.randrange(256)
    return data


def flip_late(data: bytearray, rng: random.Random) -> bytearray:
    """Directories of archives are at the end."""
    data[-1 - rng.randrange(min(len(data), 400))] = rng.randrange(256)
    return data


def truncate(data: bytearray, rng: random.Random) -> bytearray:
    return data[: rng.randrange(len(data))]


def truncate_a_little(data: bytearray, rng: random.Random) -> bytearray:
    return data[: -rng.randrange(1, min(len(data), 30) + 1)]


def behead(data: bytearray, rng: random.Random) -> bytearray:
    return data[rng.randrange(1, len(data)) :]


def cut_out(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randrange(1, 200) :]


def double(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(data))
    part = data[start : start + rng.randrange(1, 400)]
    return data[:start] + part * rng.choice((2, 3, 50)) + data[start:]


def swap_parts(data: bytearray, rng: random.Random) -> bytearray:
    a, b = sorted(rng.randrange(len(data)) for _ in range(2))
    return data[b:] + data[a:b] + data[:a]


def insert_noise(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(data))
    return data[:start] + rng.randbytes(rng.choice((1, 4, 100, 5000))) + data[start:]


def insert_text(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(data))
    return data[:start] + rng.choice(TEXTS).encode("utf-8", "surrogatepass") + data[start:]


def large_integers(data: bytearray, rng: random.Random) -> bytearray:
    """Lengths and sizes become as large as they can be."""
    start = rng.randrange(len(data))
    width = rng.choice((2, 4, 8))
    data[start : start + width] = rng.choice((b"\xff", b"\x7f", b"\x00", b"\x80")) * width
    return data


def zero_out(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(data))
    width = min(rng.randrange(1, 2000), len(data) - start)
    data[start : start + width] = bytes(width)
    return data


def empty(data: bytearray, rng: random.Random) -> bytearray:
    return bytearray()


def noise(data: bytearray, rng: random.Random) -> bytearray:
    return bytearray(rng.randbytes(rng.randrange(1, 3000)))


def other_encoding(data: bytearray, rng: random.Random) -> bytearray:
    mark, name = rng.choice(((b"\xff\xfe", "utf-16-le"), (b"\xef\xbb\xbf", "utf-8"), (b"", "utf-32")))
    return bytearray(mark + data.decode("latin-1").encode(name))


def other_lines(data: bytearray, rng: random.Random) -> bytearray:
    return data.replace(b"\n", rng.choice((b"\r", b"\r\n", b"\n\n", b"\x00", b"\x0b", "\u2028".encode())))


def foreign(data: bytearray, rng: random.Random) -> bytearray:
    """Another kind of file in its place."""
    begins = (
        b"PK\x03\x04",
        b"PK\x05\x06" + bytes(18),
        b"\x93NUMPY\x01\x00",
        b"\x80\x04\x95",
        b"\x1f\x8b\x08",
        b"<svg/>",
    )
    return bytearray(rng.choice(begins)) + (data if rng.random() < 0.5 else b"")


KINDS: tuple[Callable[[bytearray, random.Random], bytearray], ...] = (
    flip, truncate, flip_early, cut_out, large_integers, empty, insert_noise, double, flip_late, zero_out, noise,
    truncate_a_little, foreign, swap_parts, insert_text, behead, other_encoding, other_lines,
)  # fmt: skip


def damage(path: Path, rng: random.Random, seed: int) -> None:
    """Damage a file in the way that the seed names."""
    path.write_bytes(bytes(KINDS[seed % len(KINDS)](bytearray(path.read_bytes() or b"x"), rng)))
