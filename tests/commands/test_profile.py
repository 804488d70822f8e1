"""A trace of training has the iterations in it, and their parts."""

import gzip
import json
from functools import partial

import pytest

from tests.command_line import exit_code

run = partial(exit_code, "profile")


@pytest.mark.long
def test_the_trace_holds_the_iterations_and_what_happened_in_them(tmp_path, capsys):
    assert run("--envs", 4, "--iterations", 1, "--runs", tmp_path) == 0
    (folder,) = (tmp_path / "profile" / "plugins" / "profile").iterdir()
    shown = capsys.readouterr().out
    assert str(folder) in shown and "ui.perfetto.dev" in shown and f"--logdir {tmp_path / 'profile'}" in shown
    (planes,) = folder.glob("*.xplane.pb")
    assert planes.stat().st_size > 10_000
    events = json.loads(gzip.decompress((folder / "perfetto_trace.json.gz").read_bytes()))["traceEvents"]
    steps = [event for event in events if event.get("name") == "iteration"]
    assert len(steps) == 1 and all(event["dur"] > 0 for event in steps)
    # The host's calls of the physics engine lie within the steps, one for each control step at least.
    start, end = steps[0]["ts"], steps[-1]["ts"] + steps[-1]["dur"]
    assert sum(start <= event.get("ts", -1) <= end for event in events) > 120


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--iterations", "0"), "--iterations 0: expected at least 1"),
        (("--envs", "0"), "--envs 0: expected at least 1"),
        (("--physics", "bullet"), "unknown physics"),
        (("--action", "juggle"), "expected one of"),
    ],
)
def test_wrong_arguments(tmp_path, monkeypatch, capsys, arguments, says):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line and not list(tmp_path.iterdir())
