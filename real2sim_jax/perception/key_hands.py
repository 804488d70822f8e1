"""A hand in the frame to start from: where it is, so that it is no thing and what is behind it stays unknown."""

from collections.abc import Sequence

import cv2
import numpy as np

from real2sim_jax.perception.colours import ANY_COLOUR
from real2sim_jax.perception.cutting import Cutter, cut_box
from real2sim_jax.perception.keyframes import HandHints
from real2sim_jax.perception.looks import FIRST_OBJECT, HAND_LABEL, SCENE
from real2sim_jax.perception.prompts import Prompt
from real2sim_jax.perception.scene import Clip, numbered_parts
from real2sim_jax.perception.things import MOST_OF_IMAGE, Things

RIM_PX = 3
"""Things end this far from a hand: what stands out there is its rim and shadow."""
LEAST_WIDTH_PX = 5
"""What is left of a thing beside a hand is at least so wide."""
ROUNDS = 3


def hand_at(
    clip: Clip, t: int, hints: HandHints, prompts: Sequence[Prompt], cutter: Cutter | None
) -> np.ndarray | None:
    """Return the hand and its arm (H, W) bool in a frame: what the user drew boxes around, or what landmarks show.

    None where there is no hand that reaches the border.
    """
    boxes = [prompt.box for prompt in prompts if prompt.role == "hand" and prompt.frame == t]
    if boxes:
        return np.any([cut_box(clip.frames[t], box, cutter, network=False) for box in boxes], axis=0)
    if t not in hints.seeds:
        return None
    return _with_arm(clip, t, hints.seeds[t].mask(clip.shape), hints.colours.density(clip.labs[t]) > 2.0 * ANY_COLOUR)


def put_hand(things: Things, hand: np.ndarray) -> None:
    """Mark a hand (H, W) bool among the things; what it covers, and slivers beside it, are things no more."""
    near = cv2.dilate(hand.astype(np.uint8), np.ones((2 * RIM_PX + 1,) * 2, np.uint8)) > 0
    square = np.ones((LEAST_WIDTH_PX,) * 2, np.uint8)
    for label in range(FIRST_OBJECT, things.count):
        mask = things.labels == label
        if (mask & near).any():
            things.labels[mask] = SCENE
            things.labels[cv2.morphologyEx((mask & ~near).astype(np.uint8), cv2.MORPH_OPEN, square) > 0] = label
    things.labels[hand] = HAND_LABEL


def _with_arm(clip: Clip, t: int, seed: np.ndarray, skin: np.ndarray) -> np.ndarray | None:
    """What belongs to a part (H, W) bool of a hand: GrabCut (Rother et al., 2004) from it and what looks like skin."""
    if not seed.any():
        return None
    state = np.where(skin, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    state[seed] = cv2.GC_FGD
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    pixels = np.ascontiguousarray(clip.frames[t][..., ::-1])
    cv2.grabCut(pixels, state, None, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    parts, _ = numbered_parts((state == cv2.GC_FGD) | (state == cv2.GC_PR_FGD))
    found = np.isin(parts, np.unique(parts[seed])) & (parts > 0)
    edge = np.concatenate([found[0], found[-1], found[:, 0], found[:, -1]])
    return found if edge.any() and found.mean() < MOST_OF_IMAGE else None
