"""What the user says of a video: `moved=x1,y1,x2,y2@frame` and `contact=first-last`, as words or as lines of a file."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from real2sim_jax.core.errors import UserError
from real2sim_jax.core.text import read_text, whole_number
from real2sim_jax.data.limits import LARGEST_SIDE_PX, check_box

ROLES = ("hand", "moved", "anchor", "ignore")
_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"


@dataclass(frozen=True)
class Prompt:
    """A box around a body in one frame."""

    role: str
    """hand, moved, anchor, or ignore: a thing that must not be mistaken for one of these."""
    box: tuple[float, float, float, float]
    """px of the video, x1 y1 x2 y2."""
    frame: int
    """At the model's rate, from 0."""


@dataclass(frozen=True)
class UserHints:
    """All that the user says of a video."""

    prompts: tuple[Prompt, ...] = ()
    contacts: tuple[tuple[int, int], ...] = ()
    """First and last frame of each time in which the hand touches what it moves; found in the masks where empty."""


NO_HINTS = UserHints()


def read_hints(words: Sequence[str]) -> UserHints:
    """Return what words say, in which a file stands for its lines; UserError for one that cannot be read."""
    # A file first: its name may hold a '='.
    hints = [read_hints_file(Path(w)) if os.path.isfile(w) or "=" not in w else parse_hints([w]) for w in words]
    contacts = sorted(span for each in hints for span in each.contacts)
    return UserHints(tuple(prompt for each in hints for prompt in each.prompts), tuple(contacts))


def read_hints_file(path: Path) -> UserHints:
    """Return what a file's lines say, without what follows a '#'; UserError for one that cannot be read."""
    if not os.path.isfile(path):
        raise UserError(
            f"--prompt {str(path)!r}: expected ROLE=x1,y1,x2,y2@FRAME with ROLE one of {', '.join(ROLES)},"
            " contact=FIRST-LAST, or a file of such lines"
        )
    return parse_hints(line.partition("#")[0] for line in read_text(path).splitlines())


def parse_hints(lines: Iterable[str]) -> UserHints:
    """Return what lines say, leaving out blank ones; UserError for one that cannot be read."""
    said = [line.strip() for line in lines if line.strip()]
    of_contact = [text.replace(" ", "").startswith("contact=") for text in said]
    spans = [text for text, contact in zip(said, of_contact, strict=True) if contact]
    boxes = [text for text, contact in zip(said, of_contact, strict=True) if not contact]
    return UserHints(tuple(_parsed(text) for text in boxes), tuple(sorted(_span(text) for text in spans)))


def lines_of(hints: UserHints) -> list[str]:
    """Return hints as lines that `parse_hints` reads, boxes by frame: the first is where tracking starts."""
    boxes = sorted(hints.prompts, key=lambda prompt: (prompt.frame, ROLES.index(prompt.role)))
    # As many digits as the number needs to be the same again, and no exponent.
    number = lambda value: np.format_float_positional(value, trim="-")  # noqa: E731
    lines = [f"{p.role}={','.join(number(value) for value in p.box)}@{p.frame}" for p in boxes]
    return lines + [f"contact={first}-{last}" for first, last in hints.contacts]


def check_hints(hints: UserHints, frames: int, size_px: tuple[int, int]) -> None:
    """UserError where a hint names what a video of so many frames of this size does not show."""
    named = [(f"{prompt.role}: frame", prompt.frame) for prompt in hints.prompts]
    for what, frame in [*named, *(("contact: frame", last) for _, last in hints.contacts)]:
        if frame >= frames:
            raise UserError(f"--prompt {what} {frame}, but the video has {frames} at 12 Hz, counted from 0")
    for prompt in hints.prompts:
        try:
            check_box(prompt.box, size_px)
        except UserError as error:
            raise UserError(f"--prompt {prompt.role}: {error}") from error


def placed(prompt: Prompt, drift: np.ndarray, scale: float) -> Prompt:
    """Return the prompt in the pixels of the steadied frames; UserError where the video has no such frame."""
    if prompt.frame >= len(drift):
        raise UserError(f"--prompt {prompt.role}: frame {prompt.frame}, but the video has {len(drift)} at 12 Hz")
    x1, y1, x2, y2 = (scale * value for value in prompt.box)
    corners = np.array([[x1, y1, 1.0], [x2, y1, 1.0], [x1, y2, 1.0], [x2, y2, 1.0]]) @ drift[prompt.frame].T
    low, high = corners.min(axis=0), corners.max(axis=0)
    return replace(prompt, box=(float(low[0]), float(low[1]), float(high[0]), float(high[1])))


def _parsed(text: str) -> Prompt:
    match = re.fullmatch(rf"(\w+)={_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}@([0-9]+)", text.replace(" ", ""))
    if match is None or match[1] not in ROLES:
        raise UserError(f"--prompt {text!r}: expected ROLE=x1,y1,x2,y2@FRAME with ROLE one of {', '.join(ROLES)}")
    x1, y1, x2, y2 = (float(match[i]) for i in range(2, 6))
    if x2 <= x1 or y2 <= y1:
        raise UserError(f"--prompt {text!r}: expected x1 < x2 and y1 < y2")
    try:
        check_box((x1, y1, x2, y2), (LARGEST_SIDE_PX, LARGEST_SIDE_PX))
        return Prompt(match[1], (x1, y1, x2, y2), whole_number(match[6]))
    except UserError as error:
        raise UserError(f"--prompt {text!r}: {error}") from error


def _span(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"contact=([0-9]{1,9})-([0-9]{1,9})", text.replace(" ", ""))
    if match is None or int(match[1]) > int(match[2]):
        raise UserError(f"--prompt {text!r}: expected contact=FIRST-LAST, frames counted from 0")
    return int(match[1]), int(match[2])
