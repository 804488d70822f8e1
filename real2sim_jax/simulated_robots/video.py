"""Films of simulated robots, drawn in software: any MuJoCo scene of boxes, cylinders, capsules and meshes."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import mujoco
import numpy as np

from real2sim_jax.core.errors import UserError
from real2sim_jax.core.storage import check_output, replacing
from real2sim_jax.simulated_robots.looks import ArmLooks, pose_of, solid_of
from real2sim_jax.simulated_robots.panda import JOINTS, LINKS
from real2sim_jax.viewers.canvas import Canvas, Viewpoint, placed
from real2sim_jax.viewers.gif import save_gif

SIZE = (640, 480)
ARM_VIEW = Viewpoint(eye=(1.5, -1.5, 1.0), target=(-0.05, -0.1, 0.28), focal=720.0, size=SIZE)
GRIPPER_VIEW = Viewpoint(eye=(0.75, -1.1, 0.85), target=(0.0, 0.0, 0.12), focal=900.0, size=SIZE)


class Recorder:
    """The pictures of a scene, one at each call of `take`; an arm in it may get the looks of another model."""

    def __init__(self, model: mujoco.MjModel, view: Viewpoint, looks: ArmLooks | None = None):
        self.view, self.looks = view, looks
        self.frames: list[np.ndarray] = []
        hidden = {"base", *LINKS} if looks is not None else set()
        shown = [i for i in range(model.ngeom) if model.geom(i).name not in hidden]
        self._solids = {i: solid for i in shown if (solid := solid_of(model, i)) is not None}

    def take(self, data: mujoco.MjData) -> None:
        """Add a picture of the scene as it is."""
        solids = [placed(solid, *pose_of(data, geom)) for geom, solid in self._solids.items()]
        if self.looks is not None:
            q, base = np.array([data.joint(name).qpos[0] for name in JOINTS]), data.body("base")
            solids += self.looks.solids(q, base.xpos, base.xquat)
        canvas = Canvas(self.view)
        for solid in solids:
            canvas.shadow(solid)
        for solid in solids:
            canvas.solid(solid)
        self.frames.append(canvas.finished())


def check_video_path(path: Path) -> None:
    """UserError unless the path ends in .mp4 or .gif, InputError or OSError where no file can be written."""
    if path.suffix not in (".mp4", ".gif"):
        raise UserError(f"--video {path}: expected a file that ends in .mp4 or .gif")
    check_output(path)


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
