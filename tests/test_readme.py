"""What the README promises about files and commands is true."""

import re
import subprocess
from pathlib import Path

import pytest

from real2sim_jax.actions import ACTIONS
from real2sim_jax.perception.annotations import read_tracks

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()


def block(language):
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_of_own_tracks_loads(tmp_path):
    (tmp_path / "boxes.json").write_text(block("json"))
    (tmp_path / "actions.csv").write_text(block("csv"))
    tracks, skipped = read_tracks(tmp_path)
    action, track = tracks["kitchen1"]
    assert action.name == "push_left_to_right" and not skipped
    assert track.boxes.shape == (3, 2, 4) and track.seen.all()
    assert tuple(track.image_size) == (640, 360) and float(track.dt) == pytest.approx(1 / 30)


def test_every_action_is_named():
    assert all(f"`{name}`" in README for name in ACTIONS)


def test_linked_files_exist():
    for path in re.findall(r"\]\((?!http|#)([^)]+)\)", README):
        assert (REPOSITORY / path).exists(), path


@pytest.mark.parametrize("command", sorted(set(re.findall(r"make [a-z-]+(?: [A-Z]+=\w+)*", README))))
def test_make_targets_exist(command):
    done = subprocess.run([*command.split(), "--dry-run"], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
