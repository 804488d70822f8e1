"""What the labels of a scene look like: colours, and still pictures of what rests."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from real2sim_jax.perception.colours import ANY_COLOUR, BackgroundModel, ColourModel
from real2sim_jax.perception.scene import Clip, background_model, changed

SCENE, HAND_LABEL, FIRST_OBJECT = 0, 1, 2
"""Labels of pixels: the background, the hand, and from 2 on the objects."""
UNEXPLAINED = 1e-3
"""Share of its colours that the background keeps where a still picture shows it, but not this pixel's colour."""
HIDDEN_SCENE = 0.3
"""The same where no still picture shows the background."""
NOVEL_SHARE = 0.3
"""Share of the hand's colours that are any: sleeves, rings, shadows between fingers."""
HAND_SAMPLES = 400
"""Pixels by which a frame adds to what is known of the hand."""
MAX_SAMPLES = 20000


@dataclass
class AppearanceModel:
    """What the labels of a scene look like."""

    models: list[ColourModel]
    """Colours by label."""
    plates: list[tuple[BackgroundModel, np.ndarray]] = field(default_factory=list)
    """Still pictures and the label (H, W) of each of their pixels."""
    hand_samples: list[np.ndarray] = field(default_factory=list)

    def learn_hand(self, lab: np.ndarray, hand: np.ndarray) -> None:
        """Add what a frame (H, W, 3) Lab shows of the hand (H, W) bool to what is known of its colours."""
        inner = cv2.erode(hand.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        if inner.sum() > HAND_SAMPLES:
            self.hand_samples.append(lab[inner][:: max(1, int(inner.sum()) // HAND_SAMPLES)])
            self.models[HAND_LABEL] = ColourModel.of(np.concatenate(self.hand_samples))

    def densities(self, lab: np.ndarray) -> np.ndarray:
        """Return the density (L, H, W) of an image's colours under each label."""
        found = np.stack([model.density(lab) for model in self.models])
        known = np.any([plate.known & (labels == SCENE) for plate, labels in self.plates], axis=0)
        found[SCENE] = (found[SCENE] + ANY_COLOUR) * np.where(known, UNEXPLAINED, HIDDEN_SCENE)
        found[HAND_LABEL] = (1.0 - NOVEL_SHARE) * found[HAND_LABEL] + NOVEL_SHARE * ANY_COLOUR
        for plate, labels in self.plates:
            shown = plate.density(lab)
            for label in np.unique(labels):
                found[label] = np.maximum(found[label], np.where(labels == label, shown, 0.0))
        return found


def first_appearance(
    clip: Clip, key: int, labels: np.ndarray, count: int, hands: Mapping[int, np.ndarray]
) -> AppearanceModel:
    """Return what the key frame with its labels (H, W) < count tells, and skin.

    hands: masks (H, W) bool of where a hand is, by frame; skin in general where there is none.
    """
    lab, plate = clip.labs[key], clip.plate(key)
    models = [ColourModel.of(lab[labels == label]) for label in range(count)]
    models[HAND_LABEL] = ColourModel.skin()
    appearance = AppearanceModel(models, [(plate, labels.copy())])
    appearance.learn_hand(lab, labels == HAND_LABEL)
    for t, mask in hands.items():
        appearance.learn_hand(clip.labs[t], mask & changed(clip, plate, t))
    return appearance


def second_appearance(
    clip: Clip, key: int, labels: np.ndarray, count: int, tracked: np.ndarray, first: AppearanceModel
) -> AppearanceModel:
    """Return the same with colours from all frames as tracked (T, H, W), and the background behind the things."""
    models = []
    for label in range(count):
        pixels = _inner_pixels(clip, tracked == label)
        if len(pixels):
            models.append(ColourModel.of(pixels))
        else:
            # A thing that the first round did not know yet, or a hand that it did not see.
            new = ColourModel.of(clip.labs[key][labels == label])
            models.append(first.models[label] if label < len(first.models) else new)
    plate, nothing = first.plates[0][0], np.zeros(clip.shape, np.uint8)
    plates = [(plate, labels.copy()), (background_model(clip, tracked, plate.noise), nothing)]
    return AppearanceModel(models, plates, first.hand_samples)


def _inner_pixels(clip: Clip, masks: np.ndarray) -> np.ndarray:
    """Lab pixels (N, 3) inside of masks (T, H, W), at most MOST_SAMPLES: rims are mixed with what is beside."""
    square = np.ones((3, 3), np.uint8)
    inner = np.stack([cv2.erode(mask.astype(np.uint8), square) > 0 for mask in masks])
    places = np.flatnonzero(inner)
    return clip.labs.reshape(-1, 3)[places[:: max(1, len(places) // MAX_SAMPLES)]]
