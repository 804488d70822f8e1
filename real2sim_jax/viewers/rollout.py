"""An episode as an animation: the gripper, the objects and what was demonstrated, from the side and from above."""

from pathlib import Path

import cv2
import jax
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from real2sim_jax.core.gripper import PUBLISHED, Gripper
from real2sim_jax.data.types import HAND, MOVED, Demonstration
from real2sim_jax.simulation.types import Trajectory
from real2sim_jax.viewers.canvas import Canvas, Colour, Solid, Viewpoint, box, cylinder, placed
from real2sim_jax.viewers.gif import save_gif

PALM: Colour = (96, 108, 128)
FINGER: Colour = (62, 72, 90)
OBJECTS: tuple[Colour, Colour] = (240, 140, 50), (70, 140, 200)
"""Colours of the moved object and the anchor."""
DEMONSTRATED_OBJECT: Colour = (214, 96, 40)
DEMONSTRATED_HAND: Colour = (60, 150, 90)
TEXT: Colour = (50, 55, 65)
CAPTION_HEIGHT = 44

SIZE = (400, 320)
VIEWS = (
    Viewpoint(eye=(0.0, -1.5, 0.26), target=(0.0, 0.0, 0.17), focal=660.0, size=SIZE),
    Viewpoint(eye=(0.75, -1.1, 0.85), target=(0.0, 0.0, 0.12), focal=680.0, size=SIZE),
)


def save_rollout_gif(
    path: str | Path,
    trajectory: Trajectory,
    action: str,
    demonstration: Demonstration | None = None,
    fps: float = 12.0,
    gripper: Gripper = PUBLISHED,
) -> None:
    """Write an episode as a GIF in real time, seen from the side and from the front right.

    With a demonstration (unstacked, same task frame), the demonstrated paths of object and hand are drawn as lines
    with a dot at the present time. action: its name, for the caption.
    """
    save_gif(path, rollout_frames(trajectory, action, demonstration, fps, gripper), fps)


def rollout_frames(
    trajectory: Trajectory,
    action: str,
    demonstration: Demonstration | None = None,
    fps: float = 12.0,
    gripper: Gripper = PUBLISHED,
) -> list[np.ndarray]:
    """Return the frames (H, W, 3) uint8 of `save_rollout_gif`."""
    # On the host once, rather than at every access of a frame.
    trajectory, demonstration = jax.tree.map(np.asarray, (trajectory, demonstration))
    stride = max(1, round(1.0 / (float(trajectory.dt) * fps)))
    steps = range(0, len(trajectory.opening), stride)
    return [_frame(trajectory, action, demonstration, step, gripper) for step in steps]


def plain_frames(trajectory: Trajectory, gripper: Gripper = PUBLISHED) -> list[np.ndarray]:
    """Return a picture (H, W, 3) uint8 of each sample of an episode, from the front right, with nothing drawn on it."""
    trajectory = jax.tree.map(np.asarray, trajectory)
    steps = range(len(trajectory.opening))
    return [_picture(VIEWS[1], solids_at(trajectory, step, gripper), None, 0.0) for step in steps]


def solids_at(trajectory: Trajectory, step: int, gripper: Gripper = PUBLISHED) -> list[Solid]:
    """Return gripper and objects in the task frame at a sample of an episode of numpy arrays."""
    opening = float(trajectory.opening[step])
    boxes = zip(gripper.boxes(opening), (PALM, FINGER, FINGER), strict=True)
    parts = [box(half, (0.0, y, z), colour) for (y, z, half), colour in boxes]
    pose = np.asarray(trajectory.gripper_position[step]), np.asarray(trajectory.gripper_wxyz[step])
    objects = [
        placed(
            cylinder(float(trajectory.heights[i]), float(trajectory.radii[i]), OBJECTS[i]),
            np.asarray(trajectory.object_position[step, i]),
            np.asarray(trajectory.object_wxyz[step, i]),
        )
        for i in range(len(trajectory.heights))
    ]
    return [*objects, *(placed(part, *pose) for part in parts)]


def _frame(
    trajectory: Trajectory, action: str, demonstration: Demonstration | None, step: int, gripper: Gripper
) -> np.ndarray:
    solids, time = solids_at(trajectory, step, gripper), step * float(trajectory.dt)
    pictures = [_picture(view, solids, demonstration, time) for view in VIEWS]
    image = np.vstack(
        [_caption(float(trajectory.opening[step]), action, time, gripper.max_opening_m), np.hstack(pictures)]
    )
    cv2.line(image, (SIZE[0], CAPTION_HEIGHT), (SIZE[0], image.shape[0]), (255, 255, 255), 2)
    return image


def _picture(view: Viewpoint, solids: list[Solid], demonstration: Demonstration | None, time: float) -> np.ndarray:
    canvas = Canvas(view)
    for solid in solids:
        canvas.shadow(solid)
    for solid in solids:
        canvas.solid(solid)
    if demonstration is not None:
        now = min(round(time / float(demonstration.dt)), len(demonstration.grip) - 1)
        # The object's path is broader: it shows where the hand goes along.
        for body, colour, width in ((MOVED, DEMONSTRATED_OBJECT, 4.0), (HAND, DEMONSTRATED_HAND, 1.5)):
            path = np.asarray(demonstration.position)[:, body]
            canvas.line(path, colour, width)
            canvas.dot(path[now], colour, 3.0 + width)
    return canvas.finished()


def _caption(opening: float, action: str, time: float, widest: float) -> np.ndarray:
    width = SIZE[0] * len(VIEWS)
    image = Image.new("RGB", (width, CAPTION_HEIGHT), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    large, small = ImageFont.load_default(18), ImageFont.load_default(14)
    draw.text((14, 22), action.replace("_", " "), TEXT, large, anchor="lm")
    draw.text((width - 14, 22), f"{time:4.1f} s", TEXT, large, anchor="rm")
    left, right = width - 280, width - 160
    draw.text((left - 12, 22), f"fingers {2000 * opening:3.0f} mm apart", TEXT, small, anchor="rm")
    draw.rectangle((left, 17, right, 27), fill=(226, 228, 234))
    # The bar is the gap between the fingers: it shrinks towards its middle as they close.
    middle, half = (left + right) / 2, (right - left) / 2 * np.clip(opening / widest, 0.02, 1.0)
    draw.rectangle((middle - half, 17, middle + half, 27), fill=FINGER)
    return np.asarray(image)
