"""What README and docs promise about files, commands and formats is true."""

import re
import subprocess
from contextlib import redirect_stdout
from dataclasses import fields, is_dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import get_args

import pytest
import tyro

from real2sim_jax.benchmarks.report import Report
from real2sim_jax.benchmarks.specs import FETCHED_COLUMNS, HAND_COLUMNS, MOVED_COLUMNS, STANDING_COLUMNS
from real2sim_jax.cli import Command
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.core.reference import Reference
from real2sim_jax.data.artefacts import RunLayout
from real2sim_jax.data.types import BoxTrack, Camera, CuboidTrack, Demonstration
from real2sim_jax.evaluation.report import FitReport
from real2sim_jax.formats.published_states import column_names
from real2sim_jax.formats.something_else import read_tracks
from real2sim_jax.robot.__main__ import main as robot_main

REPOSITORY = Path(__file__).parents[1]
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
TEXTS = {path: path.read_text() for path in PAGES}
README, FORMATS, OWN_TRACKS = (
    TEXTS[REPOSITORY / name] for name in ("README.md", "docs/formats.md", "docs/own_tracks.md")
)
MAKEFILE = (REPOSITORY / "Makefile").read_text()


def without_code(text):
    return re.sub(r"```.*?```|`[^`\n]+`", "", text, flags=re.DOTALL)


def commands_in(text):
    """Lines of fenced blocks that are no data, and code within sentences, without prompt and folder."""
    blocks = re.findall(r"```(?:console)?\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    parts = [part.strip() for line in lines for part in line.removeprefix("$ ").split("&&")]
    return [part.removeprefix(".venv/bin/") for part in parts]


ALL_COMMANDS = sorted({(path.name, line) for path, text in TEXTS.items() for line in commands_in(text)})


def commands_of(program):
    found = [pair for pair in ALL_COMMANDS if re.match(rf"{program}(\s|$)", pair[1])]
    assert found, f"no page shows {program}"
    return found


def options_in(line):
    return re.findall(r"(?<!\S)(--[a-z][a-z.-]*)", line)


@cache
def subcommands():
    """Each subcommand's own options, by name, as its help lists them."""
    known = {}
    for part in get_args(Command):
        kind, marker = get_args(part)[:2]
        with redirect_stdout(StringIO()) as shown, pytest.raises(SystemExit):
            tyro.cli(kind, args=["--help"])
        known[marker.name] = set(re.findall(r"(?<![\w.-])--[a-z][a-z.-]*", shown.getvalue()))
    return known


def slugs(text):
    """Anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def block(language):
    found = re.search(rf"```{language}\n(.*?)```", OWN_TRACKS, re.DOTALL)
    assert found is not None
    return found[1]


def section(heading):
    """The text below a heading of the formats page, up to the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", FORMATS, re.DOTALL | re.MULTILINE)
    assert found is not None, heading
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


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", without_code(TEXTS[page])):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_file(), link
        assert not anchor or anchor in slugs(target.read_text()), link


@pytest.mark.parametrize("command", sorted({line for _, line in commands_of("make")} - {"make"}))
def test_make_targets_and_variables_exist(command):
    _, *words = command.split()
    targets = [word for word in words if "=" not in word]
    names = {word.partition("=")[0] for word in words if "=" in word}
    assert len(targets) <= 1 and names <= set(re.findall(r"^([A-Z]+) \?=", MAKEFILE, re.MULTILINE)), command
    done = subprocess.run(["make", "--dry-run", *words], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("page", "line"), commands_of("real2sim"))
def test_subcommands_and_options_exist(page, line):
    words, known = line.split(), subcommands()
    if len(words) == 1 or words[1].isupper() or words[1].startswith("--"):
        assert set(options_in(line)) <= {"--help", "--version", "--tyro-write-completion"}
        return
    assert words[1] in known, line
    assert set(options_in(line)) <= known[words[1]], line


@pytest.mark.parametrize(("page", "line"), commands_of("python -m real2sim_jax.robot"))
def test_options_of_the_robot_exist(capsys, page, line):
    with pytest.raises(SystemExit):
        robot_main(["--help"])
    assert set(options_in(line)) <= set(options_in(re.sub(r"[\[\],]", " ", capsys.readouterr().out))), line


@pytest.mark.parametrize("kind", [BoxTrack, CuboidTrack, Demonstration], ids=lambda kind: kind.__name__)
def test_every_field_of_the_arrays_is_described(kind):
    names = [field.name for field in fields(kind)]
    if "camera" in names:
        names.remove("camera")
        names += [f"camera.{field.name}" for field in fields(Camera)]
    names = [f"{name}.*" if name == "quality" else name for name in names]
    assert [name for name in names if f"`{name}`" not in section(kind.__name__)] == []


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("states.csv", column_names(1)),
        ("quality.json", FitReport),
        ("policy.npz", [f"reference_{field.name}" for field in fields(Reference)]),
        ("report_SPEC.json", Report),
        ("Start states", HAND_COLUMNS + STANDING_COLUMNS + MOVED_COLUMNS + FETCHED_COLUMNS),
    ],
)
def test_every_field_of_the_other_files_is_described(heading, names):
    if is_dataclass(names):
        names = [field.name for field in fields(names)]
    assert [name for name in names if f"`{name}`" not in section(heading)] == []


def test_the_tree_of_the_runs_folder_is_the_layout():
    layout = RunLayout(Path("runs"), "ACTION")
    tree = FORMATS[FORMATS.index("runs/ACTION/") : FORMATS.index("## Arrays")]
    assert str(layout.folder) in tree and layout.demonstrations.name in tree and "seedN/" in tree
    assert layout.seed(3).name == "seed3"
