"""Made-up clips through the real segmenters: everything told apart, prompts, and what cannot be done in one line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.limits import LARGEST_SIDE_PX
from real2sim_jax.perception.drift import drift_of, unstabilise
from real2sim_jax.perception.mask_tracks import for_action, mask_track
from real2sim_jax.perception.prompts import ROLES, Prompt, UserHints, check_hints, lines_of, parse_hints, read_hints
from real2sim_jax.perception.saliency import weights_path
from real2sim_jax.perception.segmentation import segmenter_named
from real2sim_jax.perception.video import Video
from tests.perception import scenes

pytestmark = pytest.mark.long

needs_network = pytest.mark.skipif(weights_path() is None, reason="U2-Net-p is not installed")
FRAMES = 30
HAND, MOVED, ANCHOR = 1, 2, 3


def segment(scene, prompts=(), name="auto"):
    """Labels as the (drifting) camera saw them, and what was found."""
    found = segmenter_named(name)(video_of(scene), prompts, lambda done, text: None)
    return unstabilise(found.labels, found.drift), found


def video_of(scene):
    return Video(scene.frames, 1 / 12, (scenes.WIDTH, scenes.HEIGHT))


def agreement(labels, scene, body, least=150):
    truth = scene.labels == body
    shown = truth.sum(axis=(1, 2)) > least
    return scenes.iou(labels[shown] == body, truth[shown])


def short_push(**settings):
    return scenes.push(frames=FRAMES, pace=0.7, **settings)


@pytest.fixture(scope="module")
def pushed():
    t = np.arange(FRAMES)
    scene = short_push(drift=np.stack([6 * np.sin(t / 7), 4 * np.sin(t / 5)], axis=1), neighbours=((230, 165),))
    return scene, *segment(scene)


@needs_network
def test_hand_and_moved_object_are_found_despite_a_drifting_camera(pushed):
    scene, labels, found = pushed
    assert agreement(labels, scene, MOVED).min() > 0.85 and agreement(labels, scene, HAND).mean() > 0.9
    without = ~(scene.labels == HAND).any(axis=(1, 2))
    assert without.sum() > 5 and not (labels[without] == HAND).any()
    assert any(note.startswith("moved object") for note in found.notes)


@needs_network
def test_the_track_says_when_the_hand_touches(pushed):
    scene, _, found = pushed
    track, contact = mask_track(found, video_of(scene))
    assert track.masks.shape == (FRAMES, 3, scenes.HEIGHT, scenes.WIDTH) and track.seen[:, 1].all()
    x = np.array([np.nonzero(frame == MOVED)[1].mean() for frame in scene.labels]) - drifted(scene)
    moving = np.flatnonzero(np.abs(np.gradient(x)) > 1.0)
    acting = np.flatnonzero(contact.acting)
    assert abs(acting[0] - moving[0]) <= 3 and abs(acting[-1] - moving[-1]) <= 3
    assert contact.touching[acting[2] : acting[-3]].all() and not contact.touching[:3].any()
    assert contact.phases()[0] == "approach" and contact.phases()[-1] == "leave" and contact.confidence.mean() > 0.6
    assert for_action(track, ACTIONS["push_left_to_right"]).masks.shape[1] == 2


def drifted(scene):
    """How far the camera's drift moves the picture's x in each frame."""
    return -drift_of(scene.frames)[:, 0, 2]


@needs_network
@pytest.mark.parametrize("make", [scenes.pick_up, scenes.put], ids=["pick up", "put beside"])
def test_hands_that_stay_and_things_that_come_with_the_hand(make):
    scene = make(frames=36)
    labels, _ = segment(scene)
    for body in np.unique(scene.labels)[1:]:
        assert agreement(labels, scene, body).mean() > 0.85


@needs_network
def test_what_is_put_onto_something_is_told_from_it():
    scene = scenes.put(onto=True, frames=36)
    labels, found = segment(scene)
    assert agreement(labels, scene, MOVED).mean() > 0.85 and agreement(labels, scene, ANCHOR).mean() > 0.85
    assert "starts from frame 35" in found.notes[0]
    track, _ = mask_track(found, video_of(scene))
    assert for_action(track, ACTIONS["put_onto"]).masks.shape[1] == 3


def test_boxes_of_the_user_are_followed_without_any_network():
    scene = short_push(neighbours=((230, 165),))
    labels, _ = segment(scene, read_hints(["moved=76,100,124,140@0", "anchor=206,145,254,180@0"]).prompts, "boxes")
    assert agreement(labels, scene, MOVED).mean() > 0.85
    neighbour = scenes.box_mask((230, 165), (20, 16))
    assert scenes.iou((labels == ANCHOR)[:1], neighbour[None])[0] > 0.8


def apart():
    """A box that slides on its own, far below an arm that comes and goes."""
    t = np.arange(24)
    way = scenes.line((60, 150), (200, 150), scenes.smooth((t - 8) / 10))
    tips = scenes.line((400, 30), (250, 30), np.sin(np.pi * t / 23))
    return scenes.render([(MOVED, (60, 90, 190), (20, 16), way)], (tips, tips + np.array([300, -40])), 24)


@pytest.mark.parametrize(
    ("scene", "says"),
    [
        (lambda: scenes.push(frames=16, pace=0.4, arm=False), "no hand was found"),
        (lambda: scenes.push(frames=16, pace=0.4, distance=0), "nothing moves"),
        (lambda: apart(), "the hand never touches what moves"),
        (
            lambda: scenes.push(frames=16, pace=0.4, drift=np.stack([-15 * np.arange(16), 0 * np.arange(16)], 1)),
            "camera",
        ),
    ],
    ids=["no hand", "nothing moves", "never touching", "moving camera"],
)
def test_what_cannot_be_done_costs_one_line(scene, says):
    with pytest.raises(UserError, match=says) as caught:
        segment(scene())
    assert "\n" not in str(caught.value)


def test_prompts_that_cannot_be_followed():
    scene = scenes.push(frames=16, pace=0.4)
    with pytest.raises(UserError, match="the video has 16"):
        segment(scene, [Prompt("moved", (76, 100, 124, 140), 99)])
    with pytest.raises(UserError, match="expected --prompt moved"):
        segment(scene, (), "boxes")
    with pytest.raises(UserError, match="expected one of auto, boxes, sam"):
        segmenter_named("magic")


MALFORMED = (
    "moved",
    "moved=1,2,3@4",
    "cup=1,2,3,4@5",
    "moved=9,2,3,4@5",
    "moved=1,2,3,4@x",
    "moved=1,2,3,4@" + "9" * 5000,
    "moved=1,2,3,4@²",
    "moved=1,2," + "9" * 400 + ",4@0",
    "moved=1,2,40000,4@0",
    "contact=4-" + "9" * 5000,
    "contact=4",
    "contact=9-4",
)


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_prompts(text):
    with pytest.raises(UserError, match="--prompt") as caught:
        read_hints([text])
    assert "\n" not in str(caught.value)


def test_a_prompt_reads_as_it_is_written(tmp_path):
    hints = read_hints(["anchor=1,2.5,3,4@6", "moved=5,6,7,8@0", "contact=20-30", "contact=4-9"])
    anchor, moved = Prompt("anchor", (1.0, 2.5, 3.0, 4.0), 6), Prompt("moved", (5.0, 6.0, 7.0, 8.0), 0)
    assert hints == UserHints((anchor, moved), ((4, 9), (20, 30)))
    (tmp_path / "my.txt").write_text("# of my video\n\n" + "\n".join(lines_of(hints)) + " # the end\n")
    assert read_hints([str(tmp_path / "my.txt")]) == UserHints((moved, anchor), hints.contacts)
    (tmp_path / "my.txt").write_bytes(bytes(range(128, 256)))
    with pytest.raises(UserError, match="expected a text file"):
        read_hints([str(tmp_path / "my.txt")])


@given(
    st.lists(st.floats(0, 2 * LARGEST_SIDE_PX), min_size=4, max_size=4, unique=True),
    st.sampled_from(ROLES),
    st.integers(0, 10**9 - 1),
)
def test_any_box_survives_being_written(sides, role, frame):
    x1, x2, y1, y2 = *sorted(sides[:2]), *sorted(sides[2:])
    hints = UserHints((Prompt(role, (x1, y1, x2, y2), frame),), ((0, frame),))
    assert parse_hints(lines_of(hints)) == hints


def test_a_file_is_a_file_whatever_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("moved=1,2,3,4@0", "a=b.txt"):
        (tmp_path / name).write_text("\ufeffanchor=1,2,3,4@0\n", encoding="utf-8")
        assert read_hints([name]).prompts[0].role == "anchor"
    with pytest.raises(UserError, match="or a file of such lines"):
        read_hints(["x" * 5000])


def test_what_lies_outside_the_video_is_refused():
    hints = read_hints(["moved=1,2,600,40@3", "contact=3-4"])
    check_hints(hints, 5, (320, 240))
    for frames, size in ((4, (320, 240)), (5, (299, 240)), (3, (320, 240))):
        with pytest.raises(UserError, match=r"--prompt (moved|contact)"):
            check_hints(hints, frames, size)


def test_a_box_in_a_later_frame_brings_back_what_was_lost():
    """The box leaps and shows another side of another colour: only a second box says where it is now."""
    t = np.arange(FRAMES)
    way = scenes.line((100, 120), (150, 120), scenes.smooth((t - 8) / 8))
    tips = way - (22, 0) - (1 - scenes.smooth(t / 7) + scenes.smooth((t - 17) / 6))[:, None] * np.array([200, 0])
    gone, half = (t >= 24)[:, None], (20, 16)
    sides = [
        (MOVED, (60, 90, 190), half, np.where(gone, np.nan, way)),
        (MOVED, (70, 140, 80), half, np.where(gone, (260, 50), np.nan)),
    ]
    scene = scenes.render(sides, (tips, tips - (300, 60)), FRAMES)
    words = ["moved=76,100,124,140@0", "moved=236,30,284,70@26"]
    without, _ = segment(scene, read_hints(words[:1]).prompts, "boxes")
    found, _ = segment(scene, read_hints(words).prompts, "boxes")
    assert scenes.iou(without[26:] == MOVED, scene.labels[26:] == MOVED).mean() < 0.1
    assert scenes.iou(found[26:] == MOVED, scene.labels[26:] == MOVED).mean() > 0.8
    assert scenes.iou(found[:22] == MOVED, scene.labels[:22] == MOVED).mean() > 0.8


def test_a_hand_at_both_ends_is_told_by_a_box():
    whole = scenes.push(frames=42)
    scene = scenes.Scene(whole.frames[10:34], whole.labels[10:34])
    assert (scene.labels[[0, -1]] == HAND).any(axis=(1, 2)).all()
    words = ["moved=76,100,124,140@0", "hand=0,92,90,180@0"]
    labels, found = segment(scene, read_hints(words).prompts, "boxes")
    assert "a hand is in it already" in found.notes[0]
    assert agreement(labels, scene, MOVED).mean() > 0.8 and agreement(labels, scene, HAND).mean() > 0.8


def test_a_told_contact_replaces_what_the_masks_say(pushed):
    scene, _, found = pushed
    track, contact = mask_track(found, video_of(scene), ((12, 16), (19, 20)))
    assert np.flatnonzero(contact.touching).tolist() == [12, 13, 14, 15, 16, 19, 20]
    acting = np.flatnonzero(contact.acting)
    assert acting[0] >= 12 and acting[-1] <= 20 and (contact.confidence == 1.0).all()
    used = for_action(track, ACTIONS["push_left_to_right"], ((12, 16),))
    assert np.flatnonzero(used.touching).tolist() == [12, 13, 14, 15, 16]
    assert not for_action(track, ACTIONS["push_left_to_right"]).touching[0]


def test_actions_that_need_an_anchor_say_so():
    labels = np.zeros((12, 40, 60), np.uint8)
    labels[:, 10:20, 10:20] = MOVED
    found = type("Found", (), {"labels": labels, "tips": {}})()
    track, _ = mask_track(found, Video(np.zeros((12, 40, 60, 3), np.uint8), 1 / 12, (60, 40)))
    with pytest.raises(UserError, match="put_onto needs"):
        for_action(track, ACTIONS["put_onto"])
