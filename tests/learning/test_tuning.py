"""The calibration: what it chooses, that it is kept, and for what."""

import pytest

from real2sim_jax.commands.train import Train, _train_config
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.core.errors import UserError
from real2sim_jax.learning import tuning
from tests.command_line import exit_code as run

PICK_UP, PUSH, PUT = (ACTIONS[name] for name in ("pick_up", "push_left_to_right", "put_onto"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "real2sim_jax" / "tuning"


def config(**options):
    return _train_config(Train(action="pick_up", **options))


def test_the_least_number_that_is_nearly_as_fast_is_chosen():
    assert tuning.chosen({128: 50.0, 256: 96.0, 512: 100.0, 1024: 90.0}).envs == 256
    assert tuning.chosen({128: 50.0, 256: 94.0, 512: 100.0}).envs == 512


@pytest.mark.long
def test_a_calibration_is_kept_and_used_only_when_asked(cache, capsys):
    assert run("tune-env", "--candidates", "2,4") == 0
    shown = capsys.readouterr().out
    assert "chosen" in shown and "--envs auto" in shown
    choice = tuning.kept_choice(PICK_UP, "batch")
    assert set(choice.rates) == {2, 4} and min(choice.rates.values()) > 0.0 and choice == tuning.chosen(choice.rates)
    assert config(envs="auto").ppo.envs == choice.envs
    assert config().ppo.envs == 512 and config(envs=64).ppo.envs == 64
    # One object or two, and the engine, make a difference; another action with as many objects does not.
    assert tuning.kept_choice(PUSH, "batch") == choice
    for action, physics in ((PUT, "batch"), (PICK_UP, "mjx")):
        with pytest.raises(UserError, match=f"tune-env --action {action.name} --physics {physics}"):
            tuning.kept_choice(action, physics)


def test_another_machine_or_version_knows_nothing(cache, monkeypatch):
    monkeypatch.setattr(tuning, "_rate", lambda action, physics, envs: 1.0)
    tuning.tune(PICK_UP, "batch", (8,))
    assert tuning.kept_choice(PICK_UP, "batch").envs == 8
    with monkeypatch.context() as other:
        other.setattr(tuning.platform, "node", lambda: "another")
        with pytest.raises(UserError):
            tuning.kept_choice(PICK_UP, "batch")
    with monkeypatch.context() as other:
        other.setattr(tuning, "versions", lambda: {"jax": "0.0"})
        with pytest.raises(UserError):
            tuning.kept_choice(PICK_UP, "batch")
    (path,) = cache.iterdir()
    path.write_text("[]")
    with pytest.raises(UserError, match="remove it"):
        tuning.kept_choice(PICK_UP, "batch")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tune-env", "--candidates", "many"), "expected whole numbers"),
        (("tune-env", "--candidates", "0"), "--candidates 0: expected at least 1"),
        (("tune-env", "--physics", "bullet"), "unknown physics"),
        (("train", "--action", "pick_up", "--envs", "auto"), "run `real2sim tune-env"),
    ],
)
def test_wrong_arguments(cache, tmp_path, monkeypatch, capsys, arguments, says):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line and not (tmp_path / "runs").exists()
