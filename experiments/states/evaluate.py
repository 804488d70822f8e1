"""How good state estimation is, in one command: real videos, and synthetic scenes whose truth is known.

    python experiments/states/evaluate.py [--tracks FOLDER] [--only real|synthetic|hard|masks] [--scenes N]
        [--out FOLDER]

real: the videos of a folder of tracks with their phases and without: success by action, plausibility, agreement.
synthetic: boxes with 3 px of noise and a fifth missing, N scenes (20) of each action: errors against the truth.
hard: the same for N scenes of each hard kind (`synthetic.scenes.HARD_KINDS`).
masks: exact masks, 128 px wide, N / 5 scenes of each action: the same.
Each measurement runs in a process and with a compilation cache of its own: its time includes all compilation.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from real2sim_jax.data.artefacts import read_json
from real2sim_jax.robot.options import Parser
from real2sim_jax.stages.console import Console

PARTS = ("real", "synthetic", "hard", "masks")
MEASURE = Path(__file__).with_name("measure.py")


def main() -> int:
    options = parse()
    console = Console()
    done, failed = {}, []
    for name, words in measurements(options, console).items():
        console.say(f"{name}: ...")
        out = options.out / f"{name}.json"
        if run([*words, "--out", str(out)]) == 0:
            done[name] = read_json(out)
        else:
            failed.append(name)
    rows = [summary(name, found) for name, found in done.items()]
    console.table("fits", ("measurement", "videos", "show their action", "time", "peak memory"), rows)
    console.say(f"written to {options.out}: {', '.join(f'{name}.json' for name in done) or 'nothing'}")
    for name in failed:
        console.say(f"failed: {name}")
    return 1 if failed else 0


def parse() -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=Path, help="folder of real tracks; without it they are left out")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part (may be repeated); all when absent")
    parser.add_argument("--scenes", type=int, default=20, help="synthetic scenes of each action [20]")
    parser.add_argument("--out", type=Path, default=Path("runs/states"), help="folder of the results [runs/states]")
    options = parser.parse_args()
    if options.scenes < 1:
        parser.error(f"--scenes {options.scenes}: expected at least 1")
    return options


def measurements(options: argparse.Namespace, console: Console) -> dict[str, list[str]]:
    """The words for `measure.py` by the name of the result."""
    parts, words = options.only or PARTS, {}
    if "real" in parts and (options.tracks is None or not options.tracks.is_dir()):
        console.say(f"real videos left out: no folder of tracks{f' {options.tracks}' if options.tracks else ''}")
    elif "real" in parts:
        words["real_phases"] = ["real", "--tracks", str(options.tracks)]
        words["real_no_phases"] = [*words["real_phases"], "--no-phases"]
    if "synthetic" in parts:
        words["synthetic"] = ["synthetic", "--scenes", str(options.scenes)]
    if "hard" in parts:
        words["hard"] = ["hard", "--scenes", str(options.scenes)]
    if "masks" in parts:
        words["masks"] = ["masks", "--scenes", str(max(1, options.scenes // 5))]
    return words


def run(words: list[str]) -> int:
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": cache}
        return subprocess.run([sys.executable, str(MEASURE), *words], env=environment, check=False).returncode


def summary(name: str, found: dict) -> tuple[str, ...]:
    every = found["table"]["all"]
    share = f"{every['successes']} / {every['videos']}"
    return name, str(every["videos"]), share, f"{found['seconds']:.0f} s", f"{found['peak_memory_mb']:.0f} MB"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
