"""The robot's program: with numpy alone, and wrong inputs in one line."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from real2sim_jax.robot.__main__ import main
from real2sim_jax.robot.interface import SimulatedArm
from real2sim_jax.robot.program import RunSettings, drive

REPOSITORY = Path(__file__).parents[2]
HEAVY = "jax jaxlib flax optax brax mujoco cv2 torch matplotlib PIL tyro rich scipy jaxopt orbax"
BLOCKER = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY.split()!r}:
            raise ModuleNotFoundError(f"{{name}} is blocked", name=name)

sys.meta_path.insert(0, Absent())
"""


@pytest.fixture
def numpy_only(tmp_path):
    """Environment of a process in which everything but numpy is absent."""
    folder = tmp_path / "blocker"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BLOCKER)
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(REPOSITORY)])}


def test_runs_where_only_numpy_is_installed(numpy_only, policy_file, tmp_path):
    log = tmp_path / "log.npz"
    command = [sys.executable, "-m", "real2sim_jax.robot", str(policy_file), "--log", str(log)]
    done = subprocess.run(command, env=numpy_only, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    # A head line, ten seconds, a closing line.
    assert len(lines) == 12 and lines[0].startswith("pick_up: 120 steps") and lines[-1].startswith("done: 120 steps")
    with np.load(log) as file:
        assert file["observations"].shape == (120, 8) and np.isfinite(file["commands"]).all()
    blocked = subprocess.run([sys.executable, "-c", "import jax"], env=numpy_only, capture_output=True, text=True)
    assert "jax is blocked" in blocked.stderr


def test_a_log_plays_back_to_the_same_commands(policy_file, tmp_path, capsys):
    first, again = tmp_path / "a.npz", tmp_path / "b.npz"
    assert main([str(policy_file), "--steps", "30", "--log", str(first)]) == 0
    assert main([str(policy_file), "--stream", str(first), "--log", str(again)]) == 0
    with np.load(first) as a, np.load(again) as b:
        np.testing.assert_allclose(a["commands"], b["commands"], atol=1e-9)


def test_csv_log_has_a_named_column_for_each_number(policy_file, tmp_path, capsys):
    log = tmp_path / "log.csv"
    assert main([str(policy_file), "--steps", "5", "--log", str(log), "--start", "0.1,0,0.2,180,10"]) == 0
    rows = [line.split(",") for line in log.read_text().splitlines()]
    assert len(rows) == 6 and {len(row) for row in rows} == {34} and len(set(rows[0])) == 34
    assert rows[0][:2] == ["time", "gripper_x"] and float(rows[1][1]) == 0.1
    assert list(tmp_path.glob(".*")) == []


def test_braking_because_no_state_came_shows_in_the_exit_code(policy, capsys):
    class Blinking(SimulatedArm):
        def read(self):
            return None if abs(self.state.time - 1.0) < 0.01 else super().read()

    def code(kind):
        return drive(policy, kind((0.0, -0.05, 0.2), 1.0, 0.3, policy.dt), RunSettings(steps=24))

    assert code(SimulatedArm) == 0 and "braked" not in capsys.readouterr().out
    assert code(Blinking) == 1
    assert "done: 24 steps" in (out := capsys.readouterr().out) and "braked in 1 of 24 steps: no state" in out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["{absent}"], "found none"),
        (["{policy}", "--stream", "{absent}"], "found none"),
        (["{policy}", "--stream", "{policy}"], "'observations'"),
        (["{policy}", "--steps", "0"], "at least 1"),
        (["{policy}", "--start", "0,0"], "x,y,z,azimuth_deg,elevation_deg"),
        (["{policy}", "--start", "0,0,nan,0,0"], "finite"),
        (["{policy}", "--max-linear", "-1"], "above 0"),
        (["{policy}", "--robot", "udp", "--port", "99999"], "1 to 65535"),
    ],
)
def test_wrong_inputs_are_one_line_and_code_2(policy_file, tmp_path, capsys, arguments, message):
    names = {"policy": policy_file, "absent": tmp_path / "absent.npz"}
    assert main([argument.format(**names) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
