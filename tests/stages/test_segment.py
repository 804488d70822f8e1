"""The segment stage and its command: what it leaves, what it does not do twice, and batches with a bad video."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import load, load_header
from real2sim_jax.data.types import MaskTrack
from real2sim_jax.perception.prompts import read_hints
from real2sim_jax.perception.things import Found
from real2sim_jax.perception.video import read_video
from real2sim_jax.stages import segment as segments
from real2sim_jax.stages.console import Console
from real2sim_jax.stages.segment import Videos, segment_stage, video_id
from tests.command_line import exit_code as run
from tests.perception import scenes
from tests.perception.clips import write_clip

pytestmark = pytest.mark.long

BOX = "moved=76,100,124,140@0"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A short push as a phone might store it."""
    scene = scenes.push(frames=24, pace=0.55)
    return write_clip(tmp_path_factory.mktemp("clips") / "my push.mp4", scene.frames, rate=12)


@pytest.fixture(scope="module")
def segmented(clip, tmp_path_factory):
    """The command's output folder, made without networks: quick, and the same where none are installed."""
    out = tmp_path_factory.mktemp("out")
    bad = clip.with_name("bad.mp4")
    bad.write_text("no video")
    assert run("segment", clip, "--segmenter", "boxes", "--prompt", BOX, "--out", out) == 0
    return out


def test_masks_overlay_and_reasons_lie_in_the_videos_folder(clip, segmented):
    folder = segmented / "my_push"
    track = load(folder / "masks.npz", MaskTrack)
    assert track.masks.shape == (24, 3, scenes.HEIGHT, scenes.WIDTH) and float(track.dt) == pytest.approx(1 / 12)
    assert track.seen[:, 1].all() and not track.seen[:, 2].any() and track.touching.any() and not track.touching[0]
    hints = json.loads((folder / "masks.json").read_text())
    assert len(hints["phases"]) == 24 and any("as told" in line for line in hints["why"])
    overlay = read_video(folder / "masks.mp4")
    assert len(overlay.frames) == 24 and overlay.source_size[0] == scenes.WIDTH
    film = read_video(folder / "film.mp4")
    assert np.abs(film.frames.astype(int) - read_video(clip).frames).mean() < 4
    assert not list(segmented.rglob(".*")), "temporary files left"
    assert load_header(folder / "masks.npz")["parents"]["video"]


def test_the_same_video_is_segmented_once_for_each_setting(clip, segmented, monkeypatch, capsys):
    asked, real = [], segments.segmenter_named("boxes")
    monkeypatch.setattr(segments, "segmenter_named", lambda name, *_: lambda *a: asked.append(name) or real(*a))
    again = segment_stage(Videos([clip], "boxes", read_hints([BOX])), segmented, Console())
    assert not asked and list(again.tracks) == ["my_push"] and "made again" not in capsys.readouterr().out

    def made_again(path, *prompts, says):
        before = len(asked)
        segment_stage(Videos([path], "boxes", read_hints(prompts)), segmented, Console())
        assert len(asked) == before + 1 and says in capsys.readouterr().out

    (segmented / "my_push" / "masks.npz").write_bytes(b"damaged")
    made_again(clip, BOX, says="made again: " + str(segmented / "my_push" / "masks.npz") + ": damaged")
    (segmented / "my_push" / "masks.json").write_text("[]")
    made_again(clip, BOX, says="masks.json: expected what `segment` wrote")
    (segmented / "my_push" / "masks.mp4").unlink()
    made_again(clip, BOX, says="masks.mp4 is missing")
    made_again(clip, "moved=75,100,124,140@0", says="other config than now")
    made_again(clip, "moved=75,100,124,140@0", "contact=3-9", says="other config than now")
    (segmented / "longer").mkdir()
    frames = scenes.push(frames=30, pace=0.55).frames
    another = write_clip(segmented / "longer" / "my push.mp4", frames, rate=12)
    made_again(another, "moved=75,100,124,140@0", "contact=3-9", says="other parents than now")
    assert len(load(segmented / "my_push" / "masks.npz", MaskTrack).valid) == 30


def test_the_overlay_shows_what_else_was_followed(clip, tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "segmenter_named", lambda *_: _with_another)
    segment_stage(Videos([clip]), tmp_path, Console())
    with_other = read_video(tmp_path / "my_push" / "masks.mp4").frames
    monkeypatch.setattr(segments, "segmenter_named", lambda *_: _whole_frame)
    segment_stage(Videos([clip]), tmp_path / "plain", Console())
    plain = read_video(tmp_path / "plain" / "my_push" / "masks.mp4").frames
    differs = np.abs(with_other.astype(int) - plain).max(axis=-1).mean(axis=0) > 7
    rows, columns = np.nonzero(differs)
    assert (rows.min(), rows.max()) == pytest.approx((20, 59), abs=2)
    assert (columns.min(), columns.max()) == pytest.approx((30, 99), abs=2)


def _with_another(video, prompts, progress):
    found = _whole_frame(video, prompts, progress)
    others = np.zeros_like(found.labels)
    others[:, 20:60, 30:100] = 1
    return replace(found, others=others)


def test_a_bad_video_costs_one_line_and_the_others_go_on(clip, segmented, tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "segmenter_named", lambda *_: _whole_frame)
    videos = [clip.with_name("bad.mp4"), clip, clip.with_name("absent.mp4"), clip]
    found = segment_stage(Videos(videos), tmp_path, Console())
    assert list(found.tracks) == ["my_push"] and set(found.skipped) == {"bad", "absent", str(clip)}
    assert all("\n" not in reason for reason in found.skipped.values())
    assert "another video is called my_push" in found.skipped[str(clip)]


def _whole_frame(video, prompts, progress):
    """The smallest segmenter: the left half is the hand, the right half the object."""
    labels = np.ones(video.frames.shape[:3], np.uint8)
    labels[:, :, video.frames.shape[2] // 2 :] = 2
    drift = np.tile(np.eye(2, 3), (len(labels), 1, 1))
    return Found(labels, drift, ["made up"], {})


def test_errors_of_the_command(capsys, clip, tmp_path):
    bad = tmp_path / "x.mp4"
    bad.write_text("no video")
    assert run("segment", bad, "--out", tmp_path / "out") == 2
    assert "none of 1 videos could be segmented" in capsys.readouterr().err
    assert run("segment", clip, bad, "--prompt", BOX, "--out", tmp_path / "out") == 2
    assert "--prompt belongs to one video" in capsys.readouterr().err
    assert run("train", "--action", "pick_up", "--video", clip, "--tracks", tmp_path, "--runs", tmp_path) == 2
    assert "expected one of the two" in capsys.readouterr().err
    assert run("fit", "--video", clip, "--out", tmp_path / "out") == 2
    assert "--action NAME with --video" in capsys.readouterr().err
    assert run("fit", "--action", "pick_up", "--prompt", BOX, "--out", tmp_path / "out") == 2
    assert "give one with --video" in capsys.readouterr().err


def test_names_of_folders():
    assert video_id(Path("a/my cup (1).mp4")) == "my_cup__1_" and video_id(Path("seed3.mp4")) == "video_seed3"


def test_a_wrong_segmenter_is_named(clip, tmp_path):
    with pytest.raises(UserError, match="expected one of auto, boxes, sam"):
        segment_stage(Videos([clip], "magic"), tmp_path, Console())


def test_no_video_at_all_is_an_error_of_one_line(tmp_path):
    with pytest.raises(UserError, match="none of 0 videos could be segmented; none was given"):
        segment_stage(Videos([], "boxes"), tmp_path, Console())
