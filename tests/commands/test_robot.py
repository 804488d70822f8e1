"""`real2sim run` and `real2sim export`: a film from a simulated robot, and wrong inputs in one line."""

from pathlib import Path

import av
import pytest

from real2sim_jax.core.policy import save_policy
from real2sim_jax.simulated_robots.video import save_video
from tests.command_line import exit_code as run
from tests.policies import random_policy


@pytest.fixture
def policy_file(tmp_path):
    save_policy(tmp_path / "policy.npz", random_policy(scale=0.05))
    return tmp_path / "policy.npz"


def test_a_simulated_robot_is_filmed(policy_file, tmp_path, capsys):
    film, log = tmp_path / "film.mp4", tmp_path / "log.csv"
    options = ("--robot", "mujoco-gripper", "--steps", 6, "--video", film, "--log", log)
    # It went through, but the object is not picked up.
    assert run("run", "--policy", policy_file, *options) == 1
    with av.open(str(film)) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert len(frames) == 6 and frames[0].shape == (480, 640, 3) and frames[0].std() > 10
    assert len(log.read_text().splitlines()) == 7
    assert "pick_up did not succeed" in capsys.readouterr().out


def test_a_run_that_succeeds_ends_with_code_0(capsys):
    kept = Path(__file__).parents[2] / "experiments" / "skills" / "results" / "pick_up" / "seed0" / "policy.npz"
    for robot in ("mujoco-gripper", "mujoco-panda"):
        assert run("run", "--policy", kept, "--robot", robot) == 0
        assert "pick_up succeeded" in capsys.readouterr().out


def test_gif_films_too(tmp_path):
    import numpy as np

    save_video(tmp_path / "a.gif", [np.zeros((20, 30, 3), np.uint8)] * 3, 12.0)
    assert (tmp_path / "a.gif").read_bytes()[:3] == b"GIF"


@pytest.mark.parametrize(
    "options, message",
    [
        (("--robot", "mujoco-car"), "unknown robot"),
        (("--robot", "toaster"), "unknown robot"),
        (("--robot", "mujoco-gripper", "--video", "a.avi"), ".mp4 or .gif"),
        (("--video", "a.mp4"), "films mujoco"),
        (("--robot", "mujoco-panda", "--object-pose", "1,2,3,4"), "x,y,yaw_deg"),
        (("--robot", "mujoco-panda", "--object-pose", "1.5,0,0"), "cannot reach the start pose"),
        (("--robot", "mujoco-gripper", "--start", "0,0,0,nan,0"), "finite"),
        (("--robot", "udp", "--port", "9"), "start its program first"),
        (("--robot", "mujoco-gripper", "--max-linear", "0"), "above 0"),
        (("--robot", "mujoco-gripper", "--video", "a.mp4", "--arm-model", "."), "mujoco-panda"),
        (("--robot", "mujoco-panda", "--arm-model", "."), "--video"),
        (("--robot", "mujoco-panda", "--video", "a.mp4", "--arm-model", "absent"), "MuJoCo Menagerie"),
        (("--arm-model", "."), "films mujoco"),
    ],
)
def test_wrong_inputs_are_one_line_and_code_2(policy_file, capsys, options, message):
    assert run("run", "--policy", policy_file, *options) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_export_writes_a_graph(policy_file, tmp_path):
    pytest.importorskip("onnx")
    assert run("export", "--policy", policy_file, "--onnx", tmp_path / "policy.onnx") == 0
    assert (tmp_path / "policy.onnx").stat().st_size > 1000
