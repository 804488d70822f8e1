"""Films of simulated robots, drawn in software: any MuJoCo scene of boxes, cylinders and capsules."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import mujoco
import numpy as np

from real2sim_jax.errors import UserError
from real2sim_jax.files import replacing
from real2sim_jax.robot.kinematics import wxyz_from_matrix
from real2sim_jax.viewers.canvas import Canvas, Colour, Solid, View, box, cylinder, placed
from real2sim_jax.viewers.gif import save_gif
from real2sim_jax.viewers.rollout import FINGER, OBJECTS, PALM

SIZE = (640, 480)
ARM_VIEW = View(eye=(1.5, -1.5, 1.0), target=(-0.05, -0.1, 0.28), focal=720.0, size=SIZE)
GRIPPER_VIEW = View(eye=(0.75, -1.1, 0.85), target=(0.0, 0.0, 0.12), focal=900.0, size=SIZE)
COLOURS: dict[str, Colour] = {"palm": PALM, "left": FINGER, "right": FINGER, "moved": OBJECTS[0], "anchor": OBJECTS[1]}
CAP_SHARE = 0.6
"""A capsule is drawn as a cylinder that is longer by this share of its round ends."""


class Film:
    """The pictures of a scene, one at each call of `take`."""

    def __init__(self, model: mujoco.MjModel, view: View):
        self.view = view
        self.frames: list[np.ndarray] = []
        self._solids = {i: solid for i in range(model.ngeom) if (solid := _solid(model, i)) is not None}

    def take(self, data: mujoco.MjData) -> None:
        """Add a picture of the scene as it is."""
        solids = [placed(solid, *_pose(data, geom)) for geom, solid in self._solids.items()]
        canvas = Canvas(self.view)
        canvas.table()
        for solid in solids:
            canvas.shadow(solid)
        for solid in solids:
            canvas.solid(solid)
        self.frames.append(canvas.finished())


def check_video_path(path: Path) -> None:
    """UserError unless the path ends in .mp4 or .gif."""
    if path.suffix not in (".mp4", ".gif"):
        raise UserError(f"--video {path}: expected a file that ends in .mp4 or .gif")


def save_video(path: Path, frames: Sequence[np.ndarray], fps: float) -> None:
    """Write frames (H, W, 3) uint8 as .mp4 (H.264, plays in browsers) or .gif, whole or not at all."""
    check_video_path(path)
    if path.suffix == ".gif":
        save_gif(path, frames, fps)
        return
    with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "20"}
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode())


def _solid(model: mujoco.MjModel, geom: int) -> Solid | None:
    """The solid that stands for a geom in its own frame; None for planes."""
    kind, size = model.geom_type[geom], model.geom_size[geom]
    red, green, blue = (round(255 * part) for part in model.geom_rgba[geom, :3])
    colour = COLOURS.get(model.geom(geom).name, (red, green, blue))
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        return box(tuple(size), (0.0, 0.0, 0.0), colour)
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return cylinder(2.0 * size[1], size[0], colour)
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        return cylinder(2.0 * (size[1] + CAP_SHARE * size[0]), size[0], colour, sides=20)
    return None


def _pose(data: mujoco.MjData, geom: int) -> tuple[np.ndarray, np.ndarray]:
    return data.geom_xpos[geom], wxyz_from_matrix(data.geom_xmat[geom].reshape(3, 3))
