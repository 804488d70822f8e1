"""Damage to tables of text."""

import csv
import io
import random
from collections.abc import Callable
from pathlib import Path

from tests.fuzz import mutate_bytes, odd

Rows = list[list[str]]


def cell(rows: Rows, rng: random.Random) -> Rows:
    for _ in range(rng.choice((1, 1, 2, 5))):
        row = rng.choice(rows[1:])
        row[rng.randrange(len(row))] = odd.text(rng)
    return rows


def number(rows: Rows, rng: random.Random) -> Rows:
    row = rng.choice(rows[1:])
    row[rng.randrange(len(row))] = str(odd.number(rng))
    return rows


def column_of_one(rows: Rows, rng: random.Random) -> Rows:
    column, value = rng.randrange(len(rows[0])), str(odd.number(rng))
    for row in rows[1:]:
        row[column] = value
    return rows


def rescale(rows: Rows, rng: random.Random) -> Rows:
    """A column in another unit, or upside down."""
    column, factor = rng.randrange(len(rows[0])), rng.choice((-1.0, 1e3, 1e6, 1e-6, 1e38, 1e-30, 0.0))
    for row in rows[1:]:
        try:
            row[column] = str(float(row[column]) * factor)
        except ValueError:
            row[column] = row[column] * 2
    return rows


def drop_column(rows: Rows, rng: random.Random) -> Rows:
    column = rng.randrange(len(rows[0]))
    return [row[:column] + row[column + 1 :] for row in rows]


def double_column(rows: Rows, rng: random.Random) -> Rows:
    """Two columns of one name, of which the second says something else."""
    column = rng.randrange(len(rows[0]))
    return [[*row, row[column] if i == 0 else odd.text(rng)] for i, row in enumerate(rows)]


def rename_column(rows: Rows, rng: random.Random) -> Rows:
    rows[0][rng.randrange(len(rows[0]))] = rng.choice((*odd.TEXTS, *rows[0]))
    return rows


def drop_cell(rows: Rows, rng: random.Random) -> Rows:
    row = rng.choice(rows)
    del row[rng.randrange(len(row))]
    return rows


def extra_cell(rows: Rows, rng: random.Random) -> Rows:
    rng.choice(rows).insert(0, odd.text(rng))
    return rows


def drop_rows(rows: Rows, rng: random.Random) -> Rows:
    return rows[: rng.randrange(len(rows))]


def double_rows(rows: Rows, rng: random.Random) -> Rows:
    return rows + rows[1:] * rng.choice((1, 2, 100))


def shuffle(rows: Rows, rng: random.Random) -> Rows:
    rng.shuffle(rows)
    return rows


def blank_rows(rows: Rows, rng: random.Random) -> Rows:
    for _ in range(3):
        rows.insert(rng.randrange(len(rows) + 1), rng.choice(([], [""], [" "], [""] * len(rows[0]))))
    return rows


KINDS: tuple[Callable[[Rows, random.Random], Rows], ...] = (
    cell, number, column_of_one, rescale, drop_column, double_column, rename_column, drop_cell, extra_cell, drop_rows,
    cell, blank_rows, shuffle, double_rows,
)  # fmt: skip


def damage(path: Path, rng: random.Random, seed: int) -> None:
    """Damage a CSV in the way that the seed names: two times in three its table, else its bytes."""
    kind, times = divmod(seed, 3)[::-1]
    if kind == 2:
        mutate_bytes.damage(path, rng, times)
        return
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    rows = KINDS[(2 * times + kind) % len(KINDS)](rows, rng)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if rng.random() < 0.1 else csv.QUOTE_MINIMAL).writerows(
        rows
    )
    path.write_text(text.getvalue(), encoding="utf-8", errors="surrogatepass")
