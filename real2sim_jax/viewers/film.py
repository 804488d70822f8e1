"""Pictures of a video file, small enough for a page."""

from pathlib import Path

import av
import numpy as np

from real2sim_jax.core.errors import UserError
from real2sim_jax.perception.video import open_video

HEIGHT_PX = 240


def read_film(path: str | Path, count: int) -> list[np.ndarray]:
    """Return `count` pictures (H, W, 3) uint8 of a video or GIF, evenly from its first to its last frame.

    At most 240 px high. UserError when the file is absent or cannot be decoded.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: expected a video file, found none; check the path")
    try:
        with open_video(Path(path)) as container:
            frames = [_small(frame) for frame in container.decode(video=0)]
    except (av.FFmpegError, IndexError) as error:
        raise UserError(f"{path}: expected a video, cannot decode it ({type(error).__name__}); convert it") from error
    if not frames:
        raise UserError(f"{path}: expected a video, found no frame in it; convert it")
    return [frames[place] for place in np.round(np.linspace(0, len(frames) - 1, count)).astype(int)]


def _small(frame: av.VideoFrame) -> np.ndarray:
    height = min(HEIGHT_PX, frame.height)
    width = max(2, round(frame.width * height / frame.height))
    return frame.reformat(width, height, "rgb24").to_ndarray()
