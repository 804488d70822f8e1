"""Films of made-up scenes show what their truth says, and are films that the segmenters can work with."""

import numpy as np
import pytest

from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.data.types import HAND, MOVED
from real2sim_jax.perception.saliency import weights_path
from real2sim_jax.perception.segmentation import segmenter_named
from real2sim_jax.perception.video import Video
from real2sim_jax.synthetic.films import COLOURS, NOISE, TABLE, as_filmed, film_of
from real2sim_jax.synthetic.scenes import observe_masks, synthetic_scenes

pytestmark = pytest.mark.long

WIDTH = 320


@pytest.fixture(scope="module")
def scene():
    return as_filmed(synthetic_scenes(ACTIONS["push_left_to_right"], 1, 0)[0])


@pytest.fixture(scope="module")
def frames(scene):
    return film_of(scene, 0, WIDTH)


@pytest.fixture(scope="module")
def masks(scene):
    return np.asarray(observe_masks(scene, WIDTH).masks) > 0.5


def hue(colours):
    """The direction of colours (..., 3) away from grey: lamps and textures do not change it much."""
    apart = np.asarray(colours, float) / np.sum(colours, axis=-1, keepdims=True) - 1.0 / 3.0
    return apart / np.linalg.norm(apart, axis=-1, keepdims=True)


def test_each_body_and_the_table_have_their_colours_where_they_are(frames, masks):
    assert frames.shape == (masks.shape[0], masks.shape[2], WIDTH, 3) and frames.dtype == np.uint8
    places = {HAND: masks[:, HAND], MOVED: masks[:, MOVED], -1: ~masks.any(axis=1)}
    for body, place in places.items():
        colour = TABLE if body < 0 else COLOURS[body]
        assert np.mean(hue(frames[place]) @ hue(colour) > 0.9) > 0.97, body


def test_what_rests_looks_the_same_but_for_the_sensor(frames, masks):
    still = ~masks.any(axis=(0, 1))
    change = frames[-1][still].astype(float) - frames[0][still]
    assert 0.8 * NOISE < change.std() / np.sqrt(2.0) < 1.2 * NOISE


def test_the_same_seed_gives_the_same_film(scene, frames):
    np.testing.assert_array_equal(film_of(scene, 0, WIDTH), frames)
    assert np.abs(film_of(scene, 1, WIDTH).astype(int) - frames).mean() > 2.0


def test_the_hand_is_out_of_view_at_the_ends_and_as_it_was_while_it_touches(scene, masks):
    original = synthetic_scenes(ACTIONS["push_left_to_right"], 1, 0)[0]
    touching = np.asarray(scene.touching)
    np.testing.assert_allclose(scene.position[touching], original.position[touching], atol=1e-6)
    assert not masks[[0, -1], HAND].any() and masks[touching][:, HAND].any(axis=(1, 2)).all()
    # The forearm reaches the border.
    edge = np.concatenate(
        [masks[touching, HAND][:, [0, -1]].any(axis=1), masks[touching, HAND][:, :, [0, -1]].any(2)], 1
    )
    assert edge.any(axis=1).all()


@pytest.mark.skipif(weights_path() is None, reason="U2-Net-p is not installed")
def test_the_segmenter_finds_the_bodies(frames, masks):
    video = Video(frames, 1 / 12, (WIDTH, frames.shape[1]))
    found = segmenter_named("auto")(video, (), lambda done, text: None)
    for body in (HAND, MOVED):
        shown = found.labels == body + 1
        assert (shown & masks[:, body]).sum() / (shown | masks[:, body]).sum() > 0.85
