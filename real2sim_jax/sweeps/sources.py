"""What the learner gets to see of the videos: annotated phases or not, a detector's boxes, one or all, boxes or masks.

State sets A, B and C as in CoRL 2020 (arXiv 2011.06813), section 5.
"""

import hashlib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from real2sim_jax.core.actions import Action
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.settings import Checked, Count, Range, Seed, Share
from real2sim_jax.data.types import BoxTrack
from real2sim_jax.perception.boxes import boxes_of_masks
from real2sim_jax.perception.contact import contact_from_boxes, holds_on
from real2sim_jax.stages.fit import SYNTHETIC_COUNT, AnnotatedTracks, Observed, SyntheticScenes, read_source
from real2sim_jax.synthetic.scenes import observe_masks, synthetic_scenes


@dataclass(frozen=True)
class Detector(Checked):
    """How a detector's boxes differ from annotated ones.

    The usual error of 5 % of the box at each side leaves an IoU of about 0.85.
    """

    side_share: Share = 0.05
    """Standard deviation of each side, as a share of the box's width or height."""
    missing: Share = 0.15
    """Share of the boxes that are missing ..."""
    gap_frames: Annotated[float, Range(1, 1e9)] = 4.0
    """... in gaps that last so many frames on average."""
    seed: Seed = 0


@dataclass(frozen=True)
class StateSource(Checked):
    """What of the videos the states are estimated from."""

    states: Literal["A", "B", "C"] = "A"
    """A: boxes and the annotated frames of the action. B: boxes alone. C: boxes alone, as a detector gives them."""
    detector: Detector = field(default_factory=Detector)
    """Used for C."""
    video: Count | None = None
    """Learn from this video alone, counted from 1 in the order of the tracks; from all when absent."""
    synthetic: Literal["boxes", "masks"] | None = None
    """Learn from drawn scenes instead, whose exact masks, or the boxes around these, are seen: annotations have boxes
    alone, so this is where the two can be compared."""


def observed_tracks(
    source: StateSource, action: Action, tracks: Path | None, seed: int = 0
) -> tuple[Observed, dict[str, str]]:
    """Return the observed tracks by video id, and why others cannot be used.

    tracks: folder of annotations; synthetic scenes drawn with `seed` where there is none. UserError when nothing is
    left.
    """
    if source.synthetic is not None:
        return _drawn(source, action, seed), {}
    observed, skipped, _ = read_source(SyntheticScenes(seed) if tracks is None else AnnotatedTracks(tracks), action)
    if source.video is not None:
        if not 1 <= source.video <= len(observed):
            raise UserError(f"{action.name}: source.video {source.video}: expected 1 to {len(observed)}")
        chosen = list(observed)[source.video - 1]
        observed = {chosen: observed[chosen]}
    if source.states == "C":
        keys = np.random.SeedSequence([source.detector.seed, action.seed]).spawn(len(observed))
        pairs = zip(observed.items(), keys, strict=True)
        observed = {v: (a, as_detected(t, source.detector, np.random.default_rng(k))) for (v, (a, t)), k in pairs}
    if source.states != "A":
        observed = {video: (action, without_phases(track, action)) for video, (_, track) in observed.items()}
    return observed, skipped


def _drawn(source: StateSource, action: Action, seed: int) -> Observed:
    """The same scenes for masks and for boxes, so that nothing else differs."""
    if source.states != "A" or source.video is not None:
        raise UserError("source.synthetic: drawn scenes have state set A and no videos to choose from; drop the others")
    masks = [observe_masks(scene) for scene in synthetic_scenes(action, SYNTHETIC_COUNT, seed)]
    seen = masks if source.synthetic == "masks" else [boxes_of_masks(track) for track in masks]
    return {f"drawn{seed}_{i}": (action, track) for i, track in enumerate(seen)}


def without_phases(track: BoxTrack, action: Action) -> BoxTrack:
    """Return the track with contact and action inferred from its boxes alone."""
    size = np.asarray(track.image_size, float)
    boxes, seen = np.asarray(track.boxes), np.asarray(track.seen)
    touching, acting = contact_from_boxes(boxes, seen, size, holds_on(action, boxes, seen, size))
    return track.replace(touching=touching, acting=acting)  # type: ignore[attr-defined]


def as_detected(track: BoxTrack, detector: Detector, generator: np.random.Generator) -> BoxTrack:
    """Return the track with noise on every side of its boxes, and with gaps.

    Gaps are runs of a two-state Markov chain (E. N. Gilbert, Bell System Technical Journal 1960). An object that would
    have no box at all keeps its first one.
    """
    boxes, seen = np.asarray(track.boxes, float), np.asarray(track.seen)
    extent = np.tile(boxes[..., 2:] - boxes[..., :2], 2)
    limit = np.tile(np.asarray(track.image_size, float), 2)
    boxes = np.clip(boxes + generator.normal(0.0, detector.side_share, boxes.shape) * extent, 0.0, limit)
    whole = (boxes[..., 2:] - boxes[..., :2] >= 1.0).all(axis=-1)
    usable: np.ndarray = seen & whole
    kept: np.ndarray = usable & ~_gaps(seen.shape, detector, generator)
    for body in np.flatnonzero(usable.any(axis=0) & ~kept.any(axis=0)):
        kept[np.argmax(usable[:, body]), body] = True
    return track.replace(  # type: ignore[attr-defined]
        boxes=np.where(kept[..., None], boxes, 0.0).astype(np.float32), seen=kept
    )


def tracks_hash(observed: Observed) -> str:
    """SHA-256 of observed tracks, as hex: the same for equal arrays, wherever they came from."""
    digest = hashlib.sha256()
    for video, (action, track) in observed.items():
        digest.update(f"{video} {action.name}".encode())
        for one in fields(track):
            values = np.asarray(getattr(track, one.name))
            digest.update(f"{one.name} {values.shape}".encode() + values.astype("<f4").tobytes())
    return digest.hexdigest()


def _gaps(shape: tuple[int, ...], detector: Detector, generator: np.random.Generator) -> np.ndarray:
    """Whether each body's box is missing in each frame, (T, B) bool."""
    leaves = 1.0 / max(detector.gap_frames, 1.0)
    enters = min(1.0, leaves * detector.missing / max(1.0 - detector.missing, 1e-9))
    draws = generator.random(shape)
    gap = np.empty(shape, bool)
    gap[0] = draws[0] < detector.missing
    for t in range(1, len(draws)):
        gap[t] = np.where(gap[t - 1], draws[t] >= leaves, draws[t] < enters)
    return gap
