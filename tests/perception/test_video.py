"""Reading and writing videos: rates, turns, odd sizes, depths, and every broken file in one line."""

import os
import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from real2sim_jax.core.errors import UserError
from real2sim_jax.perception.video import read_video, write_video
from real2sim_jax.viewers.film import read_film
from tests.perception.clips import gradient_frames, turn_quarter, write_clip, write_sound

VIDEOS = Path(os.environ.get("REAL2SIM_DATA", Path(__file__).parents[3] / "shared" / "data")) / "videos"


def shades(video):
    """Mean grey of the lower right part of each frame, which tells its number."""
    return video.frames[:, video.frames.shape[1] // 2 :, video.frames.shape[2] // 2 :].mean(axis=(1, 2, 3))


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "size"),
    [
        ("a.mp4", "libx264", "yuv420p", (96, 64)),
        ("a.webm", "libvpx-vp9", "yuv420p", (95, 63)),
        ("a.mp4", "libx264", "yuv444p", (95, 63)),
        ("a.mp4", "libx264", "yuv420p10le", (96, 64)),
        ("a.mp4", "libsvtav1", "yuv420p", (96, 64)),
        ("a.gif", "gif", "rgb8", (95, 63)),
    ],
    ids=["h264", "vp9 odd", "h264 odd", "10 bit", "av1", "gif"],
)
def test_formats_give_the_same_frames_at_half_the_rate(tmp_path, name, codec, pix_fmt, size):
    frames = gradient_frames(24, *size)
    video = read_video(write_clip(tmp_path / name, frames, 24 if codec != "gif" else 25, codec, pix_fmt))
    assert video.source_size == size and video.frames.shape[1:] == (size[1], size[0], 3)
    assert len(video.frames) in (12, 13) and video.dt == pytest.approx(1 / 12)
    steps = np.diff(shades(video))
    assert (np.abs(steps[:-1] - 8.0) < 6.0).all(), "each second frame of the source, in order"


def test_a_variable_rate_comes_out_constant(tmp_path):
    # Brightness grows with time, not with the number of the frame.
    times = np.concatenate([np.arange(0, 0.5, 1 / 60), np.arange(0.5, 2.0, 1 / 10)])
    frames = np.repeat((20 + 100 * times)[:, None, None, None], 64, 1).repeat(96, 2).repeat(3, 3).astype(np.uint8)
    video = read_video(write_clip(tmp_path / "v.mp4", frames, 30, times=times))
    ticks = np.arange(len(video.frames)) / 12
    assert len(video.frames) >= 22
    np.testing.assert_allclose(shades(video), 20 + 100 * ticks, atol=100 * 0.055)


def test_a_phone_held_upright(tmp_path):
    plain = write_clip(tmp_path / "a.mp4", gradient_frames(16))
    assert read_video(plain).frames[0, 4, 4].mean() > 200
    video = read_video(turn_quarter(plain))
    assert video.source_size == (64, 96) and video.frames.shape[1:3] == (96, 64)
    assert video.frames[0, 4, -4].mean() > 200, "the bright corner went clockwise from left to right"


def test_large_pictures_are_scaled_down_and_sound_does_not_matter(tmp_path):
    video = read_video(write_clip(tmp_path / "a.mp4", gradient_frames(16, 960, 540), sound=True), long_side_px=240)
    assert video.frames.shape[1:3] == (135, 240) and video.source_size == (960, 540)


