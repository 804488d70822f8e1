"""Attack every reader of the package with damaged input: python -m tests.fuzz [--only NAME] [--seed N] [--share S]."""

import argparse
import re
import sys
import time
from pathlib import Path

from tests.fuzz.readers import READERS
from tests.fuzz.runner import HEADER, Result, run

KEPT = Path("runs/fuzz")


def main() -> int:
    """Print a table and the faults; 1 when there is any."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the usual numbers of mutations")
    parser.add_argument("--only", help="readers whose name holds this")
    parser.add_argument("--seed", type=int, help="this mutation alone")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=KEPT, help="where inputs of faults go (%(default)s)")
    options = parser.parse_args()
    chosen = [reader for reader in READERS if options.only is None or options.only in reader.name]
    start = time.perf_counter()

    def seeds(reader):
        return range(max(1, round(options.share * reader.count))) if options.seed is None else [options.seed]

    print(HEADER, flush=True)
    results = run(chosen, seeds, options.keep, options.jobs, say=lambda line: print(line, flush=True))
    faults = sum(len(result.faults) for result in results)
    total = sum(result.mutations for result in results)
    print(f"{total} mutations of {len(results)} readers, {faults} faults, {time.perf_counter() - start:.0f} s")
    for result in results:
        show_faults(result, options.keep)
    return 1 if faults else 0


def show_faults(result: Result, keep: Path) -> None:
    """Print each kind of fault once, with the seeds that show it."""
    kinds: dict[str, list[str]] = {}
    shown: dict[str, str] = {}
    for seed, verdict in result.faults.items():
        text = f"{verdict.kind}: {verdict.detail}"
        # Numbers and places differ where the fault is one.
        kind = re.sub(r"[\d\W]+", " ", text)[:40]
        shown.setdefault(kind, text)
        kinds.setdefault(kind, []).append("good" if seed is None else str(seed))
    for kind, seeds in kinds.items():
        name = result.reader.replace(" ", "_")
        print(
            f"{result.reader}: {shown[kind]}\n    seeds {', '.join(seeds[:8])} ({len(seeds)}); {keep}/{name}-{seeds[0]}"
        )


if __name__ == "__main__":
    sys.exit(main())
