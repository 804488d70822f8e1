"""A replay as an animation: pads, objects and the fitted path, from the video's side and from the front right."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from real2sim_jax.benchmarks.reconstruction import AlignedScene, camera_aligned
from real2sim_jax.core.rotations import conjugate, multiply
from real2sim_jax.data.types import ANCHOR, HAND, MOVED, CuboidTrack
from real2sim_jax.replay.scene import PAD_HALF
from real2sim_jax.replay.simulate import ReplayResult
from real2sim_jax.viewers.canvas import Canvas, Colour, Solid, Viewpoint, box, placed
from real2sim_jax.viewers.gif import save_gif

MOVED_COLOUR: Colour = (240, 140, 50)
ANCHOR_COLOUR: Colour = (70, 140, 200)
FITTED: Colour = (214, 96, 40)
PAD: Colour = (62, 72, 90)
RAIL: Colour = (96, 108, 128)
TEXT: Colour = (50, 55, 65)
SIZE = (400, 320)
CAPTION_HEIGHT = 36
STALK = 0.05
"""How far behind the pads their rail is drawn, m."""


def save_replay_gif(path: str | Path, fitted: CuboidTrack, result: ReplayResult, title: str) -> None:
    """Write the replayed frames at the video's own rate, seen from the camera's side; the line is the fitted path."""
    save_gif(path, replay_frames(fitted, result, title), 1.0 / float(fitted.dt))


def replay_frames(fitted: CuboidTrack, result: ReplayResult, title: str) -> list[np.ndarray]:
    """Return the frames (H, W, 3) uint8 of `save_replay_gif`."""
    scene, shown = camera_aligned(result.track), np.flatnonzero(np.asarray(result.track.valid, bool))
    path = camera_aligned(fitted.replace(valid=result.track.valid)).position[:, MOVED]  # type: ignore[attr-defined]
    shift = np.array([*0.5 * (path.min(axis=0) + path.max(axis=0))[:2], 0.0])
    reach = max(0.3, 0.15 + 0.5 * float(np.ptp(path, axis=0).max()) + float(scene.half_extents[MOVED:].max()))
    # Turned with the camera's azimuth like everything else, and drawn at the origin, around which the table is.
    turn = multiply(scene.wxyz[:, HAND], conjugate(np.asarray(result.track.wxyz, float)[shown, HAND]))
    gripper = multiply(turn, result.gripper_wxyz[shown])
    frames = []
    for i, t in enumerate(shown):
        solids = _solids(scene, gripper[i], float(result.opening[t]), i, shift)
        pictures = [_picture(view, solids, path - shift, i) for view in _views(reach)]
        caption = f"{title.replace('_', ' ')}, frame {t + 1}{'  touch' if result.track.touching[t] else ''}"
        frames.append(np.vstack([_caption(caption), np.hstack(pictures)]))
    return frames


def _solids(scene: AlignedScene, gripper: np.ndarray, opening: float, i: int, shift: np.ndarray) -> list[Solid]:
    colours = {MOVED: MOVED_COLOUR, ANCHOR: ANCHOR_COLOUR}
    objects = [
        placed(_cuboid(scene.half_extents[b], colours[b]), scene.position[i, b] - shift, scene.wxyz[i, b])
        for b in range(MOVED, len(scene.half_extents))
    ]
    pads = [box(PAD_HALF, (0.0, side * (opening + PAD_HALF[1]), 0.0), PAD) for side in (-1, 1)]
    rail = box((PAD_HALF[1], opening + 2.0 * PAD_HALF[1], PAD_HALF[1]), (0.0, 0.0, -STALK), RAIL)
    return [*objects, *(placed(part, scene.position[i, HAND] - shift, gripper) for part in (*pads, rail))]


def _cuboid(half: np.ndarray, colour: Colour) -> Solid:
    x, y, z = (float(length) for length in half)
    return box((x, y, z), (0.0, 0.0, 0.0), colour)


def _views(reach: float) -> tuple[Viewpoint, Viewpoint]:
    """From the video's side and from the front right, as far away as the scene is large."""
    target = (0.0, 0.0, 0.3 * reach)
    side, corner = (0.0, -4.0 * reach, 1.2 * reach), (2.0 * reach, -2.6 * reach, 2.2 * reach)
    return Viewpoint(side, target, 700.0, SIZE), Viewpoint(corner, target, 660.0, SIZE)


def _picture(view: Viewpoint, solids: list[Solid], path: np.ndarray, i: int) -> np.ndarray:
    canvas = Canvas(view)
    for solid in solids:
        canvas.shadow(solid)
    for solid in solids:
        canvas.solid(solid)
    canvas.line(path, FITTED, 2.0)
    canvas.dot(path[i], FITTED, 4.0)
    return canvas.finished()


def _caption(text: str) -> np.ndarray:
    image = Image.new("RGB", (2 * SIZE[0], CAPTION_HEIGHT), (255, 255, 255))
    ImageDraw.Draw(image).text((14, CAPTION_HEIGHT // 2), text, TEXT, ImageFont.load_default(16), anchor="lm")
    return np.asarray(image)
