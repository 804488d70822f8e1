"""What `--resume` reads: checkpoints, numbers and configuration of a training that was interrupted."""

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from real2sim_jax.core.policy import load_policy
from real2sim_jax.learning.train import TrainingResult, train
from tests.demos import lifts
from tests.fuzz import mutate_bytes, oracles
from tests.fuzz.case import Reader
from tests.fuzz.read_text import damage_json
from tests.learning.probe import TINY, Probe

RUN = "seed0"


def write_run(folder: Path) -> None:
    """A training that has come to its end: going on with it reads everything and does nothing."""
    train(Probe(), lifts(), TINY, folder / RUN)  # type: ignore[arg-type]


def damage_run(folder: Path, rng: random.Random, seed: int) -> None:
    """A file of the run, or a part of its checkpoints that is not there."""
    run = folder / RUN
    kinds = sorted(path for path in run.rglob("*") if path.is_file() and "tensorboard" not in path.parts)
    path, times = kinds[rng.randrange(len(kinds))], seed // 5
    if seed % 5 == 0:
        damage_json(rng.choice(("history.json", "config.json")), run, rng, times)
    elif seed % 5 == 1 and rng.random() < 0.7:
        parts = sorted(path for path in (run / "checkpoints").rglob("*"))
        _remove(rng.choice(parts))
    else:
        mutate_bytes.damage(path, rng, times)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def resume(folder: Path) -> tuple[TrainingResult, Any]:
    """Go on with the run."""
    outcome = train(Probe(), lifts(), TINY, folder / RUN, resume=True)  # type: ignore[arg-type]
    return outcome, load_policy(folder / RUN / "policy.npz")


def wrong_outcome(found: tuple[TrainingResult, Any]) -> list[str]:
    """It ends with a policy that may be run, the same on disk, and with the numbers of every iteration."""
    outcome, kept = found
    wrong = oracles.policy(outcome.policy) + ([] if outcome.complete else ["not complete"])
    pairs = zip(outcome.policy.layers, kept.layers, strict=True)
    wrong += [] if all(np.array_equal(a[0], b[0]) for a, b in pairs) else ["another policy on disk"]
    lengths = {name: len(values) for name, values in outcome.history.items()}
    wrong += [] if lengths.get("steps") == TINY.ppo.iterations else [f"numbers of {lengths.get('steps')} iterations"]
    return wrong


READERS = (Reader("checkpoints", write_run, damage_run, resume, wrong_outcome, 100, writes=True),)
