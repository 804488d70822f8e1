"""Readers of other programs' models: weights of Segment Anything, an arm to be filmed."""

import importlib.util
import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from real2sim_jax.perception.sam import load_sam
from real2sim_jax.robot.franka.kinematics import HOME_RAD
from real2sim_jax.simulated_robots.looks import ArmLooks
from tests.fuzz import mutate_bytes, odd
from tests.fuzz.case import Reader
from tests.perception.tiny_sam import save_tiny_sam
from tests.simulated_robots.test_looks import menagerie_like

WEIGHTS, MODEL = "weights.pth", "panda_nohand.xml"
HAS_SAM = all(importlib.util.find_spec(name) for name in ("torch", "segment_anything"))


def write_weights(folder: Path) -> None:
    save_tiny_sam(folder / WEIGHTS)


def damage_weights(folder: Path, rng: random.Random, seed: int) -> None:
    """The file's bytes, or the tensors in it."""
    if seed % 2:
        mutate_bytes.damage(folder / WEIGHTS, rng, seed // 2)
        return
    import torch

    weights = dict(torch.load(folder / WEIGHTS, weights_only=True))
    name = rng.choice(list(weights))
    tensor = weights[name]
    other = (
        tensor[None],
        tensor.reshape(-1),
        tensor[:0],
        tensor.double(),
        tensor.bool(),
        5,
        "x",
        None,
        torch.zeros(3, 3, 3, 3),
    )
    choice = rng.randrange(4)
    if choice == 0:
        del weights[name]
    elif choice == 1:
        weights[odd.text(rng)[:100]] = weights.pop(name)
    else:
        weights[name] = rng.choice(other)
    torch.save(rng.choice((weights, weights, weights, list(weights), tensor, None)), folder / WEIGHTS)


def read_weights(folder: Path) -> Any:
    return load_sam(folder / WEIGHTS)


def wrong_weights(model: Any) -> list[str]:
    return [] if callable(model.cut) else ["nothing"]


def write_model(folder: Path) -> None:
    menagerie_like(folder)


def damage_model(folder: Path, rng: random.Random, seed: int) -> None:
    """Its text at some place, or its bytes."""
    path = folder / MODEL
    if seed % 2:
        mutate_bytes.damage(path, rng, seed // 2)
        return
    text = path.read_text()
    start = rng.randrange(len(text))
    path.write_text(text[:start] + odd.text(rng)[:5000] + text[start + rng.randrange(20) :], "utf-8", "surrogatepass")


def read_model(folder: Path) -> Any:
    return ArmLooks(folder).solids(HOME_RAD, np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))


def wrong_model(solids: Any) -> list[str]:
    finite = all(np.isfinite(np.concatenate(solid.faces)).all() for solid in solids)
    return [] if solids and finite else ["nothing to see, or shapes that are not finite"]


_SAM = Reader("weights of SAM", write_weights, damage_weights, read_weights, wrong_weights, 60)
READERS = (
    *([_SAM] if HAS_SAM else []),
    Reader("model of an arm", write_model, partial(damage_model), read_model, wrong_model, 80),
)
