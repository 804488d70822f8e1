"""Text that users give, parsed: one function for each format, whose only error is one line that names the source."""

import csv
import io
import json
import os
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from real2sim_jax.core.errors import UserError

MAX_DIGITS = 9
"""Of whole numbers in text: frames, class ids and lengths; what is longer is damage."""
DEEPEST = 100
"""Of lists and tables within each other: ours are five deep, and what is deeper cannot even be printed."""
LARGEST_NUMBER = 1e9
"""In tables of metres, radians and pixels: even its fourth power fits a 32-bit number."""
Source = str | Path
Parsed = TypeVar("Parsed")
Rows = list[tuple[int, dict[str, str]]]
"""The rows of a table by column, each with the number of its line."""


def existing(path: str | Path) -> Path:
    """Return the path of a file that is there; UserError where there is none."""
    # Of os: pathlib's raise an OSError for names that are too long.
    if not os.path.isfile(path):
        raise UserError(f"{path}: expected a file, found {'a folder' if os.path.isdir(path) else 'nothing'}")
    return Path(path)


def read_text(path: str | Path) -> str:
    """Read a text file, with or without a mark of its byte order; UserError when it is absent or no text."""
    try:
        return existing(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: expected a text file in UTF-8, got binary data or another encoding") from error


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read the tables of a TOML file; UserError names the file and the place where it is malformed."""
    return parse_toml(read_text(path), path)


def parse_json(text: str, source: Source) -> Any:
    """Return what JSON text says; UserError names its source and the place where it is malformed."""
    return _parsed(lambda text: _flat_enough(json.loads(text)), text, source, "JSON")


def parse_toml(text: str, source: Source) -> dict[str, Any]:
    """Return the tables of TOML text; UserError names its source and the place where it is malformed."""
    return _parsed(lambda text: _flat_enough(tomllib.loads(text)), text, source, "TOML")


def parse_csv(text: str, source: Source, required: Sequence[str]) -> Rows:
    """Return the rows below a CSV's header; blank lines are left out.

    UserError when a required column is absent, one is there twice, or a row has another length than the header.
    """
    rows = _parsed(_csv_rows, text, source, "CSV")
    if not rows:
        raise UserError(f"{source}: expected a CSV with columns {', '.join(required)}, got an empty file")
    names = [name.strip() for name in rows[0][1]]
    missing = [name for name in required if name not in names]
    if missing:
        raise UserError(f"{source}: column {missing[0]!r} is missing; expected {', '.join(required)}")
    twice = [name for name in names if name and names.count(name) > 1]
    if twice:
        raise UserError(f"{source}: column {twice[0]!r} is there several times; remove all but one")
    filled = [(line, row) for line, row in rows[1:] if row]
    for line, row in filled:
        if len(row) != len(names):
            raise UserError(f"{source}: line {line} has {len(row)} values, expected {len(names)}")
    return [(line, dict(zip(names, row, strict=True))) for line, row in filled]


def columns_of(rows: Rows, source: Source) -> dict[str, np.ndarray]:
    """Return a table's named columns as floats, each (rows,); UserError names the line that is no usable number.

    Numbers are finite and at most `LARGEST_NUMBER`; there is at least one row.
    """
    if not rows:
        raise UserError(f"{source}: expected at least one row below the header, got none")
    names = [name for name in rows[0][1] if name]
    return {
        name: np.array([_number(row[name], f"{source}: line {line}, column {name!r}") for line, row in rows])
        for name in names
    }


def whole_number(text: str) -> int:
    """Return the number that 1 to 9 ASCII digits spell; UserError for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise UserError(f"expected a whole number of 1 to {MAX_DIGITS} digits, got {text!r}")
    return int(text)


def _parsed(parse: Callable[[str], Parsed], text: str, source: Source, kind: str) -> Parsed:
    """What a parser returns; all that it can raise becomes one kind of error."""
    try:
        return parse(text)
    # Not of syntax alone: a number of thousands of digits is a ValueError, a million brackets are a RecursionError.
    except (ValueError, RecursionError, csv.Error) as error:
        raise UserError(f"{source}: expected {kind}, got malformed text ({error}); repair or remove it") from error


def _flat_enough(value: Parsed) -> Parsed:
    """What was parsed; RecursionError where it is nested too deeply for what comes after."""
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        inside = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [child for children in inside for child in children if isinstance(child, dict | list)]
        if not level:
            return value
    raise RecursionError(f"lists or tables more than {DEEPEST} deep")


def _csv_rows(text: str) -> list[tuple[int, list[str]]]:
    """All rows, each with the number of the line that it ends on; strict: an open quote would swallow the rest."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    return [(reader.line_num, row) for row in reader]


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) <= LARGEST_NUMBER:
        raise UserError(f"{where}: expected a finite number, got {text!r}; the largest is {LARGEST_NUMBER:g}")
    return value
