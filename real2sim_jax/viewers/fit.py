"""A moving picture of a fit: observed boxes against fitted cuboids in the image, beside a view from above."""

from pathlib import Path

import cv2
import jax
import numpy as np
from PIL import Image

from real2sim_jax.files import replacing
from real2sim_jax.geometry.cameras import project
from real2sim_jax.geometry.cuboids import EDGES, body_centres, corners
from real2sim_jax.types import ANCHOR, HAND, MOVED, Array, BoxTrack, CuboidTrack

COLOURS = {HAND: (230, 120, 60), MOVED: (40, 130, 220), ANCHOR: (70, 160, 90)}
"""RGB by body: the fitted cuboids; observed boxes are drawn in a lighter tone."""
BACKGROUND, INK = (248, 248, 246), (60, 60, 60)
HEIGHT_PX = 300


def save_fit_gif(path: str | Path, box_track: BoxTrack, cuboid_track: CuboidTrack) -> None:
    """Write a GIF at the video's own rate; the observed and the fitted track have the same frames and bodies."""
    points = _corners(cuboid_track)
    pixels = np.asarray(jax.vmap(lambda p: project(p, cuboid_track.camera)[0])(points))
    frames = []
    for t in np.flatnonzero(np.asarray(cuboid_track.valid)):
        left = _image_view(box_track, pixels[t], int(t))
        right = _top_view(np.asarray(points), cuboid_track, int(t))
        frames.append(Image.fromarray(np.concatenate([left, right], axis=1)))
    duration_ms = max(20, round(1000.0 * float(cuboid_track.dt)))
    with replacing(path) as temporary:
        frames[0].save(temporary, "GIF", save_all=True, append_images=frames[1:], duration=duration_ms, loop=0)


@jax.jit
def _corners(track: CuboidTrack) -> Array:
    centres = body_centres(track.half_extents, track.position, track.wxyz)
    return corners(track.half_extents, centres, track.wxyz)


def _image_view(observed: BoxTrack, pixels: np.ndarray, t: int) -> np.ndarray:
    width, height = (float(size) for size in observed.image_size)
    scale = HEIGHT_PX / height
    canvas = np.full((HEIGHT_PX, round(width * scale), 3), BACKGROUND, np.uint8)
    for body in range(pixels.shape[0]):
        if observed.seen[t, body]:
            light = tuple(int(0.45 * c + 0.55 * 255) for c in COLOURS[body])
            x1, y1, x2, y2 = (round(float(v) * scale) for v in observed.boxes[t, body])
            cv2.rectangle(canvas, (x1, y1), (x2, y2), light, 4)
    for body in range(pixels.shape[0]):
        _wires(canvas, pixels[body] * scale, COLOURS[body])
    _label(canvas, f"frame {t + 1}{'  touch' if observed.touching[t] else ''}{'  act' if observed.acting[t] else ''}")
    return canvas


def _top_view(points: np.ndarray, track: CuboidTrack, t: int) -> np.ndarray:
    """The table from above: x to the right, away from the camera upwards; the objects' paths as dotted lines."""
    canvas = np.full((HEIGHT_PX, HEIGHT_PX, 3), BACKGROUND, np.uint8)
    objects = np.asarray(track.position)[:, MOVED:, :2].reshape(-1, 2)
    middle = 0.5 * (objects.min(0) + objects.max(0))
    reach = max(0.25, 0.7 * float(np.ptp(objects, axis=0).max()) + 0.15)
    scale = 0.5 * HEIGHT_PX / reach

    def place(xy: np.ndarray) -> np.ndarray:
        flipped = (xy - middle) * np.array([1.0, -1.0])
        return flipped * scale + HEIGHT_PX / 2.0

    for body in range(points.shape[1]):
        for spot in place(np.asarray(track.position)[:, body, :2]):
            cv2.circle(canvas, _pixel(spot), 1, COLOURS[body], -1)
        _wires(canvas, place(points[t, body, :, :2]), COLOURS[body])
    bar = max(1, round(0.1 * scale))
    cv2.line(canvas, (10, HEIGHT_PX - 12), (10 + bar, HEIGHT_PX - 12), INK, 2)
    _label(canvas, "from above, bar 10 cm")
    return canvas


def _wires(canvas: np.ndarray, pixels: np.ndarray, colour: tuple[int, int, int]) -> None:
    for i, j in EDGES:
        cv2.line(canvas, _pixel(pixels[i]), _pixel(pixels[j]), colour, 1, cv2.LINE_AA)


def _pixel(point: np.ndarray) -> tuple[int, int]:
    # Far outside the image OpenCV's fixed-point coordinates overflow.
    x, y = np.clip(np.nan_to_num(point), -10_000, 10_000)
    return round(float(x)), round(float(y))


def _label(canvas: np.ndarray, text: str) -> None:
    cv2.putText(canvas, text, (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, INK, 1, cv2.LINE_AA)
