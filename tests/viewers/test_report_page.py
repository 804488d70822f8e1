"""The page of a benchmark: it holds its numbers and pictures, and refers to nothing outside."""

import base64
import re

import jax
import numpy as np
import pytest

from real2sim_jax.benchmarks.report import make_report
from real2sim_jax.benchmarks.success import Success
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.simulation.types import StartState, Trajectory
from real2sim_jax.viewers.report_page import SHOWN_FAILURES, save_report_page

pytestmark = pytest.mark.long

ROWS, STEPS = 6, 5


@pytest.fixture
def page(tmp_path):
    ok = np.array([True, False, True, False, False, False])
    success = Success(np.ones(ROWS, bool), ok, np.ones(ROWS, bool), ok)
    identity = {"policy_hash": "<abc>", "spec": "easy", "spec_hash": "d"}
    report = make_report(ACTIONS["pick_up"], success, **identity, physics="batch", seed=0)
    one = np.ones(ROWS)
    starts = StartState(np.full((ROWS, 3), 0.1), one, 0.0 * one, 0.07 * one[:, None], 0.045 * one[:, None])
    upright = np.array([1.0, 0.0, 0.0, 0.0])
    episode = Trajectory(
        gripper_position=np.zeros((STEPS, 3)),
        gripper_wxyz=np.tile(upright, (STEPS, 1)),
        opening=np.full(STEPS, 0.05),
        object_position=np.zeros((STEPS, 1, 3)),
        object_wxyz=np.tile(upright, (STEPS, 1, 1)),
        heights=np.array([0.07]),
        radii=np.array([0.045]),
        dt=np.array(1 / 12),
    )
    episodes = jax.tree.map(lambda leaf: np.stack([leaf] * ROWS), episode)
    (tmp_path / "plot.png").write_bytes(b"a plot")
    (tmp_path / "rewards.png").write_bytes(b"reward terms")
    pictures = (tmp_path / "plot.png", tmp_path / "rewards.png")
    save_report_page(tmp_path / "report.html", report, starts, episodes, *pictures)
    return (tmp_path / "report.html").read_text()


def test_the_page_shows_rates_and_the_first_failures(page):
    assert "2 / 6" in page and "4 of 6 episodes failed" in page
    assert re.findall(r"<figcaption>Row (\d+):", page) == ["1", "3", "4"]
    assert page.count("data:image/gif") == SHOWN_FAILURES
    assert all(base64.b64encode(picture).decode() in page for picture in (b"a plot", b"reward terms"))


def test_the_page_needs_nothing_from_outside_and_escapes_what_it_shows(page):
    assert not re.search(r"(src|href)=\"(?!data:)", page) and "http" not in page
    assert "&lt;abc&gt;" in page and "<abc>" not in page
