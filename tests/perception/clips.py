"""Video files made for tests."""

from fractions import Fraction

import av
import numpy as np


def gradient_frames(count, width=96, height=64):
    """Frames whose grey tells their number, brighter at the left top corner: turns and flips show."""
    frames = np.full((count, height, width, 3), 40, np.uint8)
    frames += (4 * np.arange(count, dtype=np.uint8) % 120)[:, None, None, None]
    frames[:, : height // 4, : width // 4] = 235
    return frames


def write_clip(path, frames, rate=24, codec="libx264", pix_fmt="yuv420p", times=None, sound=False, shape=1):
    """Write frames with a codec; times: presentation times s instead of a constant rate; shape: width of a pixel."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.codec_context.sample_aspect_ratio = pix_fmt, Fraction(shape)
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        noise = out.add_stream("aac", rate=8000) if sound else None
        for i, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.time_base = Fraction(1, 1000)
            picture.pts = round(1000 * (times[i] if times is not None else i / rate))
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
        if noise is not None:
            _write_sound(out, noise)
    return path


def write_sound(path):
    """Write a file of sound alone."""
    with av.open(str(path), "w") as out:
        _write_sound(out, out.add_stream("aac", rate=8000))
    return path


def _write_sound(out, stream):
    samples = (0.1 * np.sin(np.arange(8000, dtype=np.float32)))[None]
    sound = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
    sound.sample_rate = 8000
    out.mux(stream.encode(sound))
    out.mux(stream.encode(None))


def turn_quarter(path):
    """Make players turn an MP4 clockwise by a quarter, as phones that film upright do."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    matrix = (0, 1 << 16, 0, -(1 << 16) & 0xFFFFFFFF, 0, 0, 0, 0, 1 << 30)
    data[place : place + 36] = b"".join(value.to_bytes(4, "big") for value in matrix)
    path.write_bytes(data)
    return path
