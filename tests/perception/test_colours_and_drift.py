"""The parts below the tracker: densities are densities, still pictures bear shadows, drift is found and undone."""

import cv2
import numpy as np
import pytest

from real2sim_jax.core.errors import UserError
from real2sim_jax.perception.colours import ANY_COLOUR, BINS, STEPS, BackgroundModel, ColourModel, lab_of
from real2sim_jax.perception.drift import drift_of, stabilise, unstabilise
from tests.perception import scenes


@pytest.fixture(scope="module")
def picture():
    return scenes.table().clip(0, 255).astype(np.uint8)


def test_a_colour_model_is_a_density_and_prefers_its_own():
    rng = np.random.default_rng(0)
    blue = np.clip(rng.normal((90, 140, 80), 5, (500, 3)), 0, 255).astype(np.uint8)
    model = ColourModel.of(blue)
    # What is blurred over the edge of colour space is all that is missing; ANY_COLOUR alone sums to 1 in a part of it.
    assert model.table.sum() * np.prod(STEPS) == pytest.approx(0.95 + 0.05 * ANY_COLOUR * 256**3, rel=1e-3)
    own, other = model.density(blue[None]).mean(), model.density(np.full((1, 1, 3), 200, np.uint8)).mean()
    assert own > 1000 * other and ColourModel.of(blue[:3]).table.shape == BINS


def test_skin_is_likelier_as_skin_than_as_anything():
    tones = np.array([[[230, 190, 165], [196, 142, 112], [141, 94, 70]]], np.uint8)
    assert (ColourModel.skin().density(lab_of(tones)) > ANY_COLOUR).all()
    assert (ColourModel.skin().density(lab_of(tones[..., ::-1].copy())) < ANY_COLOUR).all()


def test_a_still_picture_is_known_again_in_other_light_and_in_a_shadow(picture):
    plate = BackgroundModel(lab_of(picture), np.ones(picture.shape[:2], bool))
    again = plate.density(lab_of(picture))
    brighter = plate.density(lab_of((picture * 1.06).clip(0, 255).astype(np.uint8)))
    shaded = picture.copy()
    shaded[60:120, 100:200] = (0.8 * shaded[60:120, 100:200]).astype(np.uint8)
    covered = picture.copy()
    covered[60:120, 100:200] = (60, 90, 190)
    inside = np.s_[65:115, 105:195]
    assert (again > ANY_COLOUR).mean() > 0.99 and (brighter > ANY_COLOUR).mean() > 0.95
    assert (plate.density(lab_of(shaded))[inside] > ANY_COLOUR).mean() > 0.9
    assert (plate.density(lab_of(covered))[inside] < ANY_COLOUR).all()


def test_drift_is_found_beside_a_moving_arm():
    t = np.arange(24)
    way = np.stack([8 * np.sin(t / 6), 5 * (1 - np.cos(t / 5))], axis=1)
    scene = scenes.push(frames=24, pace=0.55, drift=way)
    drift = drift_of(scene.frames)
    np.testing.assert_allclose(relative(drift), -way + way[0], atol=1.5)
    still = stabilise(scene.frames, drift)
    rest = np.s_[:, 20:50, 60:260]
    assert np.abs(still[rest].astype(float) - still[0][rest[1:]]).mean() < 6
    # There and back again, but for the rims that the other camera did not see.
    back = unstabilise(stabilise(scene.labels, drift, cv2.INTER_NEAREST), drift)
    assert (back == scene.labels)[:, 20:-20, 20:-20].mean() > 0.99


def test_a_camera_on_a_stand_does_not_drift():
    scene = scenes.push(frames=12, pace=0.3)
    np.testing.assert_array_equal(drift_of(scene.frames), np.tile(np.eye(2, 3), (12, 1, 1)))


def relative(drift):
    """How far each frame is shifted against the first one, (T, 2) px."""
    return drift[:, :, 2] - drift[0, :, 2]


@pytest.mark.parametrize("back", [False, True], ids=["pan", "pan and return"])
def test_a_pan_by_40_percent_is_followed(back):
    t = np.arange(36) / 36
    shift = -0.4 * scenes.WIDTH * (np.sin(np.pi * t) if back else scenes.smooth(t))
    scene = scenes.push(frames=36, pace=0.8, drift=np.stack([shift, 0 * shift], axis=1))
    drift = drift_of(scene.frames)
    np.testing.assert_allclose(relative(drift)[:, 0], -shift, atol=2.0)
    # As far to one side as to the other, so that what all frames show lies in the picture.
    assert abs(drift[:, 0, 2].max() + drift[:, 0, 2].min()) < 0.1 * scenes.WIDTH


def test_a_camera_that_trembles_for_long_is_followed():
    scene, drawn = scenes.push(frames=60, pace=1.4), []
    # Frames whose corners nearly coincide, turned and shifted by little.
    for t, frame in enumerate(scene.frames):
        matrix = cv2.getRotationMatrix2D((160, 90), 1.5 * np.sin(t / 9), 1.0)
        matrix[:, 2] += 4 * np.sin(t / 7), 3 * np.sin(t / 5)
        drawn.append(cv2.warpAffine(frame, matrix, (scenes.WIDTH, scenes.HEIGHT), borderMode=cv2.BORDER_REPLICATE))
    still = stabilise(np.stack(drawn), drift_of(np.stack(drawn)))
    rest = np.s_[:, 20:50, 60:260]
    assert np.abs(still[rest].astype(float) - still[0][rest[1:]]).mean() < 6


def test_a_camera_that_turns_away_is_refused():
    scene = scenes.push(frames=24, pace=0.3, drift=np.stack([-9.5 * np.arange(24), np.zeros(24)], axis=1))
    with pytest.raises(UserError, match="the camera moves: all frames together show only"):
        drift_of(scene.frames)


def test_a_hand_before_a_plain_wall_is_no_moving_camera():
    # A third of the picture, all of its texture but for a few edges around it.
    hand, rng = scenes.texture((150, 110, 90), 3, 400), np.random.default_rng(0)
    frames = []
    for t in range(30):
        image = np.full((scenes.HEIGHT, scenes.WIDTH, 3), 180.0)
        image[120:], image[30:100, 20:24], image[30:34, 240:300] = 140.0, 90.0, 90.0
        x, y = round(60 + 2 * t + 10 * np.sin(t / 3)), round(60 + 8 * np.sin(t / 5))
        image[y : y + 110, x : x + 150] = hand[: min(110, scenes.HEIGHT - y), :150]
        frames.append(np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8))
    np.testing.assert_array_equal(drift_of(np.stack(frames)), np.tile(np.eye(2, 3), (30, 1, 1)))
