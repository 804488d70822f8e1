"""The 3D page in a browser: no error, no request to anywhere, and the bodies where they must be."""

import colorsys
import re
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from real2sim_jax.commands.view import View, scenes_of
from real2sim_jax.core.clock import EPISODE_TIMES_S
from real2sim_jax.viewers.page3d import FIELD_OF_VIEW_RAD, first_view
from real2sim_jax.viewers.stage import side_by_side
from tests.command_line import exit_code
from tests.viewers.browser import needs_chromium, page_at
from tests.viewers.runs import FILM, make_run

run = partial(exit_code, "view")

pytestmark = pytest.mark.long

pytest.importorskip("viser", reason="needs the extra view")
TIMES = EPISODE_TIMES_S
SIZE = (960, 540)
# The button and the clock of the recording's player stand left of its slider.
BAR = "document.querySelector('.mantine-Slider-root').parentElement"
CANVAS = "[...document.querySelectorAll('canvas')].pop().getBoundingClientRect()"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "pick_up")


@pytest.fixture(scope="module")
def scenes(folder):
    return side_by_side(scenes_of(View(folder, video="b"), TIMES))


class Projection:
    """Where points of the page's world are in a picture of it: a pinhole at the first view, written out plainly."""

    def __init__(self, scenes, canvas):
        eye = first_view(scenes)
        self.eye, (self.width, self.height) = eye.position, canvas
        forward = (eye.target - eye.position) / np.linalg.norm(eye.target - eye.position)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        self.axes = np.stack([right, np.cross(forward, right), forward])

    def __call__(self, point):
        x, y, z = self.axes @ (np.asarray(point, float) - self.eye)
        focal = 0.5 * self.height / np.tan(0.5 * FIELD_OF_VIEW_RAD)
        return round(self.width / 2 + focal * x / z), round(self.height / 2 + focal * y / z)


def hue_and_saturation(colour):
    hue, saturation, _ = colorsys.rgb_to_hsv(*(channel / 255.0 for channel in colour))
    return hue, saturation


def shows(picture, pixel, colour):
    """Whether a pixel has a colour's hue: lamps and shadows change its brightness."""
    hue, saturation = hue_and_saturation(picture[pixel[1], pixel[0]])
    apart = abs(hue - hue_and_saturation(colour)[0])
    return saturation > 0.2 and min(apart, 1.0 - apart) < 0.06


def canvas_of(page):
    """Width and height of the drawing, once it is as broad as the window."""
    page.wait_for(lambda: page.run(f"document.querySelectorAll('canvas').length > 0 && {CANVAS}.width == innerWidth"))
    return page.run(f"{CANVAS}.width"), page.run(f"{CANVAS}.height")


def places(scenes, sample, number):
    """Body by name with its centre on the page at a sample of the clock."""
    scene = scenes[number]
    return {body.name: (body, body.position[sample] + scene.origin) for body in scene.bodies}


def place_on_film(scene):
    """A point of the film, which stands behind its scene, that nothing hides."""
    (left, _, _), (right, back, _) = scene.span
    width = right - left
    height = width * scene.film.frames[0].shape[0] / scene.film.frames[0].shape[1]
    return np.add(scene.origin, (0.5 * (left + right) + 0.2 * width, back, 0.3 * height))


