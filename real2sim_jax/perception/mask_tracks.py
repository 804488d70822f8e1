"""From labelled pixels to the track that is fitted: a mask for each body, and when the hand touches."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from real2sim_jax.core.actions import IMITATIONS, Action
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.types import ANCHOR, HAND, MOVED, MaskTrack
from real2sim_jax.perception.boxes import MIN_AREA, boxes_of_masks
from real2sim_jax.perception.contact import NEAR_FRACTION, Contact, contact_from_masks, hinted_contact, mask_gap
from real2sim_jax.perception.things import Found
from real2sim_jax.perception.video import Video

BODIES = 3


Spans = Sequence[tuple[int, int]]
"""First and last frame of each time in which the user says that the hand touches."""


def mask_track(found: Found, video: Video, hints: Spans = ()) -> tuple[MaskTrack, Contact]:
    """Return the masks of all three bodies, the anchor's empty where there is none, and what tells the contact."""
    # A byte per pixel: a long video's masks are large.
    masks = np.stack([found.labels == body + 1 for body in range(BODIES)], axis=1).astype(np.uint8)
    frames = len(masks)
    track = MaskTrack(
        masks=masks,
        seen=masks.sum(axis=(2, 3)) >= MIN_AREA,
        touching=np.zeros(frames, bool),
        acting=np.ones(frames, bool),
        valid=np.ones(frames, bool),
        dt=np.float32(video.dt),  # type: ignore[arg-type]
        image_size=np.asarray(video.source_size, np.float32),
    )
    contact = _contact(track, found.tips, _ends_holding(masks), hints)
    return track.replace(touching=contact.touching, acting=contact.acting), contact  # type: ignore[attr-defined]


def for_action(track: MaskTrack, action: Action, hints: Spans = ()) -> MaskTrack:
    """Return the track with the bodies that take part in an action, and its contact as the action has it.

    UserError where the moved object or the anchor is missing.
    """
    seen = np.asarray(track.seen, bool)
    if not seen[:, MOVED].any():
        raise UserError("the moved object is never seen; point it out with --prompt moved=...")
    if action.has_anchor and not seen[:, ANCHOR].any():
        raise UserError(f"no object that stays was found, which {action.name} needs; give --prompt anchor=...")
    holding = _ends_holding(np.asarray(track.masks) > 0.5) if action.name in IMITATIONS else action.ends_holding
    contact = _contact(track, {}, holding, hints)
    return track.replace(  # type: ignore[attr-defined]
        masks=np.asarray(track.masks)[:, : action.bodies],
        seen=seen[:, : action.bodies],
        touching=contact.touching,
        acting=contact.acting,
    )


def _contact(track: MaskTrack, tips: Mapping[int, np.ndarray], holds_on: bool, hints: Spans) -> Contact:
    masks = np.asarray(np.asarray(track.masks) > 0.5)
    boxes = boxes_of_masks(track)
    # Boxes are in the video's pixels, finger tips and gaps in the mask's.
    scale = masks.shape[3] / float(np.asarray(track.image_size)[0])
    found = contact_from_masks(masks, scale * np.asarray(boxes.boxes), np.asarray(boxes.seen), tips, holds_on)
    return hinted_contact(found, hints) if hints else found


def _ends_holding(masks: np.ndarray) -> bool:
    """Whether the hand still touches the moved object when the video ends."""
    return mask_gap(masks[-1, HAND], masks[-1, MOVED]) <= NEAR_FRACTION * masks.shape[3]


def summary_of(found: Found, contact: Contact) -> dict[str, Any]:
    """Return what people and the overlay want to know besides the masks, ready for JSON."""
    return {
        "why": found.notes,
        "phases": contact.phases(),
        "touching": contact.touching.tolist(),
        "confidence": np.round(contact.confidence, 3).tolist(),
        "drift": np.round(found.drift, 4).tolist(),
    }
