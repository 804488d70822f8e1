"""One video on the annotation page: its frames, what the user says of it, and the masks that come of that."""

import base64
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from real2sim_jax.core.errors import UserError, one_line
from real2sim_jax.data.artefacts import replacing
from real2sim_jax.data.types import ANCHOR, HAND, MOVED
from real2sim_jax.perception.drift import unstabilise
from real2sim_jax.perception.mask_tracks import mask_track
from real2sim_jax.perception.masks import box_around
from real2sim_jax.perception.promptable import INSIDE, PromptableModel
from real2sim_jax.perception.prompts import UserHints, check_hints, lines_of, parse_hints, read_hints_file
from real2sim_jax.perception.segmentation import Segmenter
from real2sim_jax.perception.video import Video, read_video
from real2sim_jax.viewers.fit import COLOURS

JPEG_QUALITY = 90
OPACITY = 140
"""Of masks over the picture, of 255."""
ROLE_COLOURS = {"hand": COLOURS[HAND], "moved": COLOURS[MOVED], "anchor": COLOURS[ANCHOR]}
GREY = (119, 119, 119)
POINT = re.compile(r"(\w+)=(\d{1,5}(?:\.\d{1,3})?),(\d{1,5}(?:\.\d{1,3})?)@(\d{1,6})")
"""ROLE=x,y@FRAME."""
HEADING = "# {name}: boxes in px of the video and times of contact, in frames at 12 Hz from 0"


@dataclass
class SegmentationJob:
    """A segmentation that runs or has ended."""

    share: float = 0.0
    text: str = "waiting"
    running: bool = True
    error: str | None = None
    notes: list[str] = field(default_factory=list)
    """Why the masks are so."""
    touching: list[bool] = field(default_factory=list)
    """(T,) as the masks or the user say."""


