"""Animations and plots: files that open, with the content that they are for."""

import numpy as np
import pytest
from PIL import Image

from real2sim_jax.benchmarks.report import make_report
from real2sim_jax.benchmarks.specs import generate
from real2sim_jax.benchmarks.success import Success
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.core.rotations import wxyz_from_azimuth_elevation
from real2sim_jax.data.types import Demonstration
from real2sim_jax.simulation.types import Trajectory
from real2sim_jax.viewers import plots
from real2sim_jax.viewers.gif import save_gif
from real2sim_jax.viewers.plots import save_learning_curves, save_loss_curves, save_success_plot
from real2sim_jax.viewers.rollout import rollout_frames, save_rollout_gif, solids_at

ONE, TWO = ACTIONS["pick_up"], ACTIONS["put_onto"]


def episode(action, samples=13):
    count = action.bodies - 1
    share = np.linspace(0, 1, samples)
    wxyz = wxyz_from_azimuth_elevation(np.full(samples, np.pi / 2), np.full(samples, 0.3))
    upright = np.zeros((samples, count, 4))
    upright[..., 0] = 1.0
    return Trajectory(
        gripper_position=np.column_stack([0.2 * share, 0 * share, 0.1 + 0 * share]),
        gripper_wxyz=wxyz,
        opening=0.075 * (1 - share),
        object_position=np.tile([[0.0, 0.0, 0.03], [0.1, 0.1, 0.03]][:count], (samples, 1, 1)),
        object_wxyz=upright,
        heights=np.full(count, 0.06),
        radii=np.full(count, 0.045),
        dt=np.array(1 / 12),
    )


def demonstration(action, samples=13):
    bodies = action.bodies
    position = np.zeros((samples, bodies, 3))
    position[..., 2] = np.linspace(0.05, 0.2, samples)[:, None]
    ones = np.ones(samples)
    return Demonstration(
        position, np.zeros((samples, bodies, 4)), ones, ones > 0, np.ones((bodies, 3)), np.array(1 / 12)
    )


@pytest.mark.parametrize("action", [ONE, TWO], ids=lambda action: action.name)
def test_rollout_gif_has_a_frame_per_sample(tmp_path, action):
    path = tmp_path / "folder" / "rollout.gif"
    save_rollout_gif(path, episode(action), action.name, demonstration(action))
    with Image.open(path) as image:
        assert image.n_frames == 13 and image.info["duration"] == 80
    assert [p.name for p in path.parent.iterdir()] == ["rollout.gif"]


def test_fewer_frames_per_second_skip_samples():
    assert len(rollout_frames(episode(ONE), ONE.name, fps=6.0)) == 7


def test_fingers_stand_at_their_opening():
    trajectory = episode(ONE)
    for step in (0, 6, 12):
        fingers = [np.concatenate(solid.faces) for solid in solids_at(trajectory, step)[-2:]]
        # The hand points along +y and down: its fingers are left and right of it along x.
        middle = trajectory.gripper_position[step, 0]
        gap = [abs(points[:, 0] - middle).min() for points in fingers]
        np.testing.assert_allclose(gap, trajectory.opening[step], atol=1e-9)


def test_a_diverged_episode_still_gives_a_picture():
    broken = episode(ONE)
    broken = broken.replace(object_position=np.full_like(broken.object_position, np.nan))
    assert len(rollout_frames(broken, ONE.name)) == 13


def test_gif_keeps_plain_colours(tmp_path):
    frames = [np.full((20, 30, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255))]
    save_gif(tmp_path / "a.gif", frames, 10)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.convert("RGB").getpixel((5, 5)) == (255, 0, 0)
        image.seek(1)
        assert image.convert("RGB").getpixel((5, 5)) == (0, 0, 255)


@pytest.mark.parametrize("action", [ONE, TWO], ids=lambda action: action.name)
def test_success_plot_is_the_same_file_twice(tmp_path, action):
    starts = generate("hard", action, 40, 0, lambda states: np.zeros(40, bool))
    success = Success(*np.random.default_rng(0).random((4, 40)) < 0.6)
    report = make_report(action, success, policy_hash="", spec="hard", spec_hash="", physics="batch", seed=0)
    for name in ("a.png", "b.png"):
        save_success_plot(tmp_path / name, report, starts)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.width > 600 and len(set(image.convert("L").tobytes())) > 20


def test_learning_curves_take_one_or_many_runs(tmp_path):
    curves = {"reward": np.random.default_rng(0).random((20, 3)), "loss": np.arange(20.0)}
    save_learning_curves(tmp_path / "curves.png", curves, np.arange(20) * 8400)
    save_learning_curves(tmp_path / "short.png", {"loss": np.array([1.0])})
    with Image.open(tmp_path / "curves.png") as image:
        assert image.format == "PNG"


def test_loss_curves_name_the_five_that_end_highest(tmp_path, monkeypatch):
    steps = np.arange(10.0)
    curves = {str(i): np.column_stack([steps, 1.0 + i + np.exp(-steps)]) for i in range(8)}
    curves |= {"broken": np.column_stack([steps, np.full(10, np.nan)]), "none": np.zeros((0, 2))}
    drawn = []
    monkeypatch.setattr(plots, "_save", lambda path, figure: drawn.append(figure))
    save_loss_curves(tmp_path / "loss.png", curves)
    (axis,) = [axis for axis in drawn[0].axes if axis.get_visible()]
    assert [text.get_text().split(":")[0] for text in axis.get_legend().get_texts()] == ["7", "6", "5", "4", "3"]
    assert axis.get_yscale() == "log" and "8 videos" in axis.get_title()


def test_loss_curves_are_the_same_file_twice_and_need_no_curve(tmp_path):
    curves = {"a": np.array([[0.0, 3.0], [10.0, 1.0]])}
    for name in ("a.png", "b.png"):
        save_loss_curves(tmp_path / name, curves)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    save_loss_curves(tmp_path / "none.png", {})
    with Image.open(tmp_path / "none.png") as image:
        assert image.format == "PNG"
