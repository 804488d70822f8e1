"""Readers of settings: TOML of a training and of studies, and what was measured of this machine."""

import math
import random
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

from real2sim_jax.config.learning import TrainConfig
from real2sim_jax.core.settings import override
from real2sim_jax.core.text import read_toml
from real2sim_jax.sweeps.study import read_study
from tests.fuzz import mutate_bytes, mutate_tree
from tests.fuzz.case import Reader

CONFIG, STUDY = "config.toml", "study.toml"
SHARES = ("discount", "gae_lambda", "replay", "clip")
"""Numbers in [0, 1]."""
AT_LEAST_ONE = ("envs", "steps", "epochs", "minibatches", "checkpoint_every")
POSITIVE = ("learning_rate", "max_gradient_norm", "temperature", "sigma_translation", "sigma_rotation", "sigma_grip")
NOT_NEGATIVE = ("seed", "entropy_cost", "value_cost", "position_noise_m", "rotation_noise_deg", "opening_noise_m",
                "position_sharpness", "angle_sharpness", "anchor_sharpness", "gap_sharpness", "position_gain",
                "orientation_gain", "side_share", "missing", "gap_frames")  # fmt: skip
RANGES = ("height_m", "radius_m", "mass_kg", "table_friction", "finger_friction", "grip_force_n", "delay_steps")
LARGEST_INTEGER = 2**32


def write_config(folder: Path) -> None:
    """Every setting there is, at its default."""
    (folder / CONFIG).write_text(mutate_tree.toml_text(_settings()))


def _settings() -> dict[str, Any]:
    return _given(asdict(TrainConfig()))


def _given(table: dict[str, Any]) -> dict[str, Any]:
    """Without what has no value: a text file leaves it out."""
    pairs = {name: _given(value) if isinstance(value, dict) else value for name, value in table.items()}
    return {name: value for name, value in pairs.items() if value is not None}


def write_study(folder: Path) -> None:
    (folder / STUDY).write_text(mutate_tree.toml_text(_study()))


def _study() -> dict[str, Any]:
    conditions = {
        "usual": {"train": {"ppo": {"discount": 1.0}}},
        "boxes-alone": {"source": {"states": "B"}},
        "detected": {"source": {"states": "C", "detector": {"side_share": 0.05, "missing": 0.1, "seed": 3}}},
        "masks": {"source": {"synthetic": "masks"}, "train": {"env": {"randomization": {"mass_kg": [0.5, 2.0]}}}},
    }
    head = {"question": "What helps?", "actions": ["pick_up"], "seeds": 3, "population": 2, "rows": 100}
    base = {"train": {"ppo": {"steps": 1_000_000, "replay": 0.3, "networks": {"hidden": [64, 64]}}}}
    return {**head, "base": base, "conditions": conditions, "quick": {"seeds": 1, "rows": 10}}


def damage_toml(name: str, folder: Path, rng: random.Random, seed: int) -> None:
    """Damage the tree of settings, or, one time in four, the file's bytes."""
    path = folder / name
    if seed % 4 == 3:
        mutate_bytes.damage(path, rng, seed // 4)
    else:
        tree = mutate_tree.damaged(tomllib.loads(path.read_text()), rng, seed - seed // 4)
        path.write_text(mutate_tree.toml_text(tree), encoding="utf-8", errors="surrogatepass")


def read_config(folder: Path) -> TrainConfig:
    return override(TrainConfig(), read_toml(folder / CONFIG), str(folder / CONFIG))


def read_both(folder: Path) -> Any:
    return [read_study(folder / STUDY, quick) for quick in (False, True)]


def leaves(config: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting of nested dataclasses, with the name of its field."""
    if not is_dataclass(config):
        yield name, config
        return
    for field in fields(config):
        yield from leaves(getattr(config, field.name), field.name)


def wrong_config(config: Any) -> list[str]:
    return [text for name, value in leaves(config) for text in _wrong_setting(name, value)]


def _wrong_setting(name: str, value: Any) -> Iterator[str]:
    numbers = [n for n in (value if isinstance(value, tuple) else (value,)) if isinstance(n, int | float)]
    if not all(math.isfinite(n) and abs(n) < 1e38 for n in numbers) or any(
        isinstance(n, int) and abs(n) >= LARGEST_INTEGER and name != "steps" for n in numbers
    ):
        yield f"{name} = {str(value)[:60]}"
    low, high = _bounds(name)
    if any(not low <= n <= high for n in numbers):
        yield f"{name} = {str(value)[:60]}, expected {low:g} to {high:g}"
    if name in RANGES and len(numbers) == 2 and numbers[0] > numbers[1]:
        yield f"{name} = {value}, upside down"
    if name == "hidden" and not (numbers and all(1 <= n <= 2**16 for n in numbers)):
        yield f"{name} = {str(value)[:60]}"


def _bounds(name: str) -> tuple[float, float]:
    if name in AT_LEAST_ONE:
        return 1, 2**63
    if name in SHARES:
        return 0.0, 1.0
    if name in POSITIVE:
        return 1e-300, math.inf
    return (0.0 if name in NOT_NEGATIVE else -math.inf), math.inf


def wrong_study(studies: Any) -> list[str]:
    wrong = [text for study in studies for c in study.conditions.values() for text in wrong_config(c)]
    wrong += [f"{name} of a condition" for study in studies for name in study.conditions if not name.isprintable()]
    counts = {(n, getattr(study, n)) for study in studies for n in ("seeds", "population", "rows")}
    wrong += [f"{name} = {str(value)[:40]}" for name, value in counts if not 1 <= value < LARGEST_INTEGER]
    return wrong + [f"{len(study.groups())} groups" for study in studies if study.seeds < 10**6 and not study.groups()]


READERS = (
    Reader("TOML of a training", write_config, partial(damage_toml, CONFIG), read_config, wrong_config, 220),
    Reader("TOML of a study", write_study, partial(damage_toml, STUDY), read_both, wrong_study, 180),
)
