"""Parameters keep their bounds, and every term of the loss is small where it should be and grows where it should."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from real2sim_jax.config.fitting import Scales
from real2sim_jax.data.types import ANCHOR, HAND, MOVED, BoxTrack, MaskTrack
from real2sim_jax.fitting import parameters
from real2sim_jax.fitting.initial import Hypothesis, cut_sides, fill, initial_guess
from real2sim_jax.fitting.losses import huber, loss_terms, total
from real2sim_jax.fitting.masks import mask_term, prepare_masks
from real2sim_jax.fitting.parameters import ContactConstraints, decode, from_free, to_free
from real2sim_jax.perception.boxes import boxes_of_masks
from real2sim_jax.rendering.boxes import hard_boxes

FRAMES = 24
SIZE = np.array([427.0, 240.0], np.float32)


def everything_seen():
    """An object pushed to the right in front of an anchor, seen in all frames; the hand holds it in the middle."""
    shift = np.linspace(0, 60, FRAMES)[:, None] * np.array([1, 0, 1, 0])
    boxes = np.stack([np.array([40, 100, 130, 160]) + shift, np.array([110, 110, 160, 160]) + shift], axis=1)
    boxes = np.concatenate([boxes, np.tile(np.array([250.0, 60, 310, 110]), (FRAMES, 1, 1))], axis=1).astype(np.float32)
    held = (np.arange(FRAMES) > 5) & (np.arange(FRAMES) < 18)
    yes = np.ones(FRAMES, bool)
    track = BoxTrack(boxes, np.ones((FRAMES, 3), bool), held, held, yes, np.float32(1 / 12), SIZE)
    rules = ContactConstraints(np.ones(3, bool), airborne=held, released=np.arange(FRAMES) >= 18)
    return track, rules


def start(on_anchor=False):
    return Hypothesis(np.float32(0.6), np.array(on_anchor), np.array(False), np.float32(0.0), np.array(False))


@pytest.fixture(scope="module")
def scene():
    track, rules = everything_seen()
    free = jax.jit(lambda o, r: to_free(initial_guess(o, r, start())))(track, rules)
    return track, rules, free


@jax.jit
def terms_of(free, track, rules, on_anchor=False):
    scene = decode(free, track, rules, jnp.asarray(on_anchor))
    return loss_terms(scene, from_free(free, FRAMES), track, rules, jnp.asarray(on_anchor), Scales())


@given(st.sampled_from([name for name in vars(parameters.BIJECTIONS)]), st.floats(-3, 3))
def test_bijections_invert_and_keep_their_bounds(name, free):
    bijection = getattr(parameters.BIJECTIONS, name)
    # The height's own scale is a centimetre: ten below zero there is nothing left to invert.
    free = 0.02 * free if name == "moved_lift" else free
    value = bijection.forward(jnp.asarray(free))
    np.testing.assert_allclose(bijection.inverse(value), free, atol=2e-2)
    assert bijection.forward(jnp.asarray(free + 0.1)) > value


def test_a_spline_reproduces_lines_and_has_few_numbers():
    basis = parameters.spline_basis(FRAMES)
    np.testing.assert_allclose(basis.sum(axis=1), 1.0, atol=1e-6)
    assert basis.shape[1] < FRAMES / 2
    weights = np.linalg.lstsq(basis, np.arange(FRAMES), rcond=None)[0]
    np.testing.assert_allclose(basis @ weights, np.arange(FRAMES), atol=1e-3)


def test_decoded_scenes_obey_contact_and_support(scene):
    track, rules, free = scene
    unstabilise = jax.tree.map(lambda leaf: leaf + 0.3 * np.random.default_rng(0).standard_normal(leaf.shape), free)
    for on_anchor in (False, True):
        fitted = jax.jit(decode)(unstabilise, track, rules, jnp.asarray(on_anchor))
        np.testing.assert_allclose(
            (fitted.position[:, HAND] - fitted.position[:, MOVED])[track.touching], 0.0, atol=1e-6
        )
        bottom = fitted.position[:, MOVED, 2] - fitted.half_extents[MOVED, 2]
        support = 2 * fitted.half_extents[ANCHOR, 2] if on_anchor else 0.0
        np.testing.assert_allclose(bottom[18:], support, atol=1e-5)
        np.testing.assert_allclose(bottom[:6], 0.0, atol=1e-5)


def test_boxes_of_the_scene_itself_cost_nothing_and_shifted_ones_do(scene):
    track, rules, free = scene
    free = free.replace(hand_reach=jnp.asarray(-20.0))
    fitted = jax.jit(decode)(free, track, rules, jnp.asarray(False))
    own = np.asarray(jax.jit(hard_boxes)(fitted.half_extents, fitted.position, fitted.wxyz, fitted.camera))
    inside = track.replace(boxes=own)
    assert terms_of(free, inside, rules)["boxes"] < 0.3
    moved = track.replace(boxes=own + np.array([8.0, 0.0, 8.0, 0.0], np.float32))
    assert terms_of(free, moved, rules)["boxes"] > 10.0


BREAKING = {
    "hand_acceleration": {"hand_position": 1.0},
    "moved_acceleration": {"moved_xy": 1.0},
    "hand_turning": {"hand_azimuth": 1.0},
    "hand_turned": {"hand_azimuth": 1.0},
    "moved_turning": {"moved_yaw": 1.0},
    "moved_posture": {"moved_yaw": 1.0},
}


@pytest.mark.parametrize("name", BREAKING)
def test_jerky_motion_is_dearer(scene, name):
    track, rules, free = scene
    jerk = np.random.default_rng(1)
    broken = {
        field: getattr(free, field) + size * jerk.standard_normal(getattr(free, field).shape)
        for field, size in BREAKING[name].items()
    }
    before, after = terms_of(free, track, rules)[name], terms_of(free.replace(**broken), track, rules)[name]
    assert after > before + 0.1


@pytest.mark.parametrize("name", ["sizes", "depth", "camera", "hand_size", "carried", "penetration"])
def test_the_unusual_is_dearer(scene, name):
    track, rules, free = scene
    values = from_free(free, FRAMES)
    odd = {
        "sizes": {"half_extents": free.half_extents + 3.0},
        "depth": {"half_extents": free.half_extents + np.array([0.0, 2.0, 0.0])},
        "camera": {"elevation": free.elevation - 3.0},
        "hand_size": {"half_extents": free.half_extents - 2.0},
        "carried": {"moved_lift": free.moved_lift + 1.0},
        "penetration": {"anchor_xy": parameters.BIJECTIONS.anchor_xy.inverse(values.moved_xy[-1])},
    }[name]
    assert terms_of(free.replace(**odd), track, rules)[name] > terms_of(free, track, rules)[name] + 0.05


def test_what_ends_on_an_anchor_is_dearer_beside_it_and_only_by_its_support(scene):
    track, rules, free = scene
    there = free.replace(anchor_xy=parameters.BIJECTIONS.anchor_xy.inverse(from_free(free, FRAMES).moved_xy[-1]))
    on, beside = (terms_of(one, track, rules, True)["support"] for one in (there, free))
    assert on < 0.1 and beside > on + 1.0
    assert terms_of(free, track, rules, False)["support"] == 0.0


def test_a_hand_below_the_table_is_dearer(scene):
    track, rules, free = scene
    # What points down has its forearm above the table, what points up has it below.
    turned = [free.replace(hand_elevation=jnp.full_like(free.hand_elevation, turn)) for turn in (4.0, -4.0)]
    down, up = (terms_of(one, track, rules)["hand_above_table"] for one in turned)
    assert up > down + 1.0


def test_what_is_never_seen_costs_nothing(scene):
    track, rules, free = scene
    unseen = terms_of(free, track.replace(seen=np.zeros_like(track.seen)), rules)
    assert unseen["boxes"] == 0.0 and np.isfinite(total(unseen))


@pytest.mark.parametrize("name", vars(Scales()))
def test_every_scale_is_the_unit_of_something(scene, name):
    """Ten times as much tolerance makes a scene that is wrong in everything cheaper; masks have a test of their own."""
    track, rules, free = scene
    if name == "mask_fraction":
        pytest.skip("of the silhouettes alone")
    noise = np.random.default_rng(3)
    wrong = jax.tree.map(lambda leaf: leaf + 0.7 * noise.standard_normal(np.shape(leaf)).astype(np.float32), free)
    value = getattr(Scales(), name)
    wider = (*value[:-1], 10.0 * value[-1]) if isinstance(value, tuple) else 10.0 * value
    losses = []
    for scales in (Scales(), replace(Scales(), **{name: wider})):
        decoded = decode(wrong, track, rules, jnp.asarray(True))
        terms = loss_terms(decoded, from_free(wrong, FRAMES), track, rules, jnp.asarray(True), scales)
        losses.append(float(total(terms)))
    assert (losses[1] > losses[0]) if name == "robust" else (losses[1] < losses[0])


def test_huber_by_hand():
    np.testing.assert_allclose(huber(jnp.asarray([0.0, 1.0, -3.0, 5.0]), 3.0), [0.0, 1.0, 9.0, 21.0])


def test_cut_sides_and_holes_by_hand():
    cut = cut_sides(
        jnp.asarray([[0.0, 50, 100, 239.0], [15, 15, 427, 100]]), jnp.asarray([True, True]), jnp.asarray(SIZE)
    )
    assert cut.tolist() == [[True, False, False, True], [False, False, True, False]]
    values = jnp.asarray([9.0, 1.0, 9.0, 3.0, 9.0])
    known = jnp.asarray([False, True, False, True, False])
    np.testing.assert_allclose(fill(values, known), [1, 1, 2, 3, 3])


def test_boxes_of_masks_and_the_mask_term_by_hand():
    masks = np.zeros((2, 2, 24, 40), np.float32)
    masks[0, 1, 5:10, 8:20] = 1.0
    yes = np.ones(2, bool)
    track = MaskTrack(masks, np.ones((2, 2), bool), yes, yes, yes, np.float32(0.1), np.array([400.0, 240.0]))
    boxes = boxes_of_masks(track)
    np.testing.assert_allclose(boxes.boxes[0, 1], [80, 50, 200, 100])
    assert boxes.seen.tolist() == [[False, True], [False, False]]
    assert mask_term(jnp.asarray(masks), jnp.asarray(masks), jnp.asarray(boxes.seen)) == 0.0
    np.testing.assert_allclose(mask_term(jnp.zeros_like(masks), jnp.asarray(masks), jnp.asarray(boxes.seen)), 1.0)
    assert prepare_masks(track, 4, 3, 20).shape == (4, 3, 12, 20)
    np.testing.assert_allclose(prepare_masks(track, 4, 3, 20).sum(), masks.sum() / 4)
