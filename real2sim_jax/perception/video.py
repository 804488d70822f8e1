"""Videos in and out: frames at a constant rate and a working size, and MP4 files that browsers play.

Decoding streams: a frame is scaled down before it becomes an array, so memory grows with the working size alone.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from real2sim_jax.core.clock import CONTROL_HZ
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import replacing
from real2sim_jax.data.limits import LARGEST_SIDE_PX, RATES_HZ, check_rate

LONG_SIDE_PX = 480
MIN_SIDE_PX = 32
MIN_FRAMES = 8
LONGEST_S = 60.0
TRUNCATED_SHARE = 0.9
"""A file whose pictures end before this share of its announced length is truncated."""
WIDEST_PIXEL = 4.0
"""Pixels are at most so much wider than high, or higher than wide; the flattest in use are 2:1."""
MAX_PIXELS = 2**26
"""Of one picture: twice 8K, decoded in less than 1 GB."""
CONTAINERS = "mov matroska avi gif apng asf flv mpegts mpeg ogg mxf nut ivf obu m4v h264 hevc mjpeg yuv4mpegpipe dv rm"
"""Kinds of files that hold pictures themselves; playlists, which name other files, are none of them."""


@dataclass(frozen=True)
class Video:
    """The frames of a video at a constant rate, upright, scaled down to the working size."""

    frames: np.ndarray
    """(T, H, W, 3) uint8 RGB."""
    dt: float
    """s between frames."""
    source_size: tuple[int, int]
    """px, width and height of the upright picture with square pixels."""


def read_video(path: str | Path, rate_hz: float = CONTROL_HZ, long_side_px: int = LONG_SIDE_PX) -> Video:
    """Read a video; UserError says in a line why it cannot be used.

    Frames are those nearest to the ticks of a clock of `rate_hz`, so variable rates come out constant.
    """
    path = Path(path)
    check_is_file(path)
    check_rate(rate_hz)
    frames: list[np.ndarray] = []
    size = (0, 0)
    for shown, frame in _ticks(_decoded(path, long_side_px), rate_hz):
        if frames and shown != size:
            raise UserError(
                f"{path}: its pictures change from {size[0]}x{size[1]} to {shown[0]}x{shown[1]} px;"
                " scale them to one size, or cut the video there"
            )
        size = shown
        if len(frames) >= LONGEST_S * rate_hz:
            raise UserError(f"{path}: longer than {LONGEST_S:g} s; cut out the part that shows the action")
        frames.append(frame)
    if len(frames) < MIN_FRAMES:
        raise UserError(f"{path}: {len(frames)} frames at {rate_hz:g} Hz; expected at least {MIN_FRAMES}")
    return Video(np.stack(frames), 1.0 / rate_hz, size)


def check_is_file(path: Path) -> None:
    """Raise UserError unless there is a file."""
    if not os.path.isfile(path):
        raise UserError(f"{path}: expected a video file, found {'a folder' if os.path.isdir(path) else 'nothing'}")


def open_video(path: Path) -> Any:
    """Open a video file for reading: its name is a file's whatever it looks like, and it holds its pictures itself."""
    options = {"format_whitelist": CONTAINERS.replace(" ", ","), "protocol_whitelist": "file"}
    return av.open(f"file:{path}", options=options, metadata_errors="replace")


def write_video(path: str | Path, frames: Iterable[np.ndarray], rate_hz: float) -> None:
    """Write frames (H, W, 3) uint8 RGB as H.264 in MP4, whole or not at all; odd sides are padded by a pixel.

    4:2:0 colour and the index in front are what browsers ask for.
    """
    index = {"movflags": "faststart"}
    with replacing(path) as temporary, av.open(f"file:{temporary}", "w", "mp4", options=index) as out:
        stream: Any = None
        for frame in frames:
            even = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
            if stream is None:
                stream = out.add_stream("libx264", rate=Fraction(rate_hz).limit_denominator(1000))
                stream.height, stream.width = even.shape[:2]
                stream.pix_fmt, stream.options = "yuv420p", {"crf": "20", "preset": "fast"}
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")))
        if stream is not None:
            out.mux(stream.encode(None))


Timed = tuple[float, tuple[int, int], np.ndarray]