class Session:
    """A video being annotated. Its methods may be called by several threads."""

    def __init__(self, path: Path, out: Path, segmenter: Segmenter, model: PromptableModel | None = None):
        """Read the video, and what `out` says of it where it exists; UserError where one cannot be read.

        model: what cuts out the thing at a click, where there is one.
        """
        self.path, self.out = path, out
        self._model, self._embeddings = model, dict[int, np.ndarray]()
        self._video, self._segmenter = read_video(path), segmenter
        self.hints = read_hints_file(out) if out.exists() else UserHints()
        check_hints(self.hints, len(self._video.frames), self._video.source_size)
        self._masks: np.ndarray | None = None
        self._job: SegmentationJob | None = None
        self._lock, self._saving, self._cutting = threading.Lock(), threading.Lock(), threading.Lock()

    def description(self) -> dict[str, Any]:
        """Return what the page needs to know, ready for JSON."""
        width, height = self._video.source_size
        facts = {"name": self.path.name, "out": str(self.out), "frames": len(self._video.frames), "dt": self._video.dt}
        facts |= {"width": width, "height": height, "clicks": self._model is not None}
        return {**facts, "lines": lines_of(self.hints)}

    def frame(self, t: int) -> bytes | None:
        """Return a frame as JPEG, None where there is none."""
        if not 0 <= t < len(self._video.frames):
            return None
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        return cv2.imencode(".jpg", self._video.frames[t][..., ::-1], quality)[1].tobytes()

    def mask(self, t: int) -> bytes | None:
        """Return the bodies of a frame in their colours as PNG, transparent elsewhere; None before there are any."""
        masks = self._masks
        if masks is None or not 0 <= t < len(masks):
            return None
        return _png([(masks[t] == body + 1, colour) for body, colour in COLOURS.items()])

    def cut(self, text: str) -> dict[str, Any]:
        """Return the box and the mask of what a frame shows at a point, from a line ROLE=x,y@FRAME in px of the video.

        The mask is a PNG as in `mask`, as a data URL. The first click in a frame takes a second, others a twentieth.
        UserError where the line is no such point, or nothing is seen there.
        """
        role, t, place = self._point(text)
        frame = self._video.frames[t]
        scale = frame.shape[1] / self._video.source_size[0]
        with self._cutting:
            if t not in self._embeddings:
                self._embeddings[t] = self._model.embed(frame)  # type: ignore[union-attr]
            found = self._model.cut(self._embeddings[t], frame.shape[:2], scale * place, [INSIDE])  # type: ignore[union-attr]
        if not found.mask.any():
            raise UserError("nothing is seen there; draw a box around it")
        box = box_around(found.mask) / scale
        png = base64.b64encode(_png([(found.mask, ROLE_COLOURS.get(role, GREY))])).decode()
        return {"box": np.round(box, 1).tolist(), "mask": f"data:image/png;base64,{png}"}

    def _point(self, text: str) -> tuple[str, int, np.ndarray]:
        """Role, frame, and place (1, 2) px of the video of a line."""
        match = POINT.fullmatch(text.strip())
        if self._model is None or not match:
            expected = "ROLE=x,y@FRAME" if self._model else "--segmenter sam, which cuts out things at a click"
            raise UserError(f"expected {expected}, got {text[:40]!r}")
        x, y = float(match[2]), float(match[3])
        # The same bounds as a box has.
        (prompt,) = parse_hints([f"{match[1]}={x},{y},{x + 1},{y + 1}@{match[4]}"]).prompts
        check_hints(UserHints((prompt,)), len(self._video.frames), self._video.source_size)
        return prompt.role, prompt.frame, np.array([[x, y]])

    def save(self, text: str) -> UserHints:
        """Write what the page says, in lines; UserError where it cannot be followed, or not be read again."""
        hints = self._read(text)
        lines = lines_of(hints)
        with self._saving, replacing(self.out) as temporary:
            heading = HEADING.format(name=one_line(self.path.name))
            temporary.write_text("\n".join([heading, *lines]) + "\n", encoding="utf-8")
            if lines_of(read_hints_file(temporary)) != lines:
                raise UserError(f"{self.out}: what is written reads as something else; nothing is saved")
        self.hints = hints
        return hints

    def segment(self, text: str) -> SegmentationJob:
        """Find masks with what the page says, in a thread of their own; UserError where that is running already."""
        hints = self._read(text)
        with self._lock:
            if self._job is not None and self._job.running:
                raise UserError("masks are being looked for already; wait for them")
            job = self._job = SegmentationJob()
        threading.Thread(target=self._run, args=(job, hints), daemon=True).start()
        return job

    def job(self) -> SegmentationJob | None:
        """Return how far the last segmentation is, None before the first."""
        return self._job

    def _read(self, text: str) -> UserHints:
        # Lines alone: words may name files on the command line, but a page has no business with files.
        hints = parse_hints(text.splitlines())
        check_hints(hints, len(self._video.frames), self._video.source_size)
        return hints

    def _run(self, job: SegmentationJob, hints: UserHints) -> None:
        def report(share: float, text: str) -> None:
            job.share, job.text = share, text

        try:
            self._find(job, hints, report)
        except UserError as error:
            job.error = str(error)
        except Exception as error:
            job.error = f"{type(error).__name__}: {error}"
            raise
        finally:
            job.running = False

    def _find(self, job: SegmentationJob, hints: UserHints, report: Callable[[float, str], None]) -> None:
        video: Video = self._video
        found = self._segmenter(video, hints.prompts, report)
        _, contact = mask_track(found, video, hints.contacts)
        # As the drifting camera saw them: boxes are drawn on its pictures.
        self._masks = unstabilise(found.labels, found.drift)
        job.notes, job.touching = list(found.notes), contact.touching.tolist()


def _png(layers: Sequence[tuple[np.ndarray, tuple[int, int, int]]]) -> bytes:
    """Masks (H, W) bool in their colours, transparent elsewhere."""
    picture = np.zeros((*layers[0][0].shape, 4), np.uint8)
    for mask, colour in layers:
        picture[mask] = (*colour[::-1], OPACITY)
    return cv2.imencode(".png", picture)[1].tobytes()
