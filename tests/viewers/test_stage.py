"""What the 3D page shows: bodies where they belong, three scenes that do the same at the same time."""

import numpy as np
import pytest

from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.core.clock import EPISODE_TIMES_S
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.rotations import rotate
from real2sim_jax.viewers.film import read_film
from real2sim_jax.viewers.gif import save_gif
from real2sim_jax.viewers.stage import (
    demonstration_scene,
    episode_scene,
    frames_at,
    side_by_side,
    video_scene,
)
from tests.viewers.runs import DT, FRAMES, demonstration, track
from tests.viewers.test_pictures import episode

TIMES = EPISODE_TIMES_S


def bodies_of(scene):
    return {body.name: body for body in scene.bodies}


def test_acting_frames_fill_the_window_of_the_demonstration():
    frames = frames_at(track(), TIMES)
    acting = np.flatnonzero(track().acting)
    assert frames[TIMES == 3.0] == acting[0] and frames[TIMES == 7.0] == acting[-1]
    assert frames[0] == 0 and frames[-1] == FRAMES - 1 and (np.diff(frames) >= 0).all()


def test_padding_is_never_shown():
    padded = track().replace(valid=np.arange(FRAMES) < 20)
    assert frames_at(padded, TIMES).max() == 19
    without_action = padded.replace(acting=np.zeros(FRAMES, bool))
    assert frames_at(without_action, np.array([3.0, 7.0])).tolist() == [0, 19]


def test_the_forearm_lies_behind_the_tip():
    fitted = track()
    hand = bodies_of(video_scene("", fitted, TIMES))["hand"]
    ahead = rotate(hand.wxyz, np.array([0.0, 0.0, 0.5 * hand.size[2]]))
    tip = np.asarray(fitted.position)[frames_at(fitted, TIMES), 0]
    np.testing.assert_allclose(hand.position + ahead, tip, atol=1e-6)


def test_a_demonstration_is_shown_sample_by_sample():
    shown = bodies_of(demonstration_scene("", demonstration(), TIMES))
    np.testing.assert_array_equal(shown["moved"].position, demonstration().position[:, 1])
    assert set(shown) == {"hand", "moved", "anchor"}


@pytest.mark.parametrize("action", ["pick_up", "put_onto"])
def test_fingers_stand_at_their_opening_beside_cylinders_of_their_size(action):
    trajectory = episode(ACTIONS[action])
    shown = bodies_of(episode_scene("", trajectory, np.arange(13) / 12.0))
    apart = np.linalg.norm(shown["finger1"].position - shown["finger0"].position, axis=-1)
    np.testing.assert_allclose(apart - shown["finger0"].size[1], 2.0 * trajectory.opening, atol=1e-9)
    np.testing.assert_allclose(shown["moved"].size, (0.09, 0.09, 0.06))
    assert ("anchor" in shown) == ACTIONS[action].has_anchor


def test_scenes_do_not_reach_into_each_other():
    scenes = side_by_side([video_scene("", track(), TIMES), demonstration_scene("", demonstration(), TIMES)])
    ends = [np.array([corner[0] + scene.origin[0] for corner in scene.span]) for scene in scenes]
    assert ends[0][1] < ends[1][0]
    assert ends[0][0] == pytest.approx(-ends[1][1])


def test_the_film_runs_with_the_track():
    film = [np.full((4, 6, 3), i, np.uint8) for i in range(FRAMES)]
    shown = video_scene("", track(), TIMES, film).film.shown
    np.testing.assert_array_equal(shown, frames_at(track(), TIMES))


def test_a_film_is_spread_over_the_frames_and_made_small(tmp_path):
    save_gif(tmp_path / "a.gif", [np.full((480, 640, 3), 25 * i, np.uint8) for i in range(10)], 10.0)
    film = read_film(tmp_path / "a.gif", 19)
    assert len(film) == 19 and film[0].shape == (240, 320, 3)
    means = [picture.mean() for picture in film]
    np.testing.assert_allclose(means, 25 * np.round(np.linspace(0, 9, 19)), atol=4.0)


@pytest.mark.parametrize("content", [None, b"", b"no video"])
def test_what_is_no_film_costs_one_line(tmp_path, content):
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.mp4: expected a video"):
        read_film(path, 5)


def test_times_are_the_episodes():
    assert TIMES[0] == 0.0 and TIMES[-1] == 10.0 and np.allclose(np.diff(TIMES), DT)
