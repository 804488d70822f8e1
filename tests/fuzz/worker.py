"""A process that attacks readers, one case after the other, as its parent asks."""

import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from tests.fuzz import memory
from tests.fuzz.case import Reader, attack, prepare


def work(link: Connection, folder: Path) -> None:
    """Answer (reader, seed) with (verdict, seconds); a seed of None is the good files. None ends it."""
    _be_quiet()
    made: dict[str, Path] = {}
    while (task := link.recv()) is not None:
        reader, seed = task
        if reader.name not in made:
            made[reader.name] = _good(reader, folder)
        case = case_folder(folder, reader, seed)
        prepare(reader, made[reader.name], case, seed)
        link.send("ready")
        verdict, seconds = attack(reader, case)
        if seed is None:
            # What is imported and compiled once is there now.
            memory.limit()
        link.send((verdict, seconds))


def case_folder(folder: Path, reader: Reader, seed: int | None) -> Path:
    """Where the files of a case lie."""
    return folder / reader.name.replace(" ", "_") / ("good" if seed is None else str(seed))


def _good(reader: Reader, folder: Path) -> Path:
    good = folder / reader.name.replace(" ", "_") / "corpus"
    good.mkdir(parents=True, exist_ok=True)
    reader.corpus(good)
    return good


def _be_quiet() -> None:
    """What readers print is not the report's."""
    sink = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(sink, number)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
