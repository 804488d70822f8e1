"""What users give to `make` arrives as they wrote it: no name is split, expanded or run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
NAMES = (
    "my video.mp4",
    "$(touch ran).mp4",
    "$(shell touch ran).mp4",
    "${shell touch ran}.mp4",
    "`touch ran`.mp4",
    "a;touch ran;.mp4",
    "a' && touch ran '.mp4",
    'a" && touch ran ".mp4',
    "a # b \\ c $HOME $$ [x]* ?.mp4",
    "2024-05-01T10:30:12, üñ.mp4",
)
# What `make test` itself was given, and its own flags, are not for the calls of make here.
GIVEN = re.search(r"^GIVEN := ((?:.*\\\n)*.*)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
OUTSIDE = {"MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL", *GIVEN.group(1).replace("\\", " ").split()}
PROGRAM = """#!{python}
import json, sys
with open({calls!r}, "a") as file:
    file.write(json.dumps(sys.argv) + "\\n")
"""


@pytest.fixture
def make(tmp_path):
    """Run `make` in an empty folder with programs that note their arguments; return those of the call."""
    venv, calls = tmp_path / "venv", tmp_path / "calls.jsonl"
    (venv / "bin").mkdir(parents=True)
    for name in ("real2sim", "python"):
        program = venv / "bin" / name
        program.write_text(PROGRAM.format(python=sys.executable, calls=str(calls)))
        program.chmod(0o755)
    for name in (".installed", ".installed-view", ".installed-ray", ".weights"):
        (venv / name).touch()
    folder = tmp_path / "empty"
    folder.mkdir()
    for name in ("requirements.txt", "requirements-perception.txt", "pyproject.toml"):
        os.symlink(REPOSITORY / name, folder / name)

    def run(target, environment=None, **variables):
        calls.unlink(missing_ok=True)
        words = [f"{name}={value}" for name, value in variables.items()]
        command = ["make", "-f", str(REPOSITORY / "Makefile"), target, f"VENV={venv}", *words]
        outside = {name: value for name, value in os.environ.items() if name not in OUTSIDE}
        environment = {**outside, **(environment or {})}
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        assert not (folder / "ran").exists()
        (arguments,) = (json.loads(line)[1:] for line in calls.read_text().splitlines())
        return arguments

    run.folder = folder
    return run


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_is_one_argument(make, name):
    (make.folder / name).touch()
    assert f"--video={name}" in make("train", VIDEO=name)
    assert f"--video={name}" in make("fit", VIDEO=name), "also where make itself would expand it"
    assert make("annotate", VIDEO=name) == ["annotate", name]
    assert name in make("segment", VIDEO=name, PROMPT=name) and f"--prompt={name}" in make("segment", PROMPT=name)
    assert f"--video={name}" in make("train", {"VIDEO": name}), "from the environment too"


@pytest.mark.parametrize("name", NAMES)
def test_folders_and_texts_of_any_name(make, name):
    shown = make("train", TRACKS=name, CHECKPOINT=name, RUNS=name, ACTION=name, SEED=name, STEPS=name, PHYSICS=name)
    wanted = {f"--{option}={name}" for option in ("tracks", "checkpoint", "runs", "action", "seed", "steps", "physics")}
    assert wanted <= set(shown)
    assert f"--spec={name}" in make("benchmark", SPEC=name)
    assert make("run", POLICY=name)[-1] == name
    assert make("run", RUNS=name)[-1] == f"{name}/pick_up/seed0/policy.npz"
    assert f"--states={name}" in make("replay", STATES=name)
    assert make("view", RUNS=name)[1] == f"{name}/pick_up"
    assert {f"--specs={name}", f"--tracks={name}"} <= set(make("skills", SPECS=name, REAL_TRACKS=name))
    assert {f"--ray={name}", f"--actions={name}"} <= set(make("sweep", RAY=name, ACTION=name))
    assert f"--videos={name}" in make("masks", VIDEOS=name)
    assert f"--scenes={name}" in make("states", SCENES=name)


@pytest.mark.parametrize("name", NAMES)
def test_help_shows_what_is_given(make, name):
    words = ["make", "-f", str(REPOSITORY / "Makefile"), "help", f"VIDEO={name}", f"TRACKS={name}"]
    done = subprocess.run(words, cwd=make.folder, capture_output=True, text=True)
    assert done.returncode == 0 and not (make.folder / "ran").exists()


def test_what_is_not_given_leaves_no_argument(make):
    assert make("train") == ["train", "--action=pick_up", "--seed=0", "--runs=runs", "--physics=batch"]
    assert make("states")[1:] == ["--scenes=20", "--out=runs/states"]
    assert make("replay") == ["replay", "--states=runs/pick_up"]


def test_words_and_patterns_name_several_files(make):
    assert make("train", VIDEO="a.mp4 b.mp4")[-2:] == ["--video=a.mp4", "--video=b.mp4"]
    for name in ("my first.mp4", "my second.mp4"):
        (make.folder / name).touch()
    assert make("train", VIDEO="my*.mp4")[-2:] == ["--video=my first.mp4", "--video=my second.mp4"]
    prompts = "moved=1,2,3,4@0 contact=3-9"
    assert make("train", PROMPT=prompts)[-2:] == [f"--prompt={word}" for word in prompts.split()]
    assert make("states", ONLY="real masks")[-2:] == ["--only=real", "--only=masks"]


@pytest.mark.parametrize("venv", ["my venv", "a$(touch ran)", "a`touch ran`", "", "a;b"])
def test_the_environments_folder_has_a_plain_name(tmp_path, venv):
    words = ["make", "-f", str(REPOSITORY / "Makefile"), "info", f"VENV={venv}"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "no blanks and no signs" in done.stderr and not list(tmp_path.iterdir())
