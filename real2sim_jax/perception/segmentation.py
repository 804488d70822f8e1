"""From the frames of a video to masks of hand, moved object and anchor: one interface, several ways.

A segmenter is called with a video, the user's prompts and a progress callback. `SEGMENTERS` names those that there are.
"""

from collections.abc import Sequence
from typing import Protocol

from real2sim_jax.errors import UserError
from real2sim_jax.perception.auto import auto_labels, box_labels
from real2sim_jax.perception.prompts import Prompt
from real2sim_jax.perception.things import Found, Progress
from real2sim_jax.perception.video import Video


class Segmenter(Protocol):
    """Anything that turns a video into labels; UserError in one line where it cannot."""

    def __call__(self, video: Video, prompts: Sequence[Prompt], progress: Progress) -> Found:
        """Return the labels, the camera's drift and the reasons."""
        ...


SEGMENTERS: dict[str, Segmenter] = {"auto": auto_labels, "boxes": box_labels}


def segmenter_named(name: str) -> Segmenter:
    """Return a segmenter; UserError names those that there are."""
    if name not in SEGMENTERS:
        raise UserError(f"--segmenter {name}: expected one of {', '.join(SEGMENTERS)}")
    return SEGMENTERS[name]
