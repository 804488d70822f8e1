"""What the user says of a video: `moved=x1,y1,x2,y2@frame`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from real2sim_jax.errors import UserError

ROLES = ("hand", "moved", "anchor", "ignore")
_NUMBER = r"(\d+(?:\.\d+)?)"


@dataclass(frozen=True)
class Prompt:
    """A box around a body in one frame."""

    role: str
    """hand, moved, anchor, or ignore: a thing that must not be mistaken for one of these."""
    box: tuple[float, float, float, float]
    """px of the video, x1 y1 x2 y2."""
    frame: int
    """At the model's rate, from 0."""


def parse_prompts(texts: Sequence[str]) -> list[Prompt]:
    """Return the prompts of a command line; UserError for one that cannot be read."""
    return [_parsed(text) for text in texts]


def _parsed(text: str) -> Prompt:
    match = re.fullmatch(rf"(\w+)={_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}@(\d+)", text.replace(" ", ""))
    if match is None or match[1] not in ROLES:
        raise UserError(f"--prompt {text!r}: expected ROLE=x1,y1,x2,y2@FRAME with ROLE one of {', '.join(ROLES)}")
    x1, y1, x2, y2 = (float(match[i]) for i in range(2, 6))
    if x2 <= x1 or y2 <= y1:
        raise UserError(f"--prompt {text!r}: expected x1 < x2 and y1 < y2")
    return Prompt(match[1], (x1, y1, x2, y2), int(match[6]))
