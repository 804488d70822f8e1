"""What counts as moving, what counts as a hand, and where small hands are looked for."""

import numpy as np
import pytest

from real2sim_jax.perception.embedded import EmbeddedClip
from real2sim_jax.perception.following import Track
from real2sim_jax.perception.hand_masks import HandTrack, _forget_background, _hand_and_forearm
from real2sim_jax.perception.hands import HandSeed, _tiles
from real2sim_jax.perception.moving_things import Thing, cut_changes
from real2sim_jax.perception.promptable import Cut
from real2sim_jax.perception.scene import make_clip
from real2sim_jax.perception.thing_roles import acting_hands, anchor_of, mover

FRAMES, HEIGHT, WIDTH = 12, 96, 160
TABLE = np.random.default_rng(0).integers(90, 130, (HEIGHT, WIDTH, 3), np.uint8)
TOY = np.random.default_rng(1).integers(140, 255, (20, 20, 3), np.uint8)


def square(x, y=40, width=20):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y : y + 20, x : x + width] = True
    return mask


def filmed(places):
    """A toy on a textured table, at a column in each frame."""
    frames = np.stack([TABLE] * len(places))
    for frame, x in zip(frames, places, strict=True):
        frame[40:60, x : x + 20] = TOY
    return frames


def steady(frames, model=None):
    still = np.tile(np.eye(2, 3), (len(frames), 1, 1))
    return EmbeddedClip(make_clip(frames, still), np.zeros((len(frames), 1, 1, 1), np.float16), model)


def clip_of(places, model=None):
    return steady(filmed(places), model), np.stack([square(x) for x in places])


def measured(clip, masks, hands, changed=1.0):
    return mover(clip, Thing(0, masks[0], changed, False), Track(masks, np.ones(len(masks))), hands)


def beside(masks):
    """A hand that touches a thing from the right."""
    return np.roll(masks, 20, axis=2)


def test_a_thing_that_is_carried_moves_and_rests_before():
    clip, masks = clip_of([30] * 4 + [30 + 10 * i for i in range(1, 8)] + [100])
    hands = beside(masks)
    hands[:3] = False
    found = measured(clip, masks, hands)
    assert found.motion > 0.2 and found.contact == 1.0 and found.free == 1.0 and found.score > 0.8


def test_a_track_that_is_found_again_at_what_was_there_all_along_is_no_motion():
    clip, masks = clip_of([30] * FRAMES)
    masks[4:7], masks[7:] = False, square(100)
    assert measured(clip, masks, np.zeros_like(masks)).motion == 0.0


def test_what_a_hand_uncovers_does_not_move():
    """The mask's middle goes with the edge of what comes before the thing, its pixels rest."""
    frames = filmed([60] * FRAMES)
    hands = np.stack([square(40 - t, width=30) for t in range(FRAMES)])
    frames[hands] = (200, 120, 90)
    found = measured(steady(frames), np.stack([square(60)] * FRAMES) & ~hands, hands)
    assert found.motion == 0.0


def test_a_sleeve_which_never_rests_without_its_hand_is_no_moved_object():
    clip, masks = clip_of([10 + 10 * t for t in range(FRAMES)])
    found = measured(clip, masks, beside(masks))
    assert found.motion > 0.2 and found.contact == 1.0 and found.free == 0.0 == found.score


def test_how_far_a_thing_goes_matters_less_than_that_all_of_it_leaves():
    clip, masks = clip_of([30] * 3 + [60] * 9)
    hands = beside(masks)
    hands[:3] = False
    whole, half = (measured(clip, masks, hands, changed) for changed in (1.0, 0.5))
    assert whole.score == pytest.approx(2.0 * half.score)


def test_a_hand_is_at_its_landmarks_and_behind_its_wrist():
    points = np.full((21, 2), [60.0, 50.0])
    points[[0, 1, 5, 9, 13, 17]] = [(40, 50), (45, 42), (55, 42), (60, 50), (55, 56), (48, 58)]
    seed = HandSeed(points, 1.0)
    allowed = _hand_and_forearm(seed.mask((HEIGHT, WIDTH)), seed)
    assert allowed[50, 50] and allowed[50, 5], "palm and forearm"
    assert not allowed[50, 100] and not allowed[5, 60] and not allowed[95, 20], "ahead, aside, and beside the forearm"


def test_what_is_there_without_a_hand_too_is_no_hand():
    clip, masks = clip_of([30] * FRAMES)
    moving, carried = clip_of([10 + 10 * t for t in range(FRAMES)])
    track = HandTrack({t: masks[t] for t in range(4)}, {1: np.zeros((5, 2))}, {1, 2})
    drawn = HandTrack({t: masks[t] for t in range(4)}, {}, {1}, drawn=True)
    _forget_background(clip, [track, drawn])
    assert not track.masks and not track.sightings and not track.tips and len(drawn.masks) == 4
    real = HandTrack({t: carried[t] for t in range(4)}, {}, {1})
    _forget_background(moving, [real])
    assert len(real.masks) == 4


def test_a_hand_that_touches_but_never_moves_does_not_act():
    """A bottle that landmarks take for a hand, beside what a hand puts onto it."""
    clip, masks = clip_of([30] * FRAMES)
    bottle = HandTrack(dict(enumerate(masks)), {}, {1, 2})
    moving, carried = clip_of([10 + 10 * t for t in range(FRAMES)])
    hand = HandTrack(dict(enumerate(carried)), {}, {1, 2})
    assert acting_hands(clip, [bottle], beside(masks)) == []
    assert acting_hands(moving, [hand], beside(carried)) == [hand]


def test_the_anchor_stays_where_it_is(monkeypatch):
    clip, masks = clip_of([30] * 4)
    # As where the network is not installed: everything stands out.
    monkeypatch.setattr("real2sim_jax.perception.thing_roles.saliency", lambda image: None)
    gone, stays = (Thing(0, square(60), changed, False) for changed in (0.7, 0.1))
    assert anchor_of(clip, [gone, stays], masks)[0] is stays


class Nested:
    """A model that takes a point on the toy for all of the basket, and a box for what is in it."""

    def cut(self, embedding, shape, points, kinds):
        return Cut(square(60) if len(points) > 1 else square(20, width=120), 0.9)


def test_a_changed_part_is_cut_out_without_what_it_lies_in():
    clip, masks = clip_of([60] * 2, Nested())
    nothing = np.zeros_like(masks[0])
    (found,) = cut_changes(clip, 0, masks[0], nothing, 5)
    assert np.array_equal(found, masks[0])
    # Of what the model takes for a thing most has not changed: that is something else.
    assert cut_changes(clip, 0, square(60, width=8), nothing, 5) == []


@pytest.mark.parametrize("shape", [(270, 480), (480, 270), (300, 300)])
def test_tiles_cover_the_picture_and_lead_back_to_it(shape):
    image = np.random.default_rng(2).integers(0, 255, (*shape, 3), np.uint8)
    covered = np.zeros(shape, bool)
    for tile, matrix in _tiles(image):
        x, y = matrix[:, 2].astype(int)
        height, width = tile.shape[:2]
        np.testing.assert_array_equal(image[y : y + height, x : x + width], tile)
        covered[y : y + height, x : x + width] = True
    assert covered.all()
