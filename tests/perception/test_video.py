"""Reading and writing videos: rates, turns, odd sizes, depths, and every broken file in one line."""

import os
from pathlib import Path

import av
import numpy as np
import pytest

from real2sim_jax.errors import UserError
from real2sim_jax.perception.video import read_video, write_video
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


@pytest.mark.skipif(not VIDEOS.is_dir(), reason="real videos are not redistributed")
@pytest.mark.parametrize(("name", "count"), [("13956.webm", 63), ("6981.webm", 23), ("pen_move_right.mp4", 62)])
def test_real_videos(name, count):
    assert len(read_video(VIDEOS / name).frames) == count
