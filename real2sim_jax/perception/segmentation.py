"""From the frames of a video to labels of hand, moved object and anchor: one interface, several segmenters."""

from collections.abc import Sequence
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, get_args

from real2sim_jax.config.tree import SegmenterName
from real2sim_jax.core.errors import UserError
from real2sim_jax.perception import weights
from real2sim_jax.perception.auto import auto_labels, box_labels
from real2sim_jax.perception.model_labels import model_labels
from real2sim_jax.perception.promptable import MobileSam, PromptableModel
from real2sim_jax.perception.prompts import Prompt
from real2sim_jax.perception.sam import load_sam
from real2sim_jax.perception.things import Found, Progress
from real2sim_jax.perception.video import Video


class Segmenter(Protocol):
    """Anything that turns a video into labels."""

    def __call__(self, video: Video, prompts: Sequence[Prompt], progress: Progress) -> Found:
        """Return the labels, the camera's drift and the reasons; UserError in one line where it cannot."""
        ...


SEGMENTERS = get_args(SegmenterName)


def chosen_segmenter(name: str | None, checkpoint: Path | None = None) -> str:
    """Return the name of the segmenter that the user asks for, or of the best that is installed."""
    return name or ("sam" if checkpoint or sam_installed() else "auto")


def sam_installed() -> bool:
    """Whether MobileSAM can be used: its weights and onnxruntime are there."""
    return weights.installed() and find_spec("onnxruntime") is not None


def segmenter_named(name: str, checkpoint: Path | None = None, keep: Path | None = None) -> Segmenter:
    """Return a segmenter; UserError names those that there are, or says why a model cannot be used.

    keep: folder in which sam keeps its embeddings for later runs.
    """
    if name not in SEGMENTERS:
        raise UserError(f"--segmenter {name}: expected one of {', '.join(SEGMENTERS)}")
    if checkpoint is not None and name != "sam":
        raise UserError(f"--segmenter {name}: --checkpoint belongs to sam alone")
    if name == "sam":
        return partial(model_labels, model=promptable_model(checkpoint), keep=keep)
    return auto_labels if name == "auto" else box_labels


@cache
def promptable_model(checkpoint: Path | None = None) -> PromptableModel:
    """Return MobileSAM, or the model of a checkpoint; UserError where it cannot be used."""
    if checkpoint:
        return load_sam(checkpoint)
    if not weights.installed():
        raise UserError("--segmenter sam: its weights are missing; get them with: real2sim weights")
    return MobileSam(*(weights.folder() / name for name in weights.HASHES))
