"""A moving picture of a fit: observed boxes against fitted cuboids in the image, beside a view from above.

Below both runs the agreement with the boxes over time, so that bad frames can be found without looking at them all.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import jax
import numpy as np

from real2sim_jax.data.types import ANCHOR, HAND, MOVED, Array, BoxTrack, CuboidTrack
from real2sim_jax.fitting.parameters import shown_position
from real2sim_jax.fitting.quality import BODY_NAMES, iou_over_time, padded
from real2sim_jax.geometry.cameras import project
from real2sim_jax.geometry.cuboids import EDGES, body_centres, corners
from real2sim_jax.viewers.gif import save_gif

COLOURS = {HAND: (230, 120, 60), MOVED: (40, 130, 220), ANCHOR: (70, 160, 90)}
"""RGB by body: the fitted cuboids; observed boxes are drawn in a lighter tone."""
BACKGROUND, INK, SHADE = (248, 248, 246), (60, 60, 60), (226, 226, 222)
HEIGHT_PX, STRIP_PX = 300, 90
SHOWN = 0.75
"""How strong a film is below the drawing."""
Film = Sequence[np.ndarray] | None


def save_fit_gif(path: str | Path, box_track: BoxTrack, cuboid_track: CuboidTrack, film: Film = None) -> None:
    """Write a GIF at the video's own rate; the observed and the fitted track have the same frames and bodies.

    film: a picture (H, W, 3) uint8 of each frame, where there is one, to be drawn on.
    """
    points, pixels = wireframes(cuboid_track)
    iou = iou_over_time(cuboid_track, box_track)
    scale = HEIGHT_PX / float(box_track.image_size[1])
    valid = np.flatnonzero(np.asarray(cuboid_track.valid)).tolist()
    strip = None
    frames = []
    for place, t in enumerate(valid):
        left = image_view(box_track, pixels[t], t, scale, None if film is None else film[t])
        label(
            left, f"frame {t + 1}{'  touch' if box_track.touching[t] else ''}{'  act' if box_track.acting[t] else ''}"
        )
        above = np.concatenate([left, _top_view(points, cuboid_track, t)], axis=1)
        strip = (
            _agreement(iou[valid], np.asarray(box_track.touching)[valid], above.shape[1]) if strip is None else strip
        )
        frames.append(np.concatenate([above, _with_cursor(strip, place, len(valid))]))
    # Below 20 ms a frame, viewers fall back to a slow default.
    save_gif(path, frames, min(50.0, 1.0 / float(cuboid_track.dt)))


def wireframes(track: CuboidTrack) -> tuple[np.ndarray, np.ndarray]:
    """Return the bodies' corners in the world, (T, B, 8, 3) m, and where they show in the image, (T, B, 8, 2) px."""
    frames, bodies = np.asarray(track.position).shape[:2]
    points, pixels = _wireframes(padded(track))
    return np.asarray(points)[:frames, :bodies], np.asarray(pixels)[:frames, :bodies]


@jax.jit
def _wireframes(track: CuboidTrack) -> tuple[Array, Array]:
    shown = shown_position(track, track.quality["hand_reach"])
    places = (track.position, shown)
    points, seen = (
        corners(track.half_extents, body_centres(track.half_extents, place, track.wxyz), track.wxyz) for place in places
    )
    return points, project(seen, track.camera)[0]


def image_view(
    observed: BoxTrack, pixels: np.ndarray, t: int, scale: float, picture: np.ndarray | None = None
) -> np.ndarray:
    """Draw frame t: observed boxes below the wires of the bodies' corners (B, 8, 2) px, all enlarged by `scale`.

    picture (H, W, 3) uint8: the frame itself, pale below what is drawn.
    """
    width, height = (max(1, round(float(size) * scale)) for size in observed.image_size)
    canvas = np.full((height, width, 3), BACKGROUND, np.uint8)
    if picture is not None:
        canvas = cv2.addWeighted(cv2.resize(picture, (width, height)), SHOWN, canvas, 1.0 - SHOWN, 0.0)
    for body in range(pixels.shape[0]):
        if observed.seen[t, body]:
            light = tuple(int(0.45 * c + 0.55 * 255) for c in COLOURS[body])
            x1, y1, x2, y2 = (round(float(v) * scale) for v in observed.boxes[t, body])
            cv2.rectangle(canvas, (x1, y1), (x2, y2), light, max(2, round(height / 75)))
    for body in range(pixels.shape[0]):
        _wires(canvas, pixels[body] * scale, COLOURS[body])
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
    label(canvas, "from above, bar 10 cm")
    return canvas


def _agreement(iou: np.ndarray, touching: np.ndarray, width: int) -> np.ndarray:
    """IoU (T, B) of every body from 0 (bottom) to 1 (top) over the frames; frames of touch are shaded."""
    canvas = np.full((STRIP_PX, width, 3), BACKGROUND, np.uint8)
    for place in np.flatnonzero(touching):
        edges = _column(place - 0.5, len(iou), width), _column(place + 0.5, len(iou), width)
        canvas[:, max(0, edges[0]) : edges[1]] = SHADE
    for level in (0.0, 0.5, 1.0):
        cv2.line(canvas, (0, _row(level)), (width, _row(level)), (205, 205, 202), 1)
    for body in range(iou.shape[1]):
        _curve(canvas, iou[:, body], COLOURS[body])
    label(canvas, "IoU with the boxes, 0 to 1:")
    for body in range(iou.shape[1]):
        text = f"{BODY_NAMES[body]} {np.nanmean(iou[:, body]):.2f}" if np.isfinite(iou[:, body]).any() else ""
        cv2.putText(canvas, text, (210 + 105 * body, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, COLOURS[body], 1, cv2.LINE_AA)
    return canvas


def _curve(canvas: np.ndarray, values: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Neighbouring frames are joined; a frame alone is a dot."""
    spots = [
        (_column(i, len(values), canvas.shape[1]), _row(v)) if np.isfinite(v) else None for i, v in enumerate(values)
    ]
    for spot in spots:
        if spot is not None:
            cv2.circle(canvas, spot, 2, colour, -1, cv2.LINE_AA)
    for first, second in pairwise(spots):
        if first is not None and second is not None:
            cv2.line(canvas, first, second, colour, 1, cv2.LINE_AA)


def _with_cursor(strip: np.ndarray, place: int, frames: int) -> np.ndarray:
    column = _column(place, frames, strip.shape[1])
    return cv2.line(strip.copy(), (column, 24), (column, STRIP_PX), INK, 1)


def _column(place: float, frames: int, width: int) -> int:
    return round((place + 0.5) / frames * width)


def _row(value: float) -> int:
    return round(STRIP_PX - 6 - value * (STRIP_PX - 34))


def _wires(canvas: np.ndarray, pixels: np.ndarray, colour: tuple[int, int, int]) -> None:
    for i, j in EDGES:
        cv2.line(canvas, _pixel(pixels[i]), _pixel(pixels[j]), colour, 1, cv2.LINE_AA)


def _pixel(point: np.ndarray) -> tuple[int, int]:
    # Far outside the image OpenCV's fixed-point coordinates overflow.
    x, y = np.clip(np.nan_to_num(point), -10_000, 10_000)
    return round(float(x)), round(float(y))


def label(canvas: np.ndarray, text: str) -> None:
    """Write a line of text into the top left corner."""
    cv2.putText(canvas, text, (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, INK, 1, cv2.LINE_AA)
