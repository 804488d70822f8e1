"""Hands cases to worker processes, ends those that hang, and keeps the inputs of faults."""

import multiprocessing
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import SimpleQueue

from tests.fuzz.case import Reader, Verdict
from tests.fuzz.worker import case_folder, work

HANG_S = 10.0
START_S = 240.0
"""Imports, good files and what jax compiles the first time."""

Say = Callable[[str], None]


@dataclass
class Result:
    """What came of all mutations of a reader."""

    reader: str
    mutations: int = 0
    counts: Counter = field(default_factory=Counter)
    faults: dict[int | None, Verdict] = field(default_factory=dict)
    """By seed; None: the good files themselves."""
    seconds: float = 0.0
    slowest_s: float = 0.0

    def add(self, seed: int | None, verdict: Verdict, seconds: float) -> None:
        if seed is not None:
            self.mutations += 1
            self.counts["fault" if verdict.is_fault else verdict.kind] += 1
            self.seconds, self.slowest_s = self.seconds + seconds, max(self.slowest_s, seconds)
            good = not verdict.is_fault
        else:
            good = verdict.kind == "accepted"
        if not good:
            self.faults[seed] = verdict if verdict.is_fault else Verdict("good input refused", verdict.detail)


class Worker:
    """A process that is started anew when it hangs or dies."""

    def __init__(self, folder: Path, hang_s: float):
        self.folder, self._hang_s = folder, hang_s
        self._process: BaseProcess | None = None

    def verdict(self, reader: Reader, seed: int | None) -> tuple[Verdict, float]:
        if self._process is None:
            self._start()
            if seed is not None and (first := self.verdict(reader, None))[0].is_fault:
                return first
        self._link.send((reader, seed))
        ready = self._answer(START_S)
        if isinstance(ready, Verdict):
            return ready, START_S
        found = self._answer(START_S if seed is None else self._hang_s)
        return (found, self._hang_s) if isinstance(found, Verdict) else found

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._link, far = context.Pipe()
        process = context.Process(target=work, args=(far, self.folder), daemon=True)
        process.start()
        self._process = process
        far.close()

    def _answer(self, patience_s: float):
        """What the worker says; a verdict of its own where it says nothing."""
        try:
            if self._link.poll(patience_s):
                return self._link.recv()
            verdict = Verdict("hang", f"no answer in {patience_s:g} s")
        except (EOFError, OSError):
            assert self._process is not None
            self._process.join(5.0)
            verdict = Verdict("crash", f"the process ended with {self._process.exitcode}")
        self.close()
        return verdict


def run(
    readers: Sequence[Reader], seeds: Callable[[Reader], Iterable[int]], keep: Path, jobs: int = 2,
    hang_s: float = HANG_S, say: Say = lambda line: None,
) -> list[Result]:  # fmt: skip
    """Attack every reader with its seeds; inputs of faults go below `keep`. Results in the readers' order."""
    workers: SimpleQueue[Worker] = SimpleQueue()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        started = [Worker(Path(folder), hang_s) for _ in range(jobs)]
        for worker in started:
            workers.put(worker)
        tasks = [pool.submit(_one, reader, seeds(reader), keep, workers, say) for reader in readers]
        try:
            return [task.result() for task in tasks]
        finally:
            for worker in started:
                worker.close()


def _one(reader: Reader, seeds: Iterable[int], keep: Path, workers: SimpleQueue[Worker], say: Say) -> Result:
    worker, result = workers.get(), Result(reader.name)
    try:
        for seed in (None, *seeds):
            verdict, seconds = worker.verdict(reader, seed)
            result.add(seed, verdict, seconds)
            case = case_folder(worker.folder, reader, seed)
            if seed in result.faults:
                _keep(keep / f"{case.parent.name}-{case.name}", case, result.faults[seed])
            shutil.rmtree(case, ignore_errors=True)
            if seed is None and result.faults:
                break
    finally:
        workers.put(worker)
    say(line_of(result))
    return result


def _keep(target: Path, case: Path, verdict: Verdict) -> None:
    shutil.rmtree(target, ignore_errors=True)
    if case.is_dir():
        shutil.copytree(case, target, symlinks=True)
    target.mkdir(parents=True, exist_ok=True)
    (target / "verdict.txt").write_text(f"{verdict.kind}: {verdict.detail}\n", encoding="utf-8", errors="replace")


HEADER = f"{'reader':24}{'mutations':>10}{'refused':>9}{'accepted':>9}{'faults':>8}{'s':>7}{'slowest s':>11}"


def line_of(result: Result) -> str:
    """A line below HEADER."""
    counts = (result.mutations, result.counts["refused"], result.counts["accepted"], len(result.faults))
    widths = (10, 9, 9, 8)
    cells = "".join(f"{value:>{width}}" for value, width in zip(counts, widths, strict=True))
    return f"{result.reader:24}{cells}{result.seconds:>7.0f}{result.slowest_s:>11.2f}"
