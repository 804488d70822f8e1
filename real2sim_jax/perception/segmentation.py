"""From the frames of a video to labels of hand, moved object and anchor: one interface, several ways behind it."""

from collections.abc import Sequence
from typing import Protocol

from real2sim_jax.errors import UserError
from real2sim_jax.perception.auto import auto_labels, box_labels
from real2sim_jax.perception.prompts import Prompt
from real2sim_jax.perception.things import Found, Progress
from real2sim_jax.perception.video import Video


class Segmenter(Protocol):
    """Anything that turns a video into labels."""

    def __call__(self, video: Video, prompts: Sequence[Prompt], progress: Progress) -> Found:
        """Return the labels, the camera's drift and the reasons; UserError in one line where it cannot."""
        ...


SEGMENTERS: dict[str, Segmenter] = {"auto": auto_labels, "boxes": box_labels}


def segmenter_named(name: str) -> Segmenter:
    """Return a segmenter; UserError names those that there are."""
    if name not in SEGMENTERS:
        raise UserError(f"--segmenter {name}: expected one of {', '.join(SEGMENTERS)}")
    return SEGMENTERS[name]
