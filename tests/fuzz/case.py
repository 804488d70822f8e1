"""One attack on one reader: a folder of good files, one of them damaged, and what may come of reading it."""

import random
import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real2sim_jax.core.errors import UserError
from real2sim_jax.core.policy import PolicyError
from real2sim_jax.robot.interface import ArmError
from tests.fuzz import memory

REFUSALS = (UserError, PolicyError, ArmError)
LONGEST_MESSAGE = 1000
LEFT_BEHIND = (".tmp", ".part", ".temporary")


@dataclass(frozen=True)
class Reader:
    """A reader of the package, and how to attack it; functions of modules, so that processes can pass them on."""

    name: str
    corpus: Callable[[Path], None]
    """Writes good files into a folder."""
    mutate: Callable[[Path, random.Random, int], None]
    """Damages the files of a folder; the same random numbers and seed give the same damage."""
    read: Callable[[Path], Any]
    """Reads the folder."""
    wrong: Callable[[Any], Sequence[str]]
    """What must not have been accepted, in words, of what was read."""
    count: int = 100
    """Mutations in `make fuzz`."""
    writes: bool = False
    """Whether reading writes into the folder."""


@dataclass(frozen=True)
class Verdict:
    """What came of a case."""

    kind: str
    """refused, accepted, or the name of a fault."""
    detail: str = ""

    @property
    def is_fault(self) -> bool:
        return self.kind not in ("refused", "accepted")


def prepare(reader: Reader, good: Path, folder: Path, seed: int | None) -> None:
    """Copy the good files and damage them; not at all without a seed."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder)
    if seed is not None:
        reader.mutate(folder, random.Random(f"{reader.name} {seed}"), seed)


def attack(reader: Reader, folder: Path) -> tuple[Verdict, float]:
    """Read a prepared folder; the verdict, and the seconds that it took."""
    before = _contents(folder)
    memory.forget_peak()
    start = time.perf_counter()
    verdict = _outcome(reader, folder)
    seconds = time.perf_counter() - start
    peak = memory.peak_bytes()
    if not verdict.is_fault and peak > memory.MAX_BYTES:
        verdict = Verdict("memory", f"{peak / 2**30:.1f} GiB")
    if not verdict.is_fault and (change := _disorder(before, _contents(folder), reader.writes)):
        verdict = Verdict("half-written", change)
    return verdict, seconds


def _outcome(reader: Reader, folder: Path) -> Verdict:
    try:
        value = reader.read(folder)
    except REFUSALS as error:
        return refusal(str(error))
    except BaseException as error:
        return Verdict("traceback", _last_line(error))
    try:
        wrong = list(reader.wrong(value))
    except Exception as error:
        return Verdict("forbidden", f"accepted what cannot even be checked: {_last_line(error)}")
    return Verdict("forbidden", "; ".join(wrong)[:300]) if wrong else Verdict("accepted")


def refusal(message: str) -> Verdict:
    """A message is one line that a terminal can show."""
    if not message.strip():
        return Verdict("message", "empty")
    if not message.isprintable():
        odd = sorted({ascii(c) for c in message if not c.isprintable()})
        return Verdict("message", f"holds {', '.join(odd[:5])}: {message[:150]!a}")
    if len(message) > LONGEST_MESSAGE:
        return Verdict("message", f"{len(message)} characters: {message[:150]} ...")
    return Verdict("refused", message)


def _last_line(error: BaseException) -> str:
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if "real2sim_jax" in frame.filename]
    place = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    return f"{type(error).__name__}: {ascii(str(error))[:200]}{place}"


def _contents(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.stat().st_size < 2**24}


def _disorder(before: dict[str, bytes], after: dict[str, bytes], writes: bool) -> str:
    new = [name for name in after if name not in before]
    if not writes and (new or any(after.get(name) != data for name, data in before.items())):
        return "a reader wrote into its folder"
    loose = [name for name in new if Path(name).name.startswith(".") or name.endswith(LEFT_BEHIND)]
    return f"left {', '.join(loose[:3])}" if loose else ""
