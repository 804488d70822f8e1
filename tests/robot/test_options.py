"""Numbers below zero are values on every program, alone and in lists; what is wrong costs one line."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from real2sim_jax.robot.__main__ import main
from real2sim_jax.robot.options import Parser
from tests.command_line import exit_code

REPOSITORY = Path(__file__).parents[2]
PROGRAMS = [*(REPOSITORY / "experiments").rglob("*.py"), *(REPOSITORY / "real2sim_jax").rglob("*.py")]
NEGATIVE = ["-0.5,0,-90", "-.5,1,2", "-1", "-1e-3", "-5e+2,-1", "-inf", "-nan,0", "-0.1, 0"]


@pytest.mark.parametrize("value", NEGATIVE)
def test_a_value_may_begin_with_a_minus_sign(value):
    parser = Parser()
    parser.add_argument("--pose")
    parser.add_argument("--many", nargs="+")
    parser.add_argument("--flag", action="store_true")
    given = parser.parse_args(["--pose", value, "--flag", "--many", value, "1", value])
    assert given.flag and given.pose.strip() == value
    assert [part.strip() for part in given.many] == [value, "1", value]
    assert parser.parse_args([f"--pose={value}"]).pose == value


def test_single_numbers_are_numbers(capsys):
    parser = Parser(prog="tool")
    parser.add_argument("--speed", type=float)
    parser.add_argument("--count", type=int)
    given = parser.parse_args(["--speed", "-1.5e-3", "--count", "-7"])
    assert (given.speed, given.count) == (-1.5e-3, -7)
    for wrong in (["--speed"], ["--speed", "-1x"], ["--absent", "-1"], ["--speed", "--count", "-1"]):
        with pytest.raises(SystemExit) as caught:
            parser.parse_args(wrong)
        error = capsys.readouterr().err
        assert caught.value.code == 2 and error.startswith("tool: ") and error.count("\n") == 1


def test_no_program_makes_a_parser_of_its_own():
    """The parser that takes them is the only one; `real2sim` itself uses tyro, which takes them too."""
    for path in PROGRAMS:
        for node in ast.walk(ast.parse(path.read_text())):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            assert not (is_call and ast.unparse(node.func) == "argparse.ArgumentParser"), path


def test_the_robots_program_takes_places_behind_the_origin(policy_file, capsys):
    options = ["--object-pose", "-0.5,0,-90", "--start", "-0.1,-0.05,0.2,-90,-10", "--steps", "3"]
    assert main([str(policy_file), *options]) == 0
    assert "at -0.100 -0.050 +0.200 m  azimuth   -90.0 elevation  -10.0 deg" in capsys.readouterr().out
    for option in ("--max-linear", "--max-angular"):
        assert main([str(policy_file), option, "-1"]) == 2
        assert "expected a speed above 0" in capsys.readouterr().err
    assert main([str(policy_file), "--start", "-1,x"]) == 2
    assert capsys.readouterr().err == "--start -1,x: expected x,y,z,azimuth_deg,elevation_deg\n"


def test_real2sim_takes_them_too(policy_file, capsys):
    from tests.command_line import exit_code

    options = ("--start", "-0.1,-0.05,0.2,-90,-10", "--object-pose", "-0.5,0,-90", "--steps", 3)
    assert exit_code("run", "--policy", policy_file, *options) == 0
    assert "at -0.100 -0.050" in capsys.readouterr().out
    assert exit_code("run", "--policy", policy_file, "--max-linear", "-1e-3") == 2
    assert "expected a speed above 0" in capsys.readouterr().err


@pytest.mark.long
def test_an_experiments_options_take_them():
    script = REPOSITORY / "experiments" / "robot" / "arm_success.py"
    command = [sys.executable, str(script), "--actions", "pick_up", "--rows", "-1e3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "invalid int value" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("start", ["0,0,-1,0,0", "0,0,1e7,0,0", "-3,0,0.2,0,0", "0,0,0.2,0,91", "0,0,0.2,1000,0"])
@pytest.mark.parametrize("program", [main, lambda words: exit_code("run", "--policy", *words)])
def test_a_start_below_the_table_or_out_of_reach_is_refused(policy_file, capsys, program, start):
    robot = [] if program is main else ["--robot", "mujoco-gripper"]
    assert program([str(policy_file), *robot, "--start", start]) == 2
    assert f"--start {start}: " in (error := capsys.readouterr().err) and error.count("\n") == 1
