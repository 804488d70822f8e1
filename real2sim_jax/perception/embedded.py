"""A steadied clip whose frames a promptable model has embedded: cuts by points and boxes, and flow between frames."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from real2sim_jax.core.storage import replacing
from real2sim_jax.perception.masks import flowed
from real2sim_jax.perception.promptable import CORNER_HIGH, CORNER_LOW, INSIDE, OUTSIDE, Cut, PromptableModel
from real2sim_jax.perception.scene import Clip

NO_POINTS = np.zeros((0, 2))


class EmbeddedClip:
    """Frames, their embeddings, and the model that they belong to."""

    def __init__(self, clip: Clip, embeddings: np.ndarray, model: PromptableModel):
        self.clip, self.embeddings, self.model = clip, embeddings, model
        self._dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._flows: dict[tuple[int, int], np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.clip.frames)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.clip.shape

    def cut(
        self,
        t: int,
        inside: np.ndarray = NO_POINTS,
        outside: np.ndarray = NO_POINTS,
        box: np.ndarray | None = None,
    ) -> Cut:
        """Return what a frame shows at points (N, 2) px inside, but not outside, and within a box (4,) px."""
        corners = NO_POINTS if box is None else np.asarray(box, float).reshape(2, 2)
        points = np.concatenate([np.reshape(inside, (-1, 2)), np.reshape(outside, (-1, 2)), corners])
        kinds = [INSIDE] * len(inside) + [OUTSIDE] * len(outside) + [CORNER_LOW, CORNER_HIGH][: len(corners)]
        found = self.model.cut(self.embeddings[t], self.shape, points, kinds)
        # Beyond the border of a steadied frame there is nothing.
        return found._replace(mask=found.mask & self.clip.shown[t])

    def carried(self, mask: np.ndarray, before: int, t: int) -> np.ndarray:
        """Return where flow takes a mask (H, W) bool of one frame in another."""
        return flowed(mask.astype(np.float32), self.flow(before, t).astype(np.float32)) > 0.5

    def flow(self, before: int, t: int) -> np.ndarray:
        """Return from where in one frame dense flow (DIS, Kroeger et al., 2016) says another's pixels come.

        (H, W, 2) px float16; kept, because each thing is asked about the same frames.
        """
        if (before, t) not in self._flows:
            found = self._dis.calc(self.clip.greys[t], self.clip.greys[before], None)
            self._flows[before, t] = found.astype(np.float16)
        return self._flows[before, t]


def embedded(clip: Clip, model: PromptableModel, keep: Path | None, progress: Callable[[float], None]) -> EmbeddedClip:
    """Embed a clip's frames, or read the embeddings of an earlier run from the folder `keep`."""
    path = keep / f"{_name(clip, model)}.npy" if keep else None
    if path is not None and (kept := _read(path, len(clip.frames))) is not None:
        return EmbeddedClip(clip, kept, model)
    found = []
    for t, frame in enumerate(clip.frames):
        found.append(model.embed(frame))
        progress((t + 1) / len(clip.frames))
    embeddings = np.stack(found)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, embeddings)
    return EmbeddedClip(clip, embeddings, model)


def _name(clip: Clip, model: PromptableModel) -> str:
    """A file name that another clip or model does not share."""
    return hashlib.sha256(model.identity.encode() + np.ascontiguousarray(clip.frames).tobytes()).hexdigest()[:24]


def _read(path: Path, frames: int) -> np.ndarray | None:
    """Embeddings of an earlier run, read as they are asked for; None where there are none, or a damaged file."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return None
    return found if found.ndim == 4 and len(found) == frames else None
