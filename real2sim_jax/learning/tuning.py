"""How many environments train fastest on this machine: timed once, and kept for this machine, versions and device."""

import hashlib
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import jax

from real2sim_jax.config.learning import TrainConfig
from real2sim_jax.core.actions import Action
from real2sim_jax.core.clock import EPISODE_STEPS
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import read_json, versions, write_json
from real2sim_jax.jax_settings import cache_folder
from real2sim_jax.learning.training_benchmark import TrainingBenchmark
from real2sim_jax.simulation.physics.backends import check_physics

CANDIDATES = (128, 256, 512, 1024)
NEARLY_AS_FAST = 0.95
"""Of the largest rate: fewer environments mean more updates in as many steps."""


@dataclass(frozen=True)
class Choice:
    """What a calibration found."""

    envs: int
    rates: dict[int, float]
    """Control steps per second of the whole training by number of environments."""


def tune(
    action: Action, physics: str, candidates: Sequence[int], report: Callable[[str], None] = lambda text: None
) -> Choice:
    """Time iterations of training with each number of environments and keep the choice for `kept_choice`.

    Chosen is the least number whose rate is at least 95 % of the largest. UserError where the devices cannot share a
    number of environments evenly.
    """
    rates = {}
    for envs in candidates:
        report(f"{envs} environments")
        rates[envs] = _rate(action, physics, envs)
    choice = chosen(rates)
    write_json(_path(action, physics), {"key": key(action, physics), "envs": choice.envs, "rates": rates})
    return choice


def chosen(rates: dict[int, float]) -> Choice:
    """Return the choice among numbers of environments by their rates."""
    enough = NEARLY_AS_FAST * max(rates.values())
    return Choice(min(envs for envs, rate in rates.items() if rate >= enough), rates)


def kept_choice(action: Action, physics: str) -> Choice:
    """Return what was found on this machine with these versions and this device; UserError where nothing was."""
    check_physics(physics)
    path = _path(action, physics)
    if not path.is_file():
        raise UserError(
            f"--envs auto: nothing is known of {physics} physics with these versions on this machine; "
            f"run `real2sim tune-env --action {action.name} --physics {physics}` first"
        )
    kept = read_json(path)
    try:
        return Choice(int(kept["envs"]), {int(envs): float(rate) for envs, rate in kept["rates"].items()})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: damaged; remove it and run `real2sim tune-env` again") from error


def key(action: Action, physics: str) -> dict[str, object]:
    """Return all that a choice depends on: actions with as many objects share one."""
    devices = sorted(f"{device.platform} {device.device_kind}" for device in jax.devices())
    machine = {"name": platform.node(), "processor": platform.machine(), "cores": os.cpu_count()}
    return {"machine": machine, "devices": devices, "versions": versions(), "physics": physics, "bodies": action.bodies}


def _path(action: Action, physics: str) -> Path:
    text = json.dumps(key(action, physics), sort_keys=True)
    return cache_folder() / "tuning" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def _rate(action: Action, physics: str, envs: int) -> float:
    config = TrainConfig(physics=physics)
    trial = TrainingBenchmark(action, replace(config, ppo=replace(config.ppo, envs=envs)))
    trial.iterate()
    # The better of two: other programs only ever slow one down.
    return envs * EPISODE_STEPS / min(trial.iterate(), trial.iterate())
