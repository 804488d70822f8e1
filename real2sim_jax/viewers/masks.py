"""A video with its masks: coloured bodies, the phase and a bar that shows when the hand touches."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from real2sim_jax.perception.drift import unstabilise
from real2sim_jax.perception.video import write_video
from real2sim_jax.viewers.fit import BACKGROUND, COLOURS, INK, SHADE

OPACITY = 0.55
BAR_PX, MARGIN_PX = 44, 8
PALE = (170, 200, 235)
TOUCH = (200, 60, 60)
OTHER = (170, 90, 190)
"""Of what was followed and is no body."""


def save_mask_video(
    path: str | Path,
    frames: np.ndarray,
    labels: np.ndarray,
    drift: np.ndarray,
    phases: Sequence[str],
    touching: np.ndarray,
    confidence: np.ndarray,
    dt: float,
    others: np.ndarray | None = None,
) -> None:
    """Write frames (T, H, W, 3) uint8 with the bodies of steadied labels (T, H, W) where the drifting camera saw them.

    phases, touching and confidence (T,) as in `contact.Contact`; dt in s; others (T, H, W) as in `things.Found`.
    """
    bodies = unstabilise(labels, drift)
    also = np.zeros_like(bodies) if others is None else unstabilise(others, drift)
    times = phases, np.asarray(touching, bool), np.asarray(confidence, float)
    shown = (outlined(frame, other) for frame, other in zip(frames, also, strict=True))
    drawn = (_frame(frame, body, t, *times) for t, (frame, body) in enumerate(zip(shown, bodies, strict=True)))
    write_video(path, drawn, 1.0 / dt)


def outlined(frame: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return a frame (H, W, 3) uint8 with a thin outline and the number of each thing (H, W) that has no role."""
    picture = np.ascontiguousarray(frame)
    for number in np.unique(others[others > 0]):
        outline, _ = cv2.findContours((others == number).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        picture = cv2.drawContours(picture.copy(), outline, -1, OTHER, 1)
        x, y, _, _ = cv2.boundingRect(np.concatenate(outline))
        cv2.putText(picture, str(number), (x, y + 10), cv2.FONT_HERSHEY_SIMPLEX, 0.35, OTHER, 1, cv2.LINE_AA)
    return picture


def coloured(frame: np.ndarray, bodies: np.ndarray) -> np.ndarray:
    """Return a frame (H, W, 3) uint8 with its bodies (H, W), 0 for none, in their colours with an outline."""
    picture = frame.copy()
    for body, colour in COLOURS.items():
        mask = bodies == body + 1
        picture[mask] = ((1.0 - OPACITY) * frame[mask] + OPACITY * np.array(colour)).astype(np.uint8)
        outline, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outline, -1, colour, 1)
    return picture


def _frame(
    frame: np.ndarray, bodies: np.ndarray, t: int, phases: Sequence[str], touching: np.ndarray, confidence: np.ndarray
) -> np.ndarray:
    picture = coloured(frame, bodies)
    return np.concatenate([picture, _bar(picture.shape[1], t, phases, touching, confidence)])


def _bar(width: int, t: int, phases: Sequence[str], touching: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Time from left to right: the action shaded, touching frames as high as they are sure, the present a line."""
    bar = np.full((BAR_PX, width, 3), BACKGROUND, np.uint8)
    places = np.linspace(MARGIN_PX, width - MARGIN_PX, len(phases) + 1).round().astype(int)
    top, bottom = 20, BAR_PX - 6
    for i, (left, right) in enumerate(pairwise(places.tolist())):
        bar[top:bottom, left:right] = SHADE if phases[i] == "action" else (255, 255, 255)
        if touching[i]:
            bar[bottom - round(float(confidence[i]) * (bottom - top)) : bottom, left:right] = PALE
    cv2.rectangle(bar, (places[0], top), (places[-1], bottom), SHADE, 1)
    here = int(places[t] + places[t + 1]) // 2
    cv2.line(bar, (here, top - 2), (here, bottom + 2), INK, 2)
    text = f"{phases[t]}{', touching' if touching[t] else ''}  {confidence[t]:.0%} sure"
    cv2.putText(
        bar, text, (MARGIN_PX, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, TOUCH if touching[t] else INK, 1, cv2.LINE_AA
    )
    return bar