def _decoded(path: Path, long_side_px: int) -> Iterator[Timed]:
    """Yield time s, upright size px and scaled picture of each frame; UserError for what is no whole video."""
    try:
        with open_video(path) as container:
            pictures = [s for s in container.streams.video if not _is_cover(s)]
            if not pictures:
                raise UserError(f"{path}: expected a video, found no pictures in it (sound only?)")
            stream: Any = pictures[0]
            if stream.codec_context is None:
                raise UserError(f"{path}: its pictures are in a format that is not known here; convert it")
            stream.thread_type = "AUTO"
            if stream.width:
                # Before anything of that size is decoded.
                _check_picture(path, stream, stream)
            times: list[float] = []
            for number, frame in enumerate(container.decode(stream)):
                times.append(
                    frame.time if frame.time is not None else number / float(stream.average_rate or CONTROL_HZ)
                )
                yield times[-1], *_upright(path, frame, stream, long_side_px)
            _check_end(path, container, stream, max(times, default=None))
            _check_times(path, times)
    # PyAV's arithmetic with what a damaged file announces fails like arithmetic elsewhere.
    except (av.FFmpegError, ArithmeticError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: expected a video, got a damaged, truncated or foreign file ({reason})") from None


def _is_cover(stream: Any) -> bool:
    """Whether a stream is a still picture attached to sound."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _check_end(path: Path, container: Any, stream: Any, end: float | None) -> None:
    """UserError where there is no frame, or the last one comes long before the end that the file announces."""
    if end is None:
        raise UserError(f"{path}: expected a video, found no frame in it")
    start = float(stream.start_time * stream.time_base) if stream.start_time else 0.0
    if stream.duration:
        length = float(stream.duration * stream.time_base)
    else:
        length = float(container.duration or 0) / av.time_base
    shown = end - start + 1.0 / float(stream.average_rate or CONTROL_HZ)
    if shown < TRUNCATED_SHARE * length and length - shown > 0.5:
        raise UserError(f"{path}: truncated: its pictures end after {shown:.1f} of {length:.1f} s; copy it again")


def _check_times(path: Path, times: Sequence[float]) -> None:
    """UserError where pictures are too rare to show an action."""
    length = max(times) - min(times)
    try:
        # Those that come more often than any camera's are as many as the clock's ticks ask for.
        check_rate(min(RATES_HZ[1], (len(times) - 1) / length) if length > 0 else CONTROL_HZ)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _check_picture(path: Path, picture: Any, stream: Any) -> tuple[int, int]:
    """Return width and height px with square pixels, as announced or decoded; UserError where they are none."""
    shape = float(stream.sample_aspect_ratio or 1)
    if not 1 / WIDEST_PIXEL <= shape <= WIDEST_PIXEL:
        raise UserError(
            f"{path}: pixels {shape:g} times as wide as high; expected {1 / WIDEST_PIXEL:g} to {WIDEST_PIXEL:g}"
        )
    width, height = round(picture.width * shape), picture.height
    if min(width, height) < MIN_SIDE_PX:
        raise UserError(f"{path}: {width}x{height} px; expected at least {MIN_SIDE_PX} px on each side")
    if max(width, height) > LARGEST_SIDE_PX or picture.width * height > MAX_PIXELS:
        most = f"{LARGEST_SIDE_PX} px on each side and {MAX_PIXELS / 1e6:.0f} million in all"
        raise UserError(f"{path}: {width}x{height} px; expected at most {most}; scale it down")
    return width, height


def _upright(path: Path, frame: Any, stream: Any, long_side_px: int) -> tuple[tuple[int, int], np.ndarray]:
    """Size px of the upright picture with square pixels, and the picture, scaled to at most `long_side_px`."""
    width, height = _check_picture(path, frame, stream)
    scale = min(1.0, long_side_px / max(width, height))
    shown = round(scale * width), round(scale * height)
    if min(shown) < MIN_SIDE_PX:
        least = f"at least {MIN_SIDE_PX} px on each side"
        raise UserError(f"{path}: {width}x{height} px is {shown[0]}x{shown[1]} when scaled down; expected {least}")
    small = frame.reformat(*shown, "rgb24", interpolation="AREA").to_ndarray()
    quarters = round(frame.rotation / 90) % 4
    size = (height, width) if quarters % 2 else (width, height)
    return size, np.ascontiguousarray(np.rot90(small, quarters))


def _ticks(frames: Iterable[Timed], rate_hz: float) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """Yield for each tick from the first frame to the last the frame nearest in time."""
    start, before, tick = None, None, 0
    for time, size, picture in frames:
        start = time if start is None else start
        while before is not None and start + tick / rate_hz <= time:
            nearer = (
                before[1:] if start + tick / rate_hz - before[0] < time - start - tick / rate_hz else (size, picture)
            )
            yield nearer
            tick += 1
        before = time, size, picture
    if before is not None and start is not None and start + tick / rate_hz <= before[0] + 0.5 / rate_hz:
        yield before[1:]
