"""A study: a question, and the conditions that answer it, as a text file of a few lines.

question = "Does the policy get better when ...?"
actions = ["pick_up"]            # or "all"
seeds = 10                       # 0 to 9

[base]                           # what all conditions share
train.ppo.steps = 1_000_000

[conditions.usual]               # nothing else: the defaults

[conditions.no-replay]          # dotted paths into `Condition`
train.ppo.replay = 0.0

[quick]                          # the same with --quick: these lines go over those above
seeds = 3
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_type_hints

from real2sim_jax.config.fitting import FitConfig
from real2sim_jax.config.learning import DemonstrationConfig, TrainConfig
from real2sim_jax.core.actions import ACTIONS, action_named
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.settings import Checked, Count, as_field, override, placed
from real2sim_jax.core.text import read_toml
from real2sim_jax.simulation.physics.backends import check_physics
from real2sim_jax.sweeps.sources import StateSource

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Condition(Checked):
    """What a study varies."""

    source: StateSource = field(default_factory=StateSource)
    fit: FitConfig = field(default_factory=FitConfig)
    demonstrate: DemonstrationConfig = field(default_factory=DemonstrationConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    """Its seed counts for nothing: the study says how many there are."""


@dataclass(frozen=True)
class Study(Checked):
    """Named conditions on some actions, each with the same seeds."""

    name: str
    question: str
    conditions: Mapping[str, Condition]
    actions: tuple[str, ...] = tuple(ACTIONS)
    seeds: Count = 10
    """Seeds 0 to this less one."""
    population: Count = 10
    """At most so many seeds are trained in one program."""
    rows: Count = 1000
    """Start states that are drawn for each benchmark where none are given as files."""

    def groups(self) -> list[tuple[int, ...]]:
        """Return the seeds, population by population."""
        seeds = tuple(range(self.seeds))
        return [seeds[first : first + self.population] for first in range(0, self.seeds, self.population)]


def read_study(path: str | Path, quick: bool = False, seeds: int | None = None, physics: str | None = None) -> Study:
    """Read a study; `quick` its reduced version, called NAME-quick. seeds and physics replace what the file says.

    UserError names the file, the place in it and what is allowed there.
    """
    path = Path(path)
    document = read_toml(path)
    reduced = document.pop("quick", None)
    if quick:
        if not isinstance(reduced, Mapping):
            raise UserError(f"{path}: has no table [quick]; run it without --quick")
        document = _merged(document, reduced)
    study = _study(path, path.stem + "-quick" * quick, document)
    if seeds is not None:
        study = replace(study, seeds=seeds)
    if physics is not None:
        check_physics(physics)
        changed = {n: replace(c, train=replace(c.train, physics=physics)) for n, c in study.conditions.items()}
        study = replace(study, conditions=changed)
    return study


def _study(path: Path, name: str, document: dict[str, Any]) -> Study:
    kinds = get_type_hints(Study)
    conditions, base = document.pop("conditions", None), document.pop("base", {})
    if document.get("actions") == "all":
        document["actions"] = list(ACTIONS)
    if not isinstance(conditions, Mapping) or not conditions:
        raise UserError(f"{path}: expected a table [conditions.NAME] for each condition, got none")
    for key in document:
        if key not in kinds or key in ("name", "conditions"):
            allowed = [k for k in kinds if k not in ("name", "conditions")]
            raise UserError(f"{path}: {key}: unknown; expected one of {', '.join(allowed)}, base, conditions, quick")
    if not NAME.fullmatch(name):
        raise UserError(f"{path}: expected a file name of letters, digits, '_', '-' and '.'")
    values = {key: as_field(kinds[key], value) for key, value in document.items()}
    found = _conditions(path, base, conditions)
    with placed(f"{path}: "):
        study = Study(name, **{"question": "", **values}, conditions=found)
    return _checked(path, study)


def _conditions(path: Path, base: Any, conditions: Mapping[str, Any]) -> dict[str, Condition]:
    shared = override(Condition(), base, f"{path}: base")
    found = {}
    for name, changes in conditions.items():
        if not NAME.fullmatch(name):
            raise UserError(f"{path}: condition {name!r}: expected letters, digits, '_', '-' and '.'")
        found[name] = override(shared, changes, f"{path}: conditions.{name}")
        check_physics(found[name].train.physics)
    return found


def _checked(path: Path, study: Study) -> Study:
    for action in study.actions:
        action_named(action)
    if not study.question:
        raise UserError(f"{path}: question: expected what the study asks, got nothing")
    return study


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merged key by key; what is no table is replaced."""
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = _merged(result[key], value) if both else value
    return result
