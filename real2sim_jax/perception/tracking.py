"""From the labels of one hand-free key frame to those of all frames.

A Bayesian filter over pixels: the labels of the frame before, carried on by dense flow (DIS, Kroeger et al., 2016), are
the prior; how well a pixel's colour fits what a label looks like is the likelihood. What rests is known pixel by
pixel from still pictures, what moves by its colours; what nothing explains is the hand or its sleeve.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import cv2
import numpy as np

from real2sim_jax.perception.appearance import FIRST_OBJECT, HAND_LABEL, SCENE, AppearanceModel
from real2sim_jax.perception.masks import edge_of, flowed
from real2sim_jax.perception.scene import Clip, numbered_parts

APPEARS = 0.02
"""Prior of a label that was not here before and may have come."""
JUMPS = 1e-7
"""Prior of an object where neither flow nor its neighbourhood leads."""
REACH, MIN_REACH_PX = 0.4, 4.0
"""How far an object may jump from frame to frame: deviation over the root of its area, and at least."""
MIN_FOUND = 0.3
"""What is found again is at least this share of the object."""
EDGE_PX = 2
"""A hand that comes this near to the border reaches it."""
LOSERS = 0.1
"""What is left to the labels that a pixel has not got, when it is carried on."""
TEMPER = 0.7
"""Exponent of the likelihoods: neighbouring pixels do not tell independently."""
HOLE_SHARE = 0.05
"""A hole in a hand of less than this share of it is filled."""
Pins = Mapping[int, Sequence[tuple[int, np.ndarray]]]
"""By frame: labels and where (H, W) bool they are."""
MIN_AREA = 0.002
"""A hand of less than this share of the image is none."""


def track_labels(
    clip: Clip,
    key: int,
    key_labels: np.ndarray,
    appearance: AppearanceModel,
    progress: Callable[[], None] = lambda: None,
    pins: Pins | None = None,
) -> np.ndarray:
    """Return labels (T, H, W) uint8 of all frames, found from those (H, W) of the key frame in both directions.

    pins: what is known of other frames; tracking goes on from there.
    """
    labels = np.zeros(clip.greys.shape, np.uint8)
    labels[key] = key_labels
    for order in (range(key + 1, len(labels)), range(key - 1, -1, -1)):
        for t, found in _carried(clip, key, order, appearance, key_labels, pins or {}):
            labels[t] = found
            progress()
    return labels


def _carried(
    clip: Clip, key: int, order: Sequence[int], appearance: AppearanceModel, key_labels: np.ndarray, pins: Pins
) -> Iterator[tuple[int, np.ndarray]]:
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    posterior = np.stack([key_labels == label for label in range(len(appearance.models))]).astype(np.float32)
    homes = np.bincount(key_labels.ravel(), minlength=len(appearance.models))
    before = key
    for t in order:
        moved = flow.calc(clip.greys[t], clip.greys[before], None)
        prior = _prior(np.stack([flowed(layer, moved, cv2.BORDER_REPLICATE) for layer in posterior]), key_labels)
        score = np.log(prior) + TEMPER * np.log(appearance.densities(clip.labs[t]))
        posterior = _smoothed(_softmax(score), clip.greys[t])
        posterior[1:, ~clip.shown[t]] = 0.0
        found = _whole(posterior, prior, clip.shown[t], homes)
        for label, mask in pins.get(t, ()):
            found = np.where(mask, label, np.where(found == label, SCENE, found)).astype(np.uint8)
            posterior[:, mask] = 1.0
        posterior *= np.where(np.arange(len(posterior))[:, None, None] == found, 1.0, LOSERS)
        posterior /= posterior.sum(axis=0) + 1e-9
        appearance.learn_hand(clip.labs[t], found == HAND_LABEL)
        before = t
        yield t, found


def _prior(warped: np.ndarray, key_labels: np.ndarray) -> np.ndarray:
    """Blur what flow carried on, and let labels come where they may: objects near to where they were."""
    prior = np.stack([cv2.GaussianBlur(layer, (0, 0), 1.5) for layer in warped])
    prior[SCENE] += APPEARS
    prior[HAND_LABEL] += APPEARS
    for label in range(FIRST_OBJECT, len(prior)):
        reach = max(MIN_REACH_PX, REACH * np.sqrt((key_labels == label).sum()))
        near = cv2.GaussianBlur(warped[label], (0, 0), reach)
        prior[label] += JUMPS + APPEARS * np.minimum(1.0, 4.0 * near)
    return prior / prior.sum(axis=0)


def _softmax(score: np.ndarray) -> np.ndarray:
    likely = np.exp(score - score.max(axis=0))
    return (likely / likely.sum(axis=0)).astype(np.float32)


def _smoothed(posterior: np.ndarray, grey: np.ndarray, radius: int = 3, eps: float = 1e-3) -> np.ndarray:
    """The guided filter of each layer (He et al., ECCV 2010): smooth but for the edges of the picture."""
    guide, side = grey.astype(np.float32) / 255.0, (2 * radius + 1, 2 * radius + 1)
    mean = cv2.blur(guide, side)
    variance = cv2.blur(guide * guide, side) - mean * mean
    layers = []
    for layer in posterior:
        middle = cv2.blur(layer, side)
        slope = (cv2.blur(guide * layer, side) - mean * middle) / (variance + eps)
        layers.append(cv2.blur(slope, side) * guide + cv2.blur(middle - slope * mean, side))
    kept = np.clip(np.stack(layers), 0.0, 1.0)
    return kept / np.maximum(kept.sum(axis=0), 1e-6)


def _whole(posterior: np.ndarray, prior: np.ndarray, shown: np.ndarray, homes: np.ndarray) -> np.ndarray:
    """The likeliest labels (H, W) without crumbs: a hand reaches the border, an object is where it was."""
    labels = posterior.argmax(axis=0).astype(np.uint8)
    crumbs = np.zeros(labels.shape, bool)
    for label in range(1, len(posterior)):
        mask = labels == label
        keep = _hand_parts(mask, shown) if label == HAND_LABEL else _object_parts(mask, prior[label], homes[label])
        crumb = mask & ~keep
        posterior[label][crumb] = 0.0
        crumbs |= crumb
    # A crumb goes to what is likeliest besides, but it makes no hand that does not reach the border.
    besides = posterior.argmax(axis=0)
    labels = np.where(crumbs, besides, labels).astype(np.uint8)
    stray = (labels == HAND_LABEL) & ~_hand_parts(labels == HAND_LABEL, shown)
    posterior[HAND_LABEL][stray] = 0.0
    return np.where(stray, SCENE, _filled(labels))


def _filled(labels: np.ndarray) -> np.ndarray:
    """Fill small holes of the hand."""
    hand = labels == HAND_LABEL
    parts, areas = numbered_parts(labels == SCENE)
    small = areas < HOLE_SHARE * hand.sum()
    around = cv2.dilate(hand.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    # A hole that touches nothing but the hand has all of its rim inside of the widened hand.
    rim = (labels == SCENE) & (cv2.erode((labels == SCENE).astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    loose = np.bincount(parts[rim & ~around], minlength=len(areas)) > 0
    small[0] = False
    return np.where((small & ~loose)[parts], HAND_LABEL, labels)


def _hand_parts(mask: np.ndarray, shown: np.ndarray) -> np.ndarray:
    # What the drifting camera did not see is outside of the picture.
    edge = edge_of(shown, EDGE_PX)
    parts, areas = numbered_parts(mask)
    keep = (areas > MIN_AREA * mask.size) & (np.bincount(parts[edge], minlength=len(areas)) > 0)
    keep[0] = False
    return keep[parts]


def _object_parts(mask: np.ndarray, prior: np.ndarray, home: int) -> np.ndarray:
    """The parts that are where the object was, or a large one near to it when none is: flow loses what is fast."""
    parts, areas = numbered_parts(mask)
    expected = np.bincount(parts.ravel(), prior.ravel(), len(areas)) / np.maximum(areas, 1)
    keep = (expected > 0.3) | ((expected > 0.02) & (areas > 0.1 * areas[1:].max(initial=0)))
    keep[0] = False
    if areas[keep].sum() < MIN_FOUND * home:
        keep |= (expected > 10.0 * JUMPS) & (areas > MIN_FOUND * home)
        keep[0] = False
    return keep[parts]
