"""A hand in the frame to start from: where it is, so that it is no thing and what is behind it stays unknown."""

from collections.abc import Sequence

import cv2
import numpy as np

from real2sim_jax.perception.appearance import FIRST_OBJECT, HAND_LABEL, SCENE
from real2sim_jax.perception.prompts import Prompt
from real2sim_jax.perception.scene import Clip
from real2sim_jax.perception.things import ObjectLabels, cut_out

RIM_PX = 3
"""Things end this far from a hand: what stands out there is its rim and shadow."""
MIN_WIDTH_PX = 5
"""What is left of a thing beside a hand is at least so wide."""


def hand_at(clip: Clip, t: int, prompts: Sequence[Prompt]) -> np.ndarray | None:
    """Return the hand (H, W) bool that the user drew boxes around in a frame, None where there is no such box."""
    boxes = [prompt.box for prompt in prompts if prompt.role == "hand" and prompt.frame == t]
    return np.any([cut_out(clip.frames[t], box, use_network=False) for box in boxes], axis=0) if boxes else None


def put_hand(things: ObjectLabels, hand: np.ndarray) -> None:
    """Mark a hand (H, W) bool among the things; what it covers, and slivers beside it, are things no more."""
    near = cv2.dilate(hand.astype(np.uint8), np.ones((2 * RIM_PX + 1,) * 2, np.uint8)) > 0
    square = np.ones((MIN_WIDTH_PX,) * 2, np.uint8)
    for label in range(FIRST_OBJECT, things.count):
        mask = things.labels == label
        if (mask & near).any():
            things.labels[mask] = SCENE
            things.labels[cv2.morphologyEx((mask & ~near).astype(np.uint8), cv2.MORPH_OPEN, square) > 0] = label
    things.labels[hand] = HAND_LABEL
