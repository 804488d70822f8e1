"""From the frames of a video to labels of hand, moved object and anchor: one interface, several segmenters."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, get_args

from real2sim_jax.config.tree import SegmenterName
from real2sim_jax.core.errors import UserError
from real2sim_jax.perception.auto import auto_labels, box_labels
from real2sim_jax.perception.prompts import Prompt
from real2sim_jax.perception.sam import load_cutter
from real2sim_jax.perception.things import Found, Progress
from real2sim_jax.perception.video import Video


class Segmenter(Protocol):
    """Anything that turns a video into labels."""

    def __call__(self, video: Video, prompts: Sequence[Prompt], progress: Progress) -> Found:
        """Return the labels, the camera's drift and the reasons; UserError in one line where it cannot."""
        ...


SEGMENTERS = get_args(SegmenterName)


def segmenter_named(name: str, checkpoint: Path | None = None) -> Segmenter:
    """Return a segmenter; UserError names those that there are, or says why a checkpoint cannot be used."""
    if name not in SEGMENTERS:
        raise UserError(f"--segmenter {name}: expected one of {', '.join(SEGMENTERS)}")
    if (name == "sam") != (checkpoint is not None):
        raise UserError(f"--segmenter {name}: expected --checkpoint FILE with sam alone, got {checkpoint or 'none'}")
    if checkpoint is not None:
        return partial(auto_labels, cutter=load_cutter(checkpoint))
    return auto_labels if name == "auto" else box_labels
