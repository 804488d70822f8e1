"""The 3D page, with viser (extra `view`): served on this machine, or recorded into one HTML file."""

import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import write_text
from real2sim_jax.viewers.stage import Body, Film, Scene

HOST = "127.0.0.1"
UPRIGHT = (np.sqrt(0.5), -np.sqrt(0.5), 0.0, 0.0)
"""An image's axes are right, down, forward: stood up, it is seen from -y."""
FIELD_OF_VIEW_RAD = np.deg2rad(40.0)
ELEVATION_RAD = np.deg2rad(25.0)
ASPECT = 16.0 / 9.0
"""Of the window that the first view is meant for."""


@dataclass(frozen=True)
class Eye:
    """The first view: from the video's side, from above, so far away that everything is in view."""

    position: np.ndarray
    """(3,) m."""
    target: np.ndarray
    """(3,) m."""


def first_view(scenes: Sequence[Scene]) -> Eye:
    """Return where to look at the scenes from."""
    corners = np.array([np.add(corner, scene.origin) for scene in scenes for corner in scene.span])
    low, high = corners.min(axis=0), corners.max(axis=0)
    target = 0.5 * (low + high) * (1.0, 1.0, 0.5)
    half = max(0.5 * (high[0] - low[0]) / ASPECT, 0.5 * (high[2] - low[2]))
    away = half / np.tan(FIELD_OF_VIEW_RAD / 2.0) + 0.5 * (high[1] - low[1])
    return Eye(target + away * np.array([0.0, -np.cos(ELEVATION_RAD), np.sin(ELEVATION_RAD)]), target)


def save_page(path: str | Path, scenes: Sequence[Scene], times: np.ndarray) -> None:
    """Write the scenes over times (K,) s as one HTML file that plays and needs no network; UserError without viser."""
    with _server(0) as server:
        show = _build(server, scenes)
        recording = server.get_scene_serializer()
        for i, pause in enumerate(np.diff(times, append=times[-1])):
            show(i)
            recording.insert_sleep(float(pause))
        write_text(path, recording.as_html())


def serve_page(scenes: Sequence[Scene], times: np.ndarray, port: int, opened: Callable[[str], None]) -> None:
    """Serve the scenes with a play button and a time slider until Ctrl-C; `opened` gets the page's address.

    Where the port is taken, the next free one is used. UserError without viser.
    """
    with _server(port) as server:
        show = _build(server, scenes)
        playing = server.gui.add_checkbox("play", True)
        step = float(times[1] - times[0])
        slider = server.gui.add_slider("time [s]", 0.0, float(times[-1]), step, 0.0)
        slider.on_update(lambda _: show(int(np.argmin(np.abs(times - slider.value)))))
        opened(f"http://{HOST}:{server.get_port()}")
        # That is how it ends.
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(step)
                if playing.value:
                    slider.value = 0.0 if slider.value >= times[-1] - 0.5 * step else slider.value + step


@contextmanager
def _server(port: int) -> Any:
    try:
        import viser
    except ImportError as error:
        raise UserError("the 3D page needs viser: pip install 'real2sim-jax[view]', or use `make view`") from error
    # viser prints a banner, whatever its verbosity.
    with redirect_stdout(StringIO()):
        server = viser.ViserServer(host=HOST, port=port, verbose=False)
    # A page may ask viser for a tunnel that makes it public: this one stays on this machine.
    server.request_share_url = lambda *_, **__: None
    try:
        yield server
    finally:
        with redirect_stdout(StringIO()):
            server.stop()


def _build(server: Any, scenes: Sequence[Scene]) -> Callable[[int], None]:
    """Put everything on the page; return a function that moves it to a sample of the clock."""
    eye = first_view(scenes)
    server.scene.set_up_direction("+z")
    server.initial_camera.position, server.initial_camera.look_at = tuple(eye.position), tuple(eye.target)
    server.initial_camera.fov = FIELD_OF_VIEW_RAD
    server.gui.configure_theme(show_logo=False, show_share_button=False)
    movers: list[Callable[[int], None]] = []
    for number, scene in enumerate(scenes):
        movers += _add_scene(server, f"/{number}", scene)

    def show(i: int) -> None:
        # All of one instant arrives together.
        with server.atomic():
            for mover in movers:
                mover(i)

    show(0)
    return show


def _add_scene(server: Any, root: str, scene: Scene) -> list[Callable[[int], None]]:
    low, high = scene.span
    server.scene.add_frame(root, show_axes=False, position=scene.origin)
    size, middle = high - low, 0.5 * (low + high)
    server.scene.add_grid(
        f"{root}/table", float(size[0]), float(size[1]), cell_size=0.1, position=(middle[0], middle[1], 0.0)
    )
    server.scene.add_label(f"{root}/title", scene.title, position=(middle[0], low[1], 0.0), anchor="top-center")
    movers = [_add_body(server, root, body) for body in scene.bodies]
    foot = middle[0], high[1]
    return movers if scene.film is None else [*movers, _add_film(server, root, scene.film, foot, float(size[0]))]


def _add_body(server: Any, root: str, body: Body) -> Callable[[int], None]:
    name, look = f"{root}/{body.name}", {"color": body.colour, "opacity": body.opacity if body.opacity < 1.0 else None}
    if body.shape == "box":
        handle = server.scene.add_box(name, dimensions=body.size, **look)
    else:
        handle = server.scene.add_cylinder(name, radius=body.size[0] / 2.0, height=body.size[2], **look)

    def move(i: int) -> None:
        handle.position, handle.wxyz = body.position[i], body.wxyz[i]

    return move


def _add_film(server: Any, root: str, film: Film, foot: tuple[float, float], width: float) -> Callable[[int], None]:
    """Stand the film, as broad as its scene, behind it; foot: x, y m of its lower edge's middle."""
    height = width * film.frames[0].shape[0] / film.frames[0].shape[1]
    size, place = (width, height), (*foot, height / 2.0)
    handle = server.scene.add_image(
        f"{root}/film", film.frames[0], *size, format="jpeg", jpeg_quality=80, wxyz=UPRIGHT, position=place
    )
    shown = [0]

    def move(i: int) -> None:
        # A picture is large: it is sent when it changes.
        if film.shown[i] != shown[0]:
            handle.image = film.frames[film.shown[i]]
            shown[0] = film.shown[i]

    return move
