"""Reading annotated boxes: the usual case, the holes of real data, and wrong input."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from real2sim_jax.core.actions import ACTIONS, IMITATIONS, Action
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.predicates import Upright
from real2sim_jax.data.artefacts import read_csv
from real2sim_jax.data.types import ANCHOR, HAND, MOVED
from real2sim_jax.formats.something_else import read_tracks

DATA = Path(os.environ.get("REAL2SIM_DATA", Path(__file__).parents[3] / "shared" / "data")) / "real_tracks"


def label(name, box):
    return {"gt_annotation": name, "box2d": dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))}


def frames(*contents, video="7"):
    return [{"name": f"{video}/{i:04d}.jpg", "labels": list(labels)} for i, labels in enumerate(contents, start=1)]


def slide(count=12):
    """A hand that follows an object to the right from the fourth frame on."""
    shift = [0, 0, 0] + [12 * i for i in range(count - 3)]
    return frames(
        *[
            [label("object hand", (60 + s, 90, 130 + s, 150)), label("object 0", (120 + s, 100, 160 + s, 140))]
            for s in shift
        ]
    )


def folder_with(tmp_path, content, **tables):
    (tmp_path / "boxes.json").write_text(content if isinstance(content, str) else json.dumps(content))
    for name, text in tables.items():
        (tmp_path / f"{name}.csv").write_text(text)
    return tmp_path


def test_users_own_tracks_need_only_boxes_and_an_action(tmp_path):
    tracks, skipped = read_tracks(folder_with(tmp_path, {"7": slide()}), action=ACTIONS["push_left_to_right"])
    action, track = tracks["7"]
    assert action.name == "push_left_to_right" and not skipped
    assert track.boxes.shape == (12, 2, 4) and track.seen.all() and track.valid.all()
    np.testing.assert_allclose(track.image_size, (427, 240))
    assert track.touching[4:].all() and not track.touching[0]


def test_phases_are_one_based_and_inclusive_and_cut_to_the_boxes(tmp_path):
    tables = {
        "actions": "video_id,action\n7,push_left_to_right\n",
        "phases": "video_id,action_id,approach,action,leave\n7,93,1-3,4-99,-\n",
    }
    tracks, _ = read_tracks(folder_with(tmp_path, {"7": slide()}, **tables))
    assert tracks["7"][1].acting.tolist() == [False] * 3 + [True] * 9


def test_optional_columns_give_size_and_rate(tmp_path):
    tables = {"actions": "video_id,action,width,height,fps\n7,pick_up,640,480,30\n"}
    _, track = read_tracks(folder_with(tmp_path, {"7": slide()}, **tables))[0]["7"]
    np.testing.assert_allclose(track.image_size, (640, 480))
    np.testing.assert_allclose(track.dt, 1 / 30)


def test_gaps_between_frame_numbers_are_frames_without_boxes(tmp_path):
    content = [frame for i, frame in enumerate(slide()) if i not in (5, 6)]
    _, track = read_tracks(folder_with(tmp_path, {"7": content}), action=ACTIONS["pick_up"])[0]["7"]
    assert len(track.valid) == 12 and not track.seen[5:7].any()


def test_the_duplicate_that_continues_the_track_counts(tmp_path):
    content = slide()
    content[6]["labels"].append(label("object 0", (300, 10, 340, 50)))
    _, track = read_tracks(folder_with(tmp_path, {"7": content}), action=ACTIONS["pick_up"])[0]["7"]
    assert track.boxes[6, MOVED, 0] < 200


def test_spare_anchor_boxes_stand_in_for_a_moved_object_without_any(tmp_path):
    anchor, moved = (200, 100, 300, 200), (40, 20, 60, 40)
    content = frames(*[[label("object 1", anchor)] + ([label("object 1", moved)] if i > 4 else []) for i in range(12)])
    _, track = read_tracks(folder_with(tmp_path, {"7": content}), action=ACTIONS["put_onto"])[0]["7"]
    assert track.seen[:, ANCHOR].all() and track.seen[:, MOVED].sum() == 7
    np.testing.assert_allclose(track.boxes[8, MOVED], moved)
    assert not track.seen[:, HAND].any()


def test_occasional_bad_boxes_are_dropped_and_mostly_bad_ones_refuse_the_video(tmp_path):
    content = slide()
    content[5]["labels"][1]["box2d"]["x2"] = 100.0
    _, track = read_tracks(folder_with(tmp_path, {"7": content}), action=ACTIONS["pick_up"])[0]["7"]
    assert not track.seen[5, MOVED]
    bad = frames(*[[label("object 0", (-50, 10, -20, 40))] for _ in range(8)])
    tracks, skipped = read_tracks(folder_with(tmp_path, {"7": slide(), "8": bad}), action=ACTIONS["pick_up"])
    assert list(tracks) == ["7"] and "outside the image" in skipped["8"]


def test_a_video_without_object_boxes_is_skipped_with_a_reason(tmp_path):
    hand_only = frames(*[[label("object hand", (0, 0, 50, 50))] for _ in range(5)])
    tracks, skipped = read_tracks(folder_with(tmp_path, {"7": slide(), "8": hand_only}), action=ACTIONS["pick_up"])
    assert list(tracks) == ["7"] and "object 0" in skipped["8"]
    with pytest.raises(UserError, match="object 0"):
        read_tracks(tmp_path, ["8"], action=ACTIONS["pick_up"])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "malformed"),
        ("[]", "expected an object"),
        ("{}", "no video"),
        ('{"7": []}', "expected a list of annotated frames"),
        ('{"7": [{"name": "7/0001.jpg"}]}', "gt_annotation"),
        ('{"7": [{"name": "7/0001.jpg", "labels": [{"gt_annotation": "object 0", "box2d": {"x1": 1}}]}]}', "box2d"),
        (
            '{"7": [{"name": "7/0001.jpg", "labels": [{"gt_annotation": "object 0",'
            ' "box2d": {"x1": NaN, "y1": 0, "x2": 5, "y2": 5}}]}]}',
            "not finite",
        ),
    ],
)
def test_malformed_annotations_are_one_line_to_the_user(tmp_path, content, expected):
    with pytest.raises(UserError, match=expected) as caught:
        read_tracks(folder_with(tmp_path, content), action=ACTIONS["pick_up"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tables", "arguments", "expected"),
    [
        ({"actions": "video_id,action\n7,wave\n"}, {}, "unknown action"),
        ({"actions": "video,action\n"}, {}, "video_id"),
        ({"phases": "video_id,action\n7,four\n"}, {"action": ACTIONS["pick_up"]}, "FIRST-LAST"),
        ({"actions": "video_id,action,fps\n7,pick_up,-3\n"}, {}, "positive number"),
        ({}, {"videos": ["9"], "action": ACTIONS["pick_up"]}, "no boxes of video '9'"),
        ({}, {}, "action of video 7 is not known"),
    ],
)
def test_wrong_tables_and_arguments(tmp_path, tables, arguments, expected):
    with pytest.raises(UserError, match=expected):
        read_tracks(folder_with(tmp_path, {"7": slide()}, **tables), **arguments)


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(UserError, match="folder"):
        read_tracks(tmp_path / "absent")
    with pytest.raises(UserError, match="found none"):
        read_tracks(tmp_path)


def in_frame(name="7/0001.jpg", **sides):
    """Annotations whose first frame has another name or a side of another length."""
    content = slide()
    content[0]["name"] = name
    content[0]["labels"][1]["box2d"] |= sides
    return content


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (in_frame(x2=1e7), "an image of 1e\\+07x240 px; expected 1 to 16384"),
        (in_frame(x2=1e12), "an image of 1e\\+09x240 px"),
        (in_frame(x1=-428), "frame 1: a box is more than one image outside the image of 427x240 px"),
        (in_frame(x2=10**400), "frame 1: expected labels"),
        (in_frame(x2="9" * 5000), "not finite"),
        (in_frame(x2=[[1]]), "frame 1: expected labels"),
        (in_frame(name=f"7/{'9' * 5000}.jpg"), "frame 1: expected a whole number"),
        (in_frame(name=f"7/{'9' * 300_000}"), None),
        (in_frame(name="7/²²²²².jpg"), None),
        (in_frame(x1=-420), None),
    ],
    ids=range(10),
)
def test_a_video_with_impossible_numbers_is_skipped_with_its_reason(tmp_path, content, says):
    tracks, skipped = read_tracks(folder_with(tmp_path, {"7": slide(), "8": content}), action=ACTIONS["pick_up"])
    assert list(tracks) == (["7", "8"] if says is None else ["7"])
    if says is not None:
        assert re.search(says, skipped["8"]) and len(skipped["8"].splitlines()) == 1


@pytest.mark.parametrize(
    ("columns", "values", "says"),
    [
        ("width,height", "1e9,480", "expected 1 to 16384 px"),
        ("width,height", "1e300,480", "expected 1 to 16384 px"),
        ("width,height", "640,", "both width and height"),
        ("fps", "1e-320", "0.5 to 1000"),
        ("fps", "1e-9", "0.5 to 1000"),
        ("fps", "1e9", "0.5 to 1000"),
        ("fps", "9" * 400, "positive number"),
    ],
)
def test_impossible_sizes_and_rates(tmp_path, columns, values, says):
    table = f"video_id,action,{columns}\n7,pick_up,{values}\n"
    with pytest.raises(UserError, match=f"video 7: .*{says}") as caught:
        read_tracks(folder_with(tmp_path, {"7": slide()}, actions=table))
    assert len(str(caught.value)) < 1100
    with pytest.raises(UserError, match=r"0\.5 to 1000"):
        read_tracks(folder_with(tmp_path, {"7": slide()}, actions="video_id,action\n7,pick_up\n"), dt=0.0)


@pytest.mark.parametrize(
    ("row", "says"),
    [("²,4-8", "'²'"), (f"{'9' * 5000},4-8", "whole number"), ("93,4-" + "9" * 5000, "whole number"),
     ("93,²-8", "'²'"), ("93,8-4", "FIRST-LAST"), ("93,0-4", "FIRST-LAST")],
)  # fmt: skip
def test_phases_of_impossible_numbers(tmp_path, row, says):
    table = f"video_id,action_id,action\n7,{row}\n"
    with pytest.raises(UserError, match=f"video 7: .*{says}"):
        read_tracks(folder_with(tmp_path, {"7": slide()}, phases=table), action=ACTIONS["pick_up"])


def test_an_empty_choice_of_videos(tmp_path):
    with pytest.raises(UserError, match="expected at least one video, got an empty choice"):
        read_tracks(folder_with(tmp_path, {"7": slide()}), [], action=ACTIONS["pick_up"])


def test_an_id_with_line_ends_makes_an_error_of_one_line(tmp_path):
    name = "7\n8\x1b[31m\u2028\ud800"
    (tmp_path / "boxes.json").write_text(json.dumps({name: []}))
    for arguments in ({"action": ACTIONS["pick_up"]}, {}, {"videos": ["9\n"]}):
        with pytest.raises(UserError) as caught:
            read_tracks(tmp_path, **arguments)
        assert str(caught.value).isprintable() and "\\n" in str(caught.value)


@pytest.mark.skipif(not DATA.is_dir(), reason="real annotations are not redistributed")
@pytest.mark.parametrize("use_phases", [True, False])
def test_every_listed_real_video_is_usable(use_phases):
    tracks, skipped = read_tracks(DATA, use_phases=use_phases)
    listed = read_csv(DATA / "actions.csv", ["video_id"])
    assert len(tracks) == len(listed) > 30 and not skipped
    for action, track in tracks.values():
        assert track.boxes.shape[1] == action.bodies and np.isfinite(track.boxes).all()
        assert track.touching.any() and track.acting.any()


def test_a_users_own_action_is_known_by_its_name_in_the_table(tmp_path):
    folder = folder_with(tmp_path, {"7": slide(), "8": slide()}, actions="video_id,action\n7,wave\n8,pick_up\n")
    wave = Action("wave", (Upright(),))
    tracks, _ = read_tracks(folder, action=wave)
    assert list(tracks) == ["7"] and tracks["7"][0] == wave
    with pytest.raises(UserError, match="unknown action 'wave'"):
        read_tracks(folder)


def test_any_video_can_be_imitated(tmp_path):
    folder = folder_with(tmp_path, {"7": slide(), "8": slide()}, actions="video_id,action\n7,put_onto\n8,pick_up\n")
    tracks, _ = read_tracks(folder, action=IMITATIONS["imitate"])
    assert {video: action.name for video, (action, _) in tracks.items()} == {"7": "imitate", "8": "imitate"}
