"""The fit stage: what it leaves in its folder, and that no track, however absurd, costs the others."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from real2sim_jax.cli import main
from real2sim_jax.config.fitting import FitConfig
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.data.artefacts import load
from real2sim_jax.data.types import CuboidTrack, MaskTrack
from real2sim_jax.stages import fit as fits
from real2sim_jax.stages.console import Console
from real2sim_jax.stages.fit import AnnotatedTracks, fit_observed, fit_stage
from real2sim_jax.synthetic.scenes import observe_masks, synthetic_scenes, synthetic_tracks

pytestmark = pytest.mark.long

QUICK = FitConfig(rounds=((1000, 40), (1, 150)), elevations_deg=(35.0,), hand_turns_deg=(0.0,), batch=12)
FRAMES = 24
LABELS = ("object hand", "object 0", "object 1")


def written(folder, videos):
    """Write boxes.json and actions.csv; videos: action name and frames, lists of (label, box), by id."""
    named = {
        video: [
            {"name": f"{video}/{i + 1:04d}.jpg", "labels": [_label(name, box) for name, box in frame]}
            for i, frame in enumerate(frames)
        ]
        for video, (_, frames) in videos.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "boxes.json").write_text(json.dumps(named))
    rows = [f"{video},{action},427,240" for video, (action, _) in videos.items()]
    (folder / "actions.csv").write_text("\n".join(["video_id,action,width,height", *rows]) + "\n")


def _label(name, box):
    return {"gt_annotation": name, "box2d": dict(zip(("x1", "y1", "x2", "y2"), map(float, box), strict=True))}


def plain(action, seed=0):
    """The frames of a good synthetic video."""
    observed, _ = synthetic_tracks(ACTIONS[action], 1, seed)[0]
    return [
        [(LABELS[b], observed.boxes[t, b]) for b in range(observed.seen.shape[1]) if observed.seen[t, b]]
        for t in range(len(observed.valid))
    ]


def absurd():
    """Tracks that no camera ever saw, by name."""
    rng = np.random.default_rng(0)
    push, onto = plain("push_left_to_right"), plain("put_onto")

    def anywhere():
        return np.sort(rng.uniform([[0, 0]] * 2, [[427, 240]] * 2), axis=0).ravel()

    huge, nothing = (-1e6, -1e6, 1e6, 1e6), (float("nan"),) * 4
    return {
        "random": ("put_onto", [[(name, anywhere()) for name in LABELS] for _ in range(FRAMES)]),
        "huge": ("pick_up", [[(name, huge) for name in LABELS[:2]] for _ in range(FRAMES)]),
        "tiny": ("pick_up", [[(name, (200, 100, 200.01, 100.01)) for name in LABELS[:2]] for _ in range(FRAMES)]),
        "inverted": ("pick_up", [[(name, (200, 100, 100, 50)) for name in LABELS[:2]] for _ in range(FRAMES)]),
        "outside": ("pick_up", [[(name, (5000, 100, 5100, 200)) for name in LABELS[:2]] for _ in range(FRAMES)]),
        "handless": ("push_left_to_right", [[pair for pair in frame if pair[0] != LABELS[0]] for frame in push]),
        "hand_alone": ("push_left_to_right", [[pair for pair in frame if pair[0] == LABELS[0]] for frame in push]),
        "no_anchor": ("put_onto", [[pair for pair in frame if pair[0] != LABELS[2]] for frame in onto]),
        "one_frame": ("push_left_to_right", [frame for frame in push if len(frame) == 2][:1]),
        "two_frames": ("put_onto", [frame for frame in onto if len(frame) == 3][:2]),
        "empty_frames": ("push_left_to_right", [[] for _ in range(FRAMES)]),
        "no_frames": ("push_left_to_right", []),
        "nan": ("push_left_to_right", [[(name, nothing) for name in LABELS[:2]] for _ in range(FRAMES)]),
        "some_nan": ("push_left_to_right", [[(n, nothing) for n, _ in f] if i % 4 else f for i, f in enumerate(push)]),
        "infinite": ("push_left_to_right", [[(name, (0, 0, float("inf"), 9)) for name in LABELS[:2]]] * FRAMES),
        "frozen": ("pick_up", [[(LABELS[0], (50, 50, 90, 90)), (LABELS[1], (300, 150, 340, 200))]] * FRAMES),
    }


NO_TRACK = {"tiny", "inverted", "outside", "hand_alone", "no_anchor", "empty_frames", "no_frames"}
NO_TRACK |= {"nan", "some_nan", "infinite", "huge"}
GOOD = {"good1": ("push_left_to_right", 0), "good2": ("pick_up", 1)}


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """Good and absurd videos fitted together."""
    folder = tmp_path_factory.mktemp("batch")
    videos = absurd() | {video: (action, plain(action, seed)) for video, (action, seed) in GOOD.items()}
    written(folder / "tracks", videos)
    return folder / "out", fit_stage(AnnotatedTracks(folder / "tracks"), None, folder / "out", Console(), QUICK)


def test_absurd_videos_are_flagged_or_skipped_in_one_line(batch):
    _, result = batch
    for video in absurd():
        if video in result.skipped:
            assert result.skipped[video] and "\n" not in result.skipped[video]
        else:
            report = result.reports[video]
            assert report.flags or report.broken_rules, (video, report)


def test_what_has_no_usable_box_has_no_track(batch):
    _, result = batch
    assert set(result.skipped) == NO_TRACK


@pytest.mark.parametrize("video", GOOD)
def test_good_videos_lose_nothing_by_their_company(batch, video):
    _, result = batch
    assert result.reports[video].broken_rules == [] and result.reports[video].iou["moved"] > 0.7


def test_every_fit_is_finite_and_has_all_its_files(batch):
    out, result = batch
    for video, (_, track) in result.tracks.items():
        for name in ("boxes.npz", "track.npz", "states.csv", "fit.gif", "quality.json"):
            assert (out / video / name).stat().st_size > 0
        assert np.isfinite(track.position).all() and np.isfinite(track.half_extents).all()
        saved = load(out / video / "track.npz", CuboidTrack)
        np.testing.assert_array_equal(saved.position, track.position)
    assert (out / "contact_sheet.png").stat().st_size > 0
    assert not list(out.rglob(".*")), "temporary files left"


def test_quality_tells_good_from_bad(batch):
    out, _ = batch
    good, bad = (json.loads((out / video / "quality.json").read_text()) for video in ("good1", "random"))
    assert good["action"] == "push_left_to_right" and good["broken_rules"] == []
    assert good["iou"]["moved"] > bad["iou"]["moved"]
    assert len(good["iou_frames"]["moved"]) == len(plain("push_left_to_right"))


def test_evaluate_states_reads_the_folder_with_the_actions_of_the_fit(batch, capsys):
    out, result = batch
    with pytest.raises(SystemExit) as ended:
        main(["evaluate-states", str(out), "--json"])
    assert not ended.value.code
    videos = json.loads(capsys.readouterr().out)["videos"]
    assert {video: judged["broken_rules"] for video, judged in videos.items()} == {
        video: report.broken_rules for video, report in result.reports.items()
    }


def test_masks_that_have_changed_are_fitted_again_and_kept(tmp_path, capsys):
    action, masks = ACTIONS["push_left_to_right"], []
    for seed in range(2):
        scene = synthetic_scenes(action, 1, seed)[0]
        masks.append(observe_masks(scene, width=64))
    for number, (seen, says) in enumerate([(masks[0], None), (masks[0], None), (masks[1], "other parents than now")]):
        found = fit_observed({"7": (action, seen)}, {}, tmp_path, Console(), replace(QUICK, mask_steps=4))
        saved = load(tmp_path / "7" / "masks.npz", MaskTrack)
        np.testing.assert_allclose(saved.masks, seen.masks, atol=1 / 255)
        assert len(found.tracks["7"][1].valid) == len(seen.valid)
        shown = capsys.readouterr().out
        assert ("fitting 1 videos" in shown) == (number != 1)
        assert says in shown if says else "made again" not in shown


def test_unchanged_videos_are_not_fitted_again_but_a_changed_action_is(tmp_path, monkeypatch, capsys):
    tracks, asked = tmp_path / "tracks", []
    written(tracks, {"7": ("push_left_to_right", plain("push_left_to_right"))})
    fit = fits.fit_tracks
    monkeypatch.setattr(fits, "fit_tracks", lambda missing, *rest: asked.append(sorted(missing)) or fit(missing, *rest))
    first = fit_stage(AnnotatedTracks(tracks), None, tmp_path / "out", Console(), QUICK)
    again = fit_stage(AnnotatedTracks(tracks), None, tmp_path / "out", Console(), QUICK)
    assert asked == [["7"]] and again.reports == first.reports
    (tracks / "actions.csv").write_text("video_id,action,width,height\n7,pull_left_to_right,427,240\n")
    assert fit_stage(AnnotatedTracks(tracks), None, tmp_path / "out", Console(), QUICK).reports["7"].broken_rules == [
        "hand side"
    ]
    assert asked == [["7"], ["7"]]
    (tmp_path / "out" / "7" / "quality.json").write_text("damaged")
    assert "other config than now" in (shown := capsys.readouterr().out) and shown.count("made again") == 1
    fit_stage(AnnotatedTracks(tracks), None, tmp_path / "out", Console(), QUICK)
    assert "the loss curve is lost" in capsys.readouterr().out
    assert len(asked) == 2 and json.loads((tmp_path / "out" / "7" / "quality.json").read_text())["iou"]


def test_losses_are_drawn_and_kept_for_videos_that_are_not_fitted_again(tmp_path, monkeypatch):
    tracks, curve = tmp_path / "tracks", np.array([[0.0, 9.0], [10.0, 2.0], [20.0, np.nan]])
    written(tracks, {"7": ("push_left_to_right", plain("push_left_to_right"))})
    fit = fits.fit_tracks

    def with_curve(*arguments):
        result = fit(*arguments)
        return SimpleNamespace(tracks=result.tracks, failures=result.failures, curves={"7": curve})

    monkeypatch.setattr(fits, "fit_tracks", with_curve)
    first = fit_stage(AnnotatedTracks(tracks), None, tmp_path / "out", Console(), QUICK)
    assert first.reports["7"].loss_curve == [(0.0, 9.0), (10.0, 2.0)]
    (tmp_path / "out" / "loss_curves.png").unlink()
    assert fit_stage(AnnotatedTracks(tracks), None, tmp_path / "out", Console(), QUICK).reports == first.reports
    assert (tmp_path / "out" / "loss_curves.png").stat().st_size > 0
