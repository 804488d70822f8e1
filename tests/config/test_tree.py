"""The tree of settings: one for the command line, for text files and for programs."""

import tomllib
from dataclasses import replace

import pytest

from real2sim_jax.config.learning import PRESETS
from real2sim_jax.config.tree import Config, base, based_on, toml_text
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.settings import override
from tests.command_line import exit_code


def printed(capsys, *arguments):
    """What `real2sim config` prints, as a table."""
    assert exit_code("config", *arguments) == 0
    return tomllib.loads(capsys.readouterr().out)


@pytest.mark.parametrize("train", PRESETS.values(), ids=PRESETS)
def test_what_is_printed_reads_back_as_the_same(train):
    config = replace(Config(), train=train)
    assert override(Config(), tomllib.loads(toml_text(config)), "a.toml") == config


def test_every_setting_is_printed_with_what_it_means(capsys):
    exit_code("config", "put_onto")
    text = capsys.readouterr().out
    assert "--action put_onto" in text
    assert "# Environments stepped in parallel; an iteration takes envs x 120 control steps.\nenvs = 512" in text


def test_options_go_over_the_file_and_the_file_over_the_preset(tmp_path, capsys):
    path = tmp_path / "my.toml"
    path.write_text("train.ppo.envs = 96\ntrain.ppo.epochs = 3\nfit.batch = 8\nbenchmark.rows = 7\n")
    found = printed(capsys, "pick_up", f"--config={path}", "--preset", "published", "--train.ppo.epochs", "2")
    ppo = found["train"]["ppo"]
    assert (ppo["reference"], ppo["envs"], ppo["epochs"]) == ("none", 96, 2)
    assert (found["fit"]["batch"], found["benchmark"]["rows"], found["demonstrate"]["scale"]) == (8, 7, 1.5)
    assert base() == Config()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("ppo.envs = 5", "ppo: unknown; expected one of segment, fit, demonstrate, train, benchmark"),
        ("train.ppo.envs = 0", "train.ppo.envs: expected whole number from 1"),
        ("train = 5", "train: expected a table of seed, physics, ppo"),
        ('segment.segmenter = "magic"', "segment.segmenter: expected one of auto, boxes, sam"),
        ("demonstrate.window_s = [2]", "demonstrate.window_s: expected 2 values"),
    ],
)
def test_a_file_is_refused_with_the_place_in_it(tmp_path, line, says):
    path = tmp_path / "my.toml"
    path.write_text(line)
    with pytest.raises(UserError) as refused, based_on(["train", "--config", str(path)]):
        pass
    assert f"{path}.{says}" in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--train.ppo.learning-rate", "-1"), "train.ppo: learning_rate: expected number above 0"),
        (("--fit.mask-width", "wide"), "--fit.mask-width"),
        (("--train.ppo.wings", "2"), "Unrecognized options: --train.ppo.wings"),
        (("--preset", "nix"), "--preset nix: expected one of default, published"),
        (("--preset",), "Missing value for argument '--preset'"),
    ],
)
def test_options_are_refused_in_one_line(capsys, arguments, says):
    assert exit_code("config", "pick_up", *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
