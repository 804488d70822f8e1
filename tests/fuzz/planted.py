"""Readers with every fault that a reader can have: what the fuzzer must find."""

import random
import time
from pathlib import Path

import numpy as np

from real2sim_jax.core.errors import UserError
from tests.fuzz.case import Reader

TEXT = "text.txt"


def corpus(folder: Path) -> None:
    (folder / TEXT).write_text("good")


def spoil(folder: Path, rng: random.Random, seed: int) -> None:
    (folder / TEXT).write_text(f"bad {rng.random()}")


def _bad(folder: Path) -> bool:
    return (folder / TEXT).read_text() != "good"


def refuses(folder: Path) -> str:
    if _bad(folder):
        raise UserError(f"{folder}: expected good, got bad; write good")
    return "good"


def crashes(folder: Path) -> str:
    if _bad(folder):
        raise KeyError("good")
    return "good"


def dies(folder: Path) -> str:
    if _bad(folder):
        import os

        os._exit(11)
    return "good"


def hangs(folder: Path) -> str:
    if _bad(folder):
        time.sleep(60.0)
    return "good"


def eats(folder: Path) -> str:
    """Takes more than 2 GiB, and gives them back."""
    if _bad(folder):
        np.ones(280 * 2**20, np.float64)
        refuses(folder)
    return "good"


class Unchecked(UserError):
    """A message as it was given."""

    def __str__(self) -> str:
        return self.given

    def __init__(self, given: str):
        super().__init__(given)
        self.given = given


def says_much(folder: Path) -> str:
    if _bad(folder):
        raise Unchecked("expected good,\ngot bad")
    return "good"


def steers_terminals(folder: Path) -> str:
    if _bad(folder):
        raise Unchecked("expected good, got \x1b[31mbad")
    return "good"


def leaves_a_half(folder: Path) -> str:
    if _bad(folder):
        (folder / ".text.tmp").write_text("go")
        refuses(folder)
    return "good"


def believes(folder: Path) -> str:
    return (folder / TEXT).read_text()


def wrong(text: str) -> list[str]:
    return [] if text == "good" else [f"accepted {text[:3]}"]


READERS = {
    kind: Reader(kind, corpus, spoil, read, wrong, writes=kind == "half-written")
    for kind, read in {
        "refused": refuses,
        "traceback": crashes,
        "crash": dies,
        "hang": hangs,
        "memory": eats,
        "message": says_much,
        "message of a terminal": steers_terminals,
        "half-written": leaves_a_half,
        "forbidden": believes,
    }.items()
}
