"""Studies as text: what is read, what is refused, and in which words."""

from pathlib import Path

import pytest

from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.core.errors import UserError
from real2sim_jax.sweeps.study import Condition, read_study

STUDIES = sorted((Path(__file__).parents[2] / "experiments" / "studies").glob("*.toml"))
TEXT = """
question = "Does it matter?"
actions = ["pick_up"]
seeds = 5
population = 2

[base]
train.ppo.steps = 500_000

[conditions.usual]

[conditions.other]
source.states = "C"
source.detector.missing = 0.5
train.ppo.replay = 1
train.env.starts.position_m = [0, 0, 0.1]

[quick]
seeds = 1
base.train.ppo.envs = 64
"""


@pytest.fixture
def study(tmp_path):
    def write(text=TEXT, old="", new=""):
        path = tmp_path / "question.toml"
        path.write_text(text.replace(old, new) if old else text)
        return path

    return write


def test_a_study_changes_what_it_names_and_nothing_else(study):
    found = read_study(study())
    usual, other = found.conditions["usual"], found.conditions["other"]
    assert found.name == "question" and found.actions == ("pick_up",)
    assert usual.train.ppo.steps == other.train.ppo.steps == 500_000
    assert usual.source == Condition().source and usual.train.env == Condition().train.env
    assert (other.source.states, other.source.detector.missing, other.source.video) == ("C", 0.5, None)
    assert other.train.ppo.replay == 1.0 and isinstance(other.train.ppo.replay, float)
    assert other.train.env.starts.position_m == (0.0, 0.0, 0.1)


def test_seeds_are_packed_into_populations(study):
    assert read_study(study()).groups() == [(0, 1), (2, 3), (4,)]
    assert read_study(study(), seeds=2).groups() == [(0, 1)]


def test_the_quick_version_goes_over_the_study(study):
    quick = read_study(study(), quick=True)
    assert quick.name == "question-quick" and quick.groups() == [(0,)]
    assert all(c.train.ppo.envs == 64 and c.train.ppo.steps == 500_000 for c in quick.conditions.values())


def test_physics_of_all_conditions(study):
    found = read_study(study(), physics="mjx")
    assert {condition.train.physics for condition in found.conditions.values()} == {"mjx"}
    with pytest.raises(UserError, match="unknown physics"):
        read_study(study(), physics="bullet")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("replay = 1", "replays = 1", "conditions.other.train.ppo.replays: unknown; expected one of envs, steps"),
        ("replay = 1", 'replay = "soon"', "conditions.other.train.ppo.replay: expected number from 0 to 1, got 'soon'"),
        ("replay = 1", "replay = nan", "train.ppo.replay: expected number from 0 to 1, got nan"),
        ("500_000", "5e5", "base.train.ppo.steps: expected whole number from 1 to 1000000000000, got 500000.0"),
        ("[0, 0, 0.1]", "[0, 0]", "position_m: expected 3 values, got (0.0, 0.0)"),
        ('"C"', '"D"', "source.states: expected one of A, B, C, got 'D'"),
        ("source.detector.missing = 0.5", "source.detector = 1", "source.detector: expected a table of side_share"),
        ("seeds = 5", "seed = 5", "seed: unknown; expected one of question, actions, seeds"),
        ("seeds = 5", "seeds = true", "seeds: expected whole number from 1 to 1000000, got True"),
        ("seeds = 5", "seeds = 0", "seeds: expected whole number from 1 to 1000000, got 0"),
        ('"pick_up"', '"juggle"', "expected one of pull_left_to_right"),
        ('question = "Does it matter?"', "", "question: expected what the study asks"),
        ("[conditions.other]", "[conditions.'a/b']", "condition 'a/b': expected letters"),
        ("[conditions", "[condition", "expected a table [conditions.NAME]"),
        ("seeds = 5", "seeds = ", "expected TOML, got malformed text"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(study, old, new, says):
    with pytest.raises(UserError) as refused:
        read_study(study(TEXT, old, new))
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_a_study_without_a_quick_version_or_without_a_file(study, tmp_path):
    with pytest.raises(UserError, match="no table \\[quick\\]"):
        read_study(study(TEXT.partition("[quick]")[0]), quick=True)
    with pytest.raises(UserError, match="found nothing"):
        read_study(tmp_path / "none.toml")


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_studies_of_the_project_can_be_read(path):
    full, quick = read_study(path), read_study(path, quick=True)
    assert full.actions == tuple(ACTIONS) and full.seeds == 10
    assert len(quick.actions) == 1 and quick.seeds == 3
    assert set(quick.conditions) == set(full.conditions)