@needs_chromium
def test_the_recording_shows_the_bodies_where_they_are(folder, scenes, tmp_path):
    assert run(folder, "--video", "b", "--out", tmp_path / "page.html") == 0
    with page_at((tmp_path / "page.html").as_uri(), SIZE) as page:
        still = Projection(scenes, canvas_of(page))
        anchor, middle = places(scenes, 0, 0)["anchor"]
        page.wait_for(lambda: shows(page.picture(), still(middle), anchor.colour))
        clock = f"Number({BAR}.querySelectorAll('input')[1].value)"
        page.wait_for(lambda: page.run(clock) > 0.0)
        page.run(f"{BAR}.querySelector('button').click()")
        # What was under way when the button was pressed is drawn first.
        page.picture()
        time, picture = page.run(clock), page.picture()
        assert page.run(clock) == time, "the button does not pause"
        sample = int(np.searchsorted(TIMES, time + 1e-6) - 1)
        for number in (0, 1):
            for name, (body, centre) in places(scenes, sample, number).items():
                assert shows(picture, still(centre), body.colour), f"{scenes[number].title}: {name} at {time} s"
        _, palm = places(scenes, sample, 2)["palm"]
        assert picture[still(palm)[1], still(palm)[0]].max() < 200, "no palm"
        assert picture[5, SIZE[0] - 5].min() > 240, "no background"
        x, y = still(place_on_film(scenes[0]))
        assert np.abs(picture[y, x].astype(int) - FILM).max() < 30, "no film"
        assert page.errors == []
        assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))] == []


@needs_chromium
def test_the_served_page_plays_and_asks_nobody_else(folder, scenes):
    command = [sys.executable, "-m", "real2sim_jax.cli", "view", str(folder), "--video", "b", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = next(word.rstrip(";") for line in process.stdout for word in line.split() if "http://" in word)
            assert address.startswith("http://127.0.0.1:")
            with page_at(address, SIZE) as page:
                project, bodies = Projection(scenes, canvas_of(page)), places(scenes, 0, 0)
                (anchor, stands), (moved, starts) = bodies["anchor"], bodies["moved"]
                page.wait_for(lambda: shows(page.picture(), project(stands), anchor.colour))
                # Time goes round and round: the moved object is where it starts, and then is not.
                page.wait_for(lambda: shows(page.picture(), project(starts), moved.colour))
                page.wait_for(lambda: not shows(page.picture(), project(starts), moved.colour))
                assert page.run("Number(document.querySelector('.mantine-Slider-root input').value)") > 0.0
                assert page.errors == []
                own = (address, address.replace("http", "ws"), "data:", "blob:")
                assert [url for url in page.requests if not url.startswith(own)] == []
        finally:
            process.terminate()


def test_ctrl_c_ends_the_served_page_well(folder, monkeypatch, capsys):
    steps = iter(range(3))

    def sleep(seconds):
        if next(steps, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr("real2sim_jax.viewers.page3d.time", SimpleNamespace(sleep=sleep))
    assert run(folder, "--port", 0) == 0
    assert re.search(r"open http://127\.0\.0\.1:[1-9]\d+; Ctrl-C ends it", capsys.readouterr().out)


def test_the_page_is_one_file_and_says_what_it_shows(folder, tmp_path, capsys):
    assert run(folder, "--out", tmp_path / "page.html") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    shown = capsys.readouterr().out
    assert "video a, demonstration, policy" in shown and "Websocket" not in shown


def test_each_part_is_shown_alone(folder, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "track.npz").write_bytes((folder / "a" / "track.npz").read_bytes())
    assert [scene.title for scene in scenes_of(View(tmp_path), TIMES)] == ["video a"]
    (tmp_path / "demos.npz").write_bytes((folder / "demos.npz").read_bytes())
    assert [scene.title for scene in scenes_of(View(tmp_path), TIMES)] == ["video a", "demonstration"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("{folder}", "--video", "c"), "no track of video 'c'; it has a, b"),
        (("{folder}", "--film", "none.mp4"), "none.mp4: expected a video file"),
        (("{folder}/a",), "expected VIDEO/track.npz or seed0/policy.npz, found neither"),
        (("nowhere",), "expected VIDEO/track.npz"),
        (("{folder}", "--seed", "-1"), "--seed -1"),
        (("{folder}", "--port", "99999"), "--port 99999: expected 0 to 65535"),
    ],
)
def test_wrong_arguments(folder, tmp_path, monkeypatch, capsys, arguments, says):
    monkeypatch.chdir(tmp_path)
    assert run(*(word.format(folder=folder) for word in arguments), "--out", "page.html") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert not list(tmp_path.iterdir())
