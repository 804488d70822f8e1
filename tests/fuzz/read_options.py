"""Numbers on the command line of the robot's program, which may begin with a minus sign."""

import contextlib
import io
import json
import random
from pathlib import Path
from typing import Any

from real2sim_jax.robot.__main__ import main
from real2sim_jax.robot.interface import ArmError
from tests.fuzz import odd, oracles
from tests.fuzz.case import Reader
from tests.fuzz.read_arrays import POLICY, write_policy

OPTIONS = "options.json"
GOOD = {"--start": "0.05,-0.1,0.2,90,-30", "--object-pose": "0.5,0,-90", "--max-linear": "0.2", "--max-angular": "1.5"}
FINE = {"--start": ("-0.05,-0.1,0.2,90,-30", "-0,0,0.15,-90,60", " -0.1,0,0.2,1e1,0"),
        "--object-pose": ("-0.5,0,-90", "-0.5,-0.1,0"),
        "--max-linear": ("1e-1", ".2", "+0.1"), "--max-angular": ("1e-1", "2.", "+0.1")}  # fmt: skip


def write_options(folder: Path) -> None:
    write_policy(folder)
    (folder / OPTIONS).write_text(json.dumps({"options": GOOD, "fine": True}))


def damage_options(folder: Path, rng: random.Random, seed: int) -> None:
    """Another value of an option, now and then a good one."""
    name = rng.choice(list(GOOD))
    value = rng.choice(FINE[name]) if seed % 3 == 0 else _odd(name, rng)
    steps = {"--steps": rng.choice(("-1", "0", "1.5", "²", "nan", ""))} if seed % 7 == 6 else {}
    content = {"options": GOOD | {name: value} | steps, "fine": seed % 3 == 0 and not steps}
    (folder / OPTIONS).write_text(json.dumps(content))


def _odd(name: str, rng: random.Random) -> str:
    parts = GOOD[name].split(",")
    parts[rng.randrange(len(parts))] = odd.text(rng) if rng.random() < 0.5 else str(odd.number(rng))
    return ",".join(parts)


def run(folder: Path) -> tuple[bool, Any, str]:
    """Whether the options are fine, the exit code, and what was said on stderr; ArmError where they were refused."""
    content = json.loads((folder / OPTIONS).read_text())
    words = [word for pair in ({"--steps": "3"} | content["options"]).items() for word in pair]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            code: Any = main([str(folder / POLICY), *words])
        except SystemExit as end:
            code = end.code
    text = said.getvalue().removesuffix("\n")
    if code == 2 and not content["fine"]:
        # argparse shows how the program is used above its line.
        raise ArmError(text.splitlines()[-1] if text.startswith("usage:") else text)
    return content["fine"], code, text


def wrong_run(found: tuple[bool, Any, str]) -> list[str]:
    fine, code, text = found
    if fine and code == 2:
        return [f"refused good options: {ascii(text.splitlines()[-1])[-150:]}"]
    return [] if code in (0, 1) and oracles.is_line(text) else [f"code {code}: {ascii(text)[:200]}"]


READERS = (Reader("options of the robot", write_options, damage_options, run, wrong_run, 120),)
