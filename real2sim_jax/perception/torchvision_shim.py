"""The four functions that segment-anything takes from torchvision, for machines that have torch alone.

Builds of torchvision belong to one build of torch each, and there are machines for which only the latter can be had.
The functions take and return what torchvision's of the same names do, as far as segment-anything uses them.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

MODULES = (
    "torchvision",
    "torchvision.ops",
    "torchvision.ops.boxes",
    "torchvision.transforms",
    "torchvision.transforms.functional",
)


@contextmanager
def torchvision_or_shim() -> Iterator[None]:
    """Let torchvision be imported inside, from here where it is not installed; nothing of it is left behind."""
    if find_spec("torchvision") is not None:
        yield
        return
    modules = {name: ModuleType(name) for name in MODULES}
    for function in (batched_nms, box_area):
        setattr(modules["torchvision.ops.boxes"], function.__name__, function)
    for function in (resize, to_pil_image):
        setattr(modules["torchvision.transforms.functional"], function.__name__, function)
    sys.modules.update(modules)
    try:
        yield
    finally:
        # Other packages ask whether torchvision is there, and must not find this.
        for name in MODULES:
            sys.modules.pop(name, None)


def to_pil_image(picture: np.ndarray) -> Image.Image:
    """Return an array (H, W, 3) or (H, W) uint8 as a picture."""
    return Image.fromarray(np.ascontiguousarray(picture))


def resize(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return a picture of another size, height first, px."""
    return picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)


def box_area(boxes: Any) -> Any:
    """Return the areas (N,) of a tensor of boxes (N, 4), x1 y1 x2 y2."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def batched_nms(boxes: Any, scores: Any, idxs: Any, iou_threshold: float) -> Any:
    """Return the places (K,) of the boxes (N, 4) that no better one of the same category covers, best first.

    A box is covered where their IoU is above `iou_threshold`. scores, idxs (N,): how good, and the category.
    """
    left = scores.argsort(descending=True)
    kept = []
    while len(left):
        best, others = left[:1], left[1:]
        kept.append(best)
        covered = (_iou(boxes[best], boxes[others]) > iou_threshold) & (idxs[others] == idxs[best])
        left = others[~covered]
    return left.new_tensor([int(place) for place in kept])


def _iou(box: Any, boxes: Any) -> Any:
    low, high = boxes[:, :2].maximum(box[:, :2]), boxes[:, 2:].minimum(box[:, 2:])
    common = (high - low).clamp(min=0).prod(dim=1)
    return common / (box_area(box) + box_area(boxes) - common)
