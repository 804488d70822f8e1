"""Settings outside their range are refused in one line, whichever way they come in."""

import importlib
import math
import pkgutil
from dataclasses import fields, is_dataclass, replace
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest

import real2sim_jax
from real2sim_jax.config.fitting import FitConfig
from real2sim_jax.config.learning import DemonstrationConfig, NetworkConfig, PPOConfig, TrainConfig
from real2sim_jax.config.simulation import RandomizationConfig
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.settings import Checked, Length, Range, override
from tests.command_line import exit_code

ROOMS = [name for _, name, _ in pkgutil.walk_packages(real2sim_jax.__path__, "real2sim_jax.") if ".robot" not in name]
WRONG = [
    ("ppo", "envs", -5),
    ("ppo", "envs", 0),
    ("ppo", "envs", 10**20),
    ("ppo", "envs", True),
    ("ppo", "steps", 0),
    ("ppo", "learning_rate", -1.0),
    ("ppo", "learning_rate", 0.0),
    ("ppo", "minibatches", 0),
    ("ppo", "epochs", 0),
    ("ppo", "discount", 2.0),
    ("ppo", "clip", 0.0),
    ("", "seed", -1),
    ("", "checkpoint_every", 0),
    ("ppo.networks", "hidden", ()),
    ("ppo.networks", "hidden", (0,)),
    ("ppo.networks", "sigma_grip", 0.0),
    ("ppo.tracking", "position_gain", -1.0),
    ("env.reward", "temperature", 0.0),
    ("env.reward", "over_demos", "median"),
    ("env.reward.weights", "finger_gap", -1.0),
    ("env.starts", "height_m", (0.0, 0.1)),
    ("env.randomization", "mass_kg", (0.0, 1.0)),
    ("env.randomization", "delay_steps", (0, 10**9)),
]


def configurations():
    """Every dataclass of settings in the package."""
    known = set()
    for name in ROOMS:
        known |= {one for one in vars(importlib.import_module(name)).values() if isinstance(one, type)}
    return [one for one in known if is_dataclass(one) and (issubclass(one, Checked) or one.__name__.endswith("Config"))]


def bounded(kind, limits=()):
    """Whether every number and every list in a type says its range."""
    if get_origin(kind) is Annotated:
        return bounded(get_args(kind)[0], get_args(kind)[1:])
    parts = get_args(kind)
    if get_origin(kind) is tuple and Ellipsis in parts:
        return any(isinstance(limit, Length) for limit in limits) and bounded(parts[0])
    if parts and get_origin(kind) is not None and str(get_origin(kind)) != "typing.Literal":
        return all(bounded(part) for part in parts)
    return kind not in (int, float) or any(isinstance(limit, Range) for limit in limits)


def test_every_field_of_every_configuration_has_a_range():
    found = configurations()
    assert {TrainConfig, FitConfig, DemonstrationConfig, NetworkConfig, RandomizationConfig} < set(found)
    for one in found:
        assert issubclass(one, Checked), f"{one}: its values are not checked"
        if one.__name__ not in ("Study", "Condition"):
            hints = get_type_hints(one, include_extras=True)
            loose = [field.name for field in fields(one) if not bounded(hints[field.name])]
            assert not loose, f"{one.__name__}: {loose} have no range"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e300, "0.5", None, True, 1j])
def test_what_is_no_number_in_range_is_refused(bad):
    for one, name in ((PPOConfig, "learning_rate"), (FitConfig, "learning_rate"), (DemonstrationConfig, "scale")):
        with pytest.raises(UserError, match=name) as caught:
            replace(one(), **{name: bad})
        assert "\n" not in str(caught.value)


def nested(path, name, value):
    """A table of one value, as a text file would give it."""
    table = {name: list(value) if isinstance(value, tuple) else value}
    for part in reversed(path.split(".") if path else []):
        table = {part: table}
    return table


@pytest.mark.parametrize(("path", "name", "value"), WRONG)
def test_api_and_text_files_refuse_the_same(path, name, value):
    config = TrainConfig()
    for part in path.split(".") if path else []:
        config = getattr(config, part)
    with pytest.raises(UserError, match=f"^{name}: expected"):
        replace(config, **{name: value})
    place = ".".join(["a.toml", *path.split("."), name]) if path else f"a.toml.{name}"
    with pytest.raises(UserError, match=f"^{place}: expected"):
        override(TrainConfig(), nested(path, name, value), "a.toml")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--envs", "-5"),
        ("--envs", "0"),
        ("--envs", "100000000000000000000"),
        ("--seed", "-1"),
        ("--seed", "100000000000000000000"),
        ("--seeds", "0"),
        ("--seeds", "100000000000000000000"),
        ("--steps", "-1"),
        ("--steps", "100000000000000000000"),
        ("--rows", "100000000000000000000"),
        ("--config", "train.ppo.learning_rate = -1"),
        ("--config", "train.ppo.networks.hidden = []"),
        ("--config", "train.seed = -1"),
    ],
)
def test_the_command_line_refuses_in_one_line(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    option, value = arguments
    if option == "--config":
        (tmp_path / "settings.toml").write_text(value)
        value = "settings.toml"
    assert exit_code("train", "--action", "pick_up", option, value) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "expected" in line and not (tmp_path / "runs").exists()
