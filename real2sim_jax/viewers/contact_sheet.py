"""All fitted videos on one sheet: who is right and who is wrong at a glance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from real2sim_jax.data.artefacts import replacing
from real2sim_jax.data.types import BoxTrack, CuboidTrack
from real2sim_jax.evaluation.report import FitReport
from real2sim_jax.viewers.film import read_film
from real2sim_jax.viewers.fit import BACKGROUND, INK, Film, image_view, wireframes

Colour = tuple[int, int, int]

GOOD: Colour = (70, 150, 90)
FLAGGED: Colour = (225, 160, 30)
FAILED: Colour = (200, 60, 60)
ACROSS, VIEW_PX, TITLE_PX, BORDER_PX, GAP_PX = 3, (196, 110), 42, 4, 8
LEGEND = "pale: observed boxes, wires: fit, at start, middle and end of the action"


@dataclass(frozen=True)
class Tile:
    """One fitted video."""

    video: str
    observed: BoxTrack
    track: CuboidTrack
    report: FitReport
    film: Path | None = None
    """File of its frames to draw on, where there is one; read when it is drawn, because films are large."""


def save_contact_sheet(path: str | Path, tiles: Sequence[Tile], refused: Mapping[str, str]) -> None:
    """Write a PNG with a tile for each video, in the order of their actions; `refused` are the reasons of the others.

    A green border: the track shows its action and nothing is flagged; amber: flagged, or shown by its name alone; red:
    does not show it, or no fit.
    """
    ordered = sorted(tiles, key=lambda tile: tile.report.action)
    pictures = [draw_tile(tile) for tile in ordered]
    pictures += [_blank(f"{video}: not fitted", reason) for video, reason in refused.items()]
    blank = np.full_like(pictures[0], 255)
    pictures += [blank] * (-len(pictures) % ACROSS)
    gap = np.full((blank.shape[0], GAP_PX, 3), 255, np.uint8)
    rows = []
    for first in range(0, len(pictures), ACROSS):
        row = [part for picture in pictures[first : first + ACROSS] for part in (picture, gap)]
        rows += [np.concatenate(row[:-1], axis=1)]
        rows += [np.full((GAP_PX, rows[0].shape[1], 3), 255, np.uint8)]
    sheet = np.concatenate([_legend(rows[0].shape[1]), *rows])
    with replacing(path) as temporary:
        Image.fromarray(sheet).save(temporary, "PNG")


def draw_tile(tile: Tile) -> np.ndarray:
    """Return the picture (H, W, 3) uint8 of one video."""
    report = tile.report
    agreement = "  ".join(f"{body} {value:.2f}" for body, value in report.iou.items())
    notes = [f"fails: {', '.join(report.broken_rules)}"] if report.broken_rules else []
    notes += [f"flags: {', '.join(report.flags)}"] if report.flags else []
    by_name = not report.shown_by_evidence and not report.broken_rules
    notes += ["by its name alone"] if by_name else []
    colour = FAILED if report.broken_rules else FLAGGED if report.flags or by_name else GOOD
    pixels = wireframes(tile.track)[1]
    film = None if tile.film is None else read_film(tile.film, len(pixels))
    views = np.concatenate([_view(tile, pixels, t, film) for t in _three_frames(tile.observed)], axis=1)
    title = _title(
        views.shape[1], f"{tile.video}  {report.action}", f"{agreement}   {';  '.join(notes) or 'good'}", colour
    )
    return _bordered(np.concatenate([title, views]), colour)


def _three_frames(observed: BoxTrack) -> tuple[int, int, int]:
    valid = np.asarray(observed.valid, bool)
    acting = np.flatnonzero(np.asarray(observed.acting, bool) & valid)
    frames = acting if len(acting) else np.flatnonzero(valid)
    return int(frames[0]), int(frames[len(frames) // 2]), int(frames[-1])


def _view(tile: Tile, pixels: np.ndarray, t: int, film: Film) -> np.ndarray:
    """One frame, as large as fits into VIEW_PX."""
    width, height = (float(size) for size in tile.observed.image_size)
    scale = min(VIEW_PX[0] / width, VIEW_PX[1] / height)
    drawn = image_view(tile.observed, pixels[t], t, scale, None if film is None else film[t])
    drawn = drawn[: VIEW_PX[1], : VIEW_PX[0]]
    canvas = np.full((VIEW_PX[1], VIEW_PX[0] + 2, 3), 225, np.uint8)
    canvas[: drawn.shape[0], : drawn.shape[1]] = drawn
    return canvas


def _title(width: int, first: str, second: str, colour: Colour) -> np.ndarray:
    canvas = np.full((TITLE_PX, width, 3), BACKGROUND, np.uint8)
    for text, height, ink in ((first, 16, INK), (second, 34, colour)):
        cv2.putText(canvas, _cut(text, width), (6, height), cv2.FONT_HERSHEY_SIMPLEX, 0.45, ink, 1, cv2.LINE_AA)
    return canvas


def _cut(text: str, width: int) -> str:
    """What fits: OpenCV's letters are at most 9 px wide at this size, and know ASCII only."""
    plain, most = text.encode("ascii", "replace").decode(), (width - 12) // 8
    return plain if len(plain) <= most else plain[: most - 3] + "..."


def _blank(first: str, second: str) -> np.ndarray:
    width = 3 * (VIEW_PX[0] + 2)
    space = np.full((VIEW_PX[1], width, 3), BACKGROUND, np.uint8)
    return _bordered(np.concatenate([_title(width, first, second, FAILED), space]), FAILED)


def _bordered(picture: np.ndarray, colour: Colour) -> np.ndarray:
    height, width = picture.shape[:2]
    framed = np.full((height + 2 * BORDER_PX, width + 2 * BORDER_PX, 3), colour, np.uint8)
    framed[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] = picture
    return framed


def _legend(width: int) -> np.ndarray:
    canvas = np.full((28, width, 3), 255, np.uint8)
    texts = (("good", GOOD), ("flagged", FLAGGED), ("does not show its action, or no fit", FAILED), (LEGEND, INK))
    place = 8
    for text, colour in texts:
        cv2.rectangle(canvas, (place, 8), (place + 12, 20), colour, -1)
        cv2.putText(canvas, text, (place + 18, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.45, INK, 1, cv2.LINE_AA)
        place += 40 + 8 * len(text)
    return canvas