def test_what_is_written_is_h264_that_browsers_play_and_reads_back(tmp_path):
    frames = gradient_frames(12, 95, 63)
    write_video(tmp_path / "o.mp4", iter(frames), 12.0)
    with av.open(str(tmp_path / "o.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, stream.width, stream.height) == ("h264", "yuv420p", 96, 64)
    data = (tmp_path / "o.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    again = read_video(tmp_path / "o.mp4").frames[:, :63, :95]
    assert len(again) == 12 and np.abs(again.astype(int) - frames).mean() < 4


def broken(tmp_path, kind):
    path = tmp_path / "x.mp4"
    if kind == "truncated":
        noise = np.random.default_rng(0).integers(0, 255, (48, 64, 96, 3)).astype(np.uint8)
        write_video(path, noise, 12.0)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "truncated without index":
        write_clip(path, gradient_frames(48))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "zero frames":
        path = tmp_path / "x.gif"
        path.write_bytes(b"GIF89a" + bytes([96, 0, 64, 0, 0, 0, 0]) + b";")
    elif kind == "sound":
        write_sound(path)
    elif kind == "text":
        path.write_text("not a video")
    elif kind == "one pixel":
        path = write_clip(tmp_path / "x.gif", np.zeros((12, 1, 1, 3), np.uint8), 25, "gif", "rgb8")
    elif kind == "short":
        write_clip(path, gradient_frames(3))
    elif kind == "folder":
        path.mkdir()
    return path


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("truncated", "truncated"),
        ("truncated without index", "truncated"),
        ("zero frames", "no frame|foreign"),
        ("sound", "sound only"),
        ("text", "foreign file"),
        ("one pixel", "1x1 px"),
        ("short", "expected at least"),
        ("folder", "a folder"),
        ("absent", "nothing"),
    ],
)
def test_broken_files_cost_one_line(tmp_path, kind, says):
    with pytest.raises(UserError, match=says) as caught:
        read_video(broken(tmp_path, kind))
    assert "\n" not in str(caught.value) and "x." in str(caught.value)


NAMES = (
    "2024-05-01T10:30:12.mp4",
    "concat:a.mp4",
    "http:a.mp4",
    "pipe:0",
    "%03d.mp4",
    "-",
    "a|b 'c' \"d\".mp4",
    "file:a",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_files_whatever_it_looks_like(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "made.mp4", gradient_frames(24)).rename(tmp_path / name)
    assert len(read_video(name).frames) in (12, 13)
    (tmp_path / name).unlink()
    write_video(name, gradient_frames(12), 12.0)
    assert [path.name for path in tmp_path.iterdir()] == [name] and len(read_video(name).frames) == 12


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n"),
        ("a.txt", "ffconcat version 1.0\nfile secret.ts\n"),
        ("a.mp4", "ffconcat version 1.0\nfile secret.ts\n"),
        ("a.mpd", '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>'),
    ],
)
def test_playlists_are_no_videos(tmp_path, name, text):
    write_clip(tmp_path / "secret.ts", gradient_frames(24))
    (tmp_path / name).write_text(text)
    for read in (read_video, lambda path: read_film(path, 2)):
        with pytest.raises(UserError, match="expected a video"):
            read(tmp_path / name)


def test_pictures_that_change_their_size(tmp_path):
    parts = []
    for i, size in enumerate([(96, 64), (64, 96)]):
        times = i + np.arange(24) / 24
        parts.append(write_clip(tmp_path / f"{i}.ts", gradient_frames(24, *size), times=times))
    (tmp_path / "a.ts").write_bytes(b"".join(path.read_bytes() for path in parts))
    with pytest.raises(UserError, match="change from 96x64 to 64x96 px"):
        read_video(tmp_path / "a.ts")


@pytest.mark.parametrize(
    ("shape", "size", "says"),
    [
        (Fraction(1, 30), (960, 480), "pixels 0.0333"),
        (Fraction(1, 255), (960, 480), "pixels 0.0039"),
        (Fraction(30), (96, 96), "pixels 30 times"),
        (Fraction(1), (1920, 96), "480x24 when scaled down"),
        (Fraction(1, 4), (96, 64), "24x64 px"),
    ],
    ids=str,
)
def test_pixels_and_pictures_of_absurd_shape(tmp_path, shape, size, says):
    with pytest.raises(UserError, match=says):
        read_video(write_clip(tmp_path / "a.mp4", gradient_frames(12, *size), 12, shape=shape))


def test_pixels_twice_as_wide_as_high_are_made_square(tmp_path):
    video = read_video(write_clip(tmp_path / "a.mp4", gradient_frames(12, 96, 96), 12, shape=Fraction(2)))
    assert video.source_size == (192, 96) and video.frames.shape[1:3] == (96, 192)


def test_pictures_too_large_or_too_rare(tmp_path):
    header = b"YUV4MPEG2 W%d H%d F24:1 C420\nFRAME\n"
    for width, height in ((20_000, 64), (16_000, 16_000)):
        (tmp_path / "a.y4m").write_bytes(header % (width, height) + bytes(1000))
        with pytest.raises(UserError, match=f"{width}x{height} px; expected at most"):
            read_video(tmp_path / "a.y4m")
    rare = write_clip(tmp_path / "b.mp4", gradient_frames(12), times=np.arange(12) * 4.0)
    with pytest.raises(UserError, match=r"0\.25 frames a second; expected 0\.5 to 1000"):
        read_video(rare)


@pytest.mark.parametrize(
    ("name", "codec"), [("s.mp4", "libx264"), ("s.mkv", "libx264"), ("s.flv", "flv1"), ("s.ts", "libx264")]
)
def test_a_damaged_file_is_read_or_one_line(tmp_path, name, codec):
    whole, draw = write_clip(tmp_path / name, gradient_frames(12), 24, codec).read_bytes(), random.Random(0)
    for _ in range(100):
        data = bytearray(whole)
        for place in draw.choices(range(draw.choice((200, 1000, len(data)))), k=5):
            data[place % len(data)] = draw.randrange(256)
        (tmp_path / name).write_bytes(data)
        try:
            assert read_video(tmp_path / name).frames.shape[-1] == 3
        except UserError as error:
            assert str(error).isprintable()


@pytest.mark.skipif(not VIDEOS.is_dir(), reason="real videos are not redistributed")
@pytest.mark.parametrize(("name", "count"), [("13956.webm", 63), ("6981.webm", 23), ("pen_move_right.mp4", 62)])
def test_real_videos(name, count):
    assert len(read_video(VIDEOS / name).frames) == count
