"""What the user says of a video: `moved=x1,y1,x2,y2@frame` and `contact=first-last`, as words or as lines of a file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class Told:
    """All that the user says of a video."""

    prompts: tuple[Prompt, ...] = ()
    contacts: tuple[tuple[int, int], ...] = ()
    """First and last frame of each time in which the hand touches what it moves; found in the masks where empty."""


NOTHING = Told()


def read_told(words: Sequence[str]) -> Told:
    """Return what words say, in which a file stands for its lines; UserError for one that cannot be read."""
    said = [said for word in words for said in ([word] if "=" in word else _lines(Path(word)))]
    spans = [text for text in said if text.replace(" ", "").startswith("contact=")]
    boxes = [text for text in said if text not in spans]
    return Told(tuple(_parsed(text) for text in boxes), tuple(sorted(_span(text) for text in spans)))


def lines_of(told: Told) -> list[str]:
    """Return what is told as lines that `read_told` reads, boxes by frame: the first is where tracking starts."""
    boxes = sorted(told.prompts, key=lambda prompt: (prompt.frame, ROLES.index(prompt.role)))
    lines = [f"{p.role}={','.join(f'{value:g}' for value in p.box)}@{p.frame}" for p in boxes]
    return lines + [f"contact={first}-{last}" for first, last in told.contacts]


def check_frames(told: Told, frames: int) -> None:
    """UserError where something is told of a frame that a video of so many frames has not."""
    named = [(f"{prompt.role}: frame", prompt.frame) for prompt in told.prompts]
    for what, frame in [*named, *(("contact: frame", last) for _, last in told.contacts)]:
        if frame >= frames:
            raise UserError(f"--prompt {what} {frame}, but the video has {frames} at 12 Hz, counted from 0")


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise UserError(
            f"--prompt {str(path)!r}: expected ROLE=x1,y1,x2,y2@FRAME with ROLE one of {', '.join(ROLES)},"
            " contact=FIRST-LAST, or a file of such lines"
        )
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"--prompt {path}: expected a text file, got binary data") from error
    return [line for line in (line.partition("#")[0].strip() for line in lines) if line]


def _parsed(text: str) -> Prompt:
    match = re.fullmatch(rf"(\w+)={_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}@(\d+)", text.replace(" ", ""))
    if match is None or match[1] not in ROLES:
        raise UserError(f"--prompt {text!r}: expected ROLE=x1,y1,x2,y2@FRAME with ROLE one of {', '.join(ROLES)}")
    x1, y1, x2, y2 = (float(match[i]) for i in range(2, 6))
    if x2 <= x1 or y2 <= y1:
        raise UserError(f"--prompt {text!r}: expected x1 < x2 and y1 < y2")
    return Prompt(match[1], (x1, y1, x2, y2), int(match[6]))


def _span(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"contact=(\d+)-(\d+)", text.replace(" ", ""))
    if match is None or int(match[1]) > int(match[2]):
        raise UserError(f"--prompt {text!r}: expected contact=FIRST-LAST, frames counted from 0")
    return int(match[1]), int(match[2])
