"""Readers of video files."""

import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from real2sim_jax.perception.video import LONG_SIDE_PX, read_video, write_video
from real2sim_jax.viewers.film import read_film
from tests.fuzz import mutate_bytes, oracles
from tests.fuzz.case import Reader
from tests.perception.clips import gradient_frames, write_clip

CLIP, OTHER = "clip.mp4", "other.mp4"
COUNT = 5
NAMES = (
    "2024-05-01T10:30:12.mp4", "concat:clip.mp4", "file:clip.mp4", "clip %03d.png", "-i.mp4", "http:x.mp4", "$(ls).mp4",
    "a\nb.mp4", "pipe:0", "list.m3u8", "list.txt", "list.ffconcat", "clip.sdp", "[x].mp4", "💥.mp4",
)  # fmt: skip
HEADERS = tuple(b"mvhd tkhd mdhd stts stsz stsc stco stsd avc1 avcC pasp ctts elst".split())
"""Of the boxes of an MP4 that hold numbers."""
PLAYLISTS = ("#EXTM3U\n#EXTINF:1,\nclip.mp4\n", "ffconcat version 1.0\nfile clip.mp4\n", "file 'clip.mp4'\n",
             "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.mp4\n", "v=0\nm=video 5004 RTP/AVP 96\n")  # fmt: skip


def write_clips(folder: Path) -> None:
    """A clip as phones write it, and one of another size, codec and container."""
    write_clip(folder / CLIP, gradient_frames(24))
    write_video(folder / OTHER, gradient_frames(24, 160, 48), 12.0)
    write_clip(folder / "clip.avi", gradient_frames(24), codec="mpeg4")


def damage_clip(folder: Path, rng: random.Random, seed: int) -> None:
    """The bytes of a file, the numbers of its header, its name, or what kind of file it is."""
    path, kind, times = folder / CLIP, seed % 6, seed // 6
    if kind == 0:
        _damage_box(path, rng)
    elif kind == 1:
        path.rename(folder / rng.choice(NAMES))
    elif kind == 2:
        _replace(folder, rng)
    else:
        if rng.random() < 0.3:
            (folder / "clip.avi").replace(path)
        mutate_bytes.damage(path, rng, 3 * times + kind)


def _damage_box(path: Path, rng: random.Random) -> None:
    """A number in the header of an MP4: sizes, durations, rates, aspect ratios."""
    data = bytearray(path.read_bytes())
    found = [place for name in HEADERS if (place := data.find(name)) >= 0]
    place = rng.choice(found) + 4 + rng.randrange(0, 88)
    width = rng.choice((1, 2, 4))
    data[place : place + width] = rng.choice((bytes(width), b"\xff" * width, b"\x7f" * width, rng.randbytes(width)))
    path.write_bytes(bytes(data))


def _replace(folder: Path, rng: random.Random) -> None:
    """Something else than a clip is called like one."""
    path, choice = folder / CLIP, rng.randrange(6)
    if choice == 0:
        path.write_text(rng.choice(PLAYLISTS))
    elif choice == 1:
        # Frames of two sizes in one stream, as a camera that is turned while it films leaves them.
        path.write_bytes(_two_sizes(folder, rng))
    elif choice == 2:
        path.unlink()
        path.symlink_to(rng.choice(("/dev/zero", "/dev/null", "clip.mp4", "other.mp4", "/")))
    elif choice == 3:
        path.unlink()
        path.mkdir()
    elif choice == 4:
        sizes = ((16, 16), (2, 2), (34, 400), (3000, 34))
        write_video(path, gradient_frames(rng.choice((1, 7, 9)), *rng.choice(sizes)), rng.choice((0.5, 12.0, 500.0)))
    else:
        _odd_pixels(path, rng)


def _two_sizes(folder: Path, rng: random.Random) -> bytes:
    parts = []
    for width, height in rng.choice((((96, 64), (64, 96)), ((96, 64), (640, 480)), ((320, 240), (32, 32)))):
        path = folder / f"part{width}.ts"
        write_clip(path, gradient_frames(16, width, height), codec="libx264")
        parts.append(path.read_bytes())
        path.unlink()
    return b"".join(parts)


def _odd_pixels(path: Path, rng: random.Random) -> None:
    """Pixels that are far from square."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = rng.choice(
            (Fraction(1, 50), Fraction(50), Fraction(255, 1), Fraction(1, 3))
        )
        for frame in gradient_frames(12):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))


def _only(folder: Path) -> Path:
    """The damaged file, whatever it is called."""
    return next(path for path in folder.iterdir() if path.name not in (OTHER, "clip.avi"))


def read_clip(folder: Path) -> Any:
    return read_video(_only(folder))


def wrong_clip(video: Any) -> list[str]:
    frames = np.asarray(video.frames)
    return oracles.first(
        oracles.array("frames", frames, (None, None, None, 3), "u"), oracles.rate(np.float64(video.dt)),
        oracles.between("frames", len(frames), 8, 721), oracles.between("sides", frames.shape[1:3], 8, LONG_SIDE_PX),
        oracles.between("source", video.source_size, 32, oracles.LARGEST_IMAGE_PX),
        oracles.between("shape", max(frames.shape[1:3]) / min(frames.shape[1:3]), 1.0, 15.0),
    )  # fmt: skip


def read_pictures(folder: Path) -> Any:
    return read_film(_only(folder), COUNT)


def wrong_pictures(pictures: Any) -> list[str]:
    wrong = [] if len(pictures) == COUNT else [f"{len(pictures)} pictures"]
    wrong += [text for picture in pictures for text in oracles.array("picture", picture, (None, None, 3), "u")]
    return wrong or list(oracles.between("height", [p.shape[0] for p in pictures], 1, 240))


READERS = (
    Reader("video file", write_clips, damage_clip, read_clip, wrong_clip, 260),
    Reader("film of the 3D page", write_clips, damage_clip, read_pictures, wrong_pictures, 120),
)
