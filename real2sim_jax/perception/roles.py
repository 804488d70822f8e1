"""Which thing is which: distinguished by how far they move, what the hand touches, and where the moved one ends."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from real2sim_jax.core.errors import UserError
from real2sim_jax.perception.appearance import FIRST_OBJECT, HAND_LABEL
from real2sim_jax.perception.masks import touching
from real2sim_jax.perception.motion import MIN_MOTION, TOUCH_SHARE, distances_from, goes_along, motion_of, path_of

MIN_ANCHOR_SHARE = 0.002


@dataclass(frozen=True)
class Candidate:
    """What is known of one tracked thing."""

    label: int
    area: int
    """px in the key frame."""
    motion: float
    """How far it moved from its place in the key frame, of the image's diagonal."""
    contact: float
    """Share of the frames in which it is away from that place, or next to it, that the hand touches it."""

    @property
    def score(self) -> float:
        """How likely it is what the hand moves."""
        return self.motion * (0.1 + self.contact)


def rank_things(labels: np.ndarray, key: int, count: int) -> list[Candidate]:
    """Return the things with labels FIRST_OBJECT .. count - 1 of labels (T, H, W), the likeliest moved one first."""
    present = [label for label in range(FIRST_OBJECT, count) if (labels[key] == label).any()]
    found = [_candidate(labels, key, label) for label in present]
    return sorted(found, key=lambda candidate: -candidate.score)


def choose_roles(
    labels: np.ndarray, key: int, ranked: Sequence[Candidate], fixed: dict[int, str]
) -> tuple[list[int], list[int], list[str]]:
    """Return the labels of the moved thing's parts, those of the anchor (none or one), and an explanation in lines.

    fixed: roles that the user gave, by label. UserError where nothing moves or the hand never comes near.
    """
    free = [candidate for candidate in ranked if candidate.label not in fixed]
    told = [label for label, role in fixed.items() if role == "moved"]
    if not told:
        _check(labels, free)
    moved = told or [free[0].label, *_parts(labels, free)]
    notes = [f"moved object: thing {moved[0]} ({'as told' if told else _reason(free[0])})"]
    notes += [f"thing {label} moves along with it: one object" for label in moved[1:]]
    anchors = [label for label, role in fixed.items() if role == "anchor"]
    if not anchors:
        anchors = _nearest(labels, key, moved, [candidate for candidate in free if candidate.label not in moved])
    notes += [f"thing that stays, nearest to where the moved one ends: {label}" for label in anchors]
    others = [c for c in ranked if c.label not in (*moved, *anchors)]
    notes += [f"beside: thing {c.label} (moves {c.motion:.1%} of the diagonal)" for c in others]
    return moved, anchors, notes


def _reason(candidate: Candidate) -> str:
    return f"moves {candidate.motion:.0%} of the diagonal, touched in {candidate.contact:.0%} of these frames"


def _check(labels: np.ndarray, free: Sequence[Candidate]) -> None:
    if not (labels == HAND_LABEL).any():
        raise UserError("no hand was found: a hand must come in from the border and be unlike the background")
    if not free:
        raise UserError("no object was found in the frame without a hand; point it out with --prompt moved=...")
    if free[0].motion < MIN_MOTION:
        raise UserError(
            "nothing moves: a hand shows but no object leaves its place; point it out with --prompt moved=..."
        )
    if all(candidate.contact == 0.0 for candidate in free):
        raise UserError("the hand never touches what moves; point the object out with --prompt moved=...")


def _candidate(labels: np.ndarray, key: int, label: int) -> Candidate:
    masks = labels == label
    distances, _ = distances_from(key, masks, path_of(masks))
    away = distances > 0.5 * MIN_MOTION
    reach = TOUCH_SHARE * labels.shape[2]
    touched = [touching(masks[t], labels[t] == HAND_LABEL, reach) for t in np.flatnonzero(away)]
    contact = float(np.mean(touched)) if touched else 0.0
    return Candidate(label, int(masks[key].sum()), motion_of(distances), contact)


def _parts(labels: np.ndarray, free: Sequence[Candidate]) -> list[int]:
    """Other things that go where the first one goes."""
    path = path_of(labels == free[0].label)
    moving = [other.label for other in free[1:] if other.motion >= MIN_MOTION]
    return [label for label in moving if goes_along(path, path_of(labels == label))]


def _nearest(labels: np.ndarray, key: int, moved: Sequence[int], others: Sequence[Candidate]) -> list[int]:
    """The resting thing that is nearest to where the moved one ends."""
    seen = np.flatnonzero(np.isin(labels, moved).any(axis=(1, 2)))
    still = [c for c in others if c.motion < MIN_MOTION and c.area > MIN_ANCHOR_SHARE * labels[0].size]
    if len(seen) == 0 or not still:
        return []
    distance = cv2.distanceTransform((~np.isin(labels[seen[-1]], moved)).astype(np.uint8), cv2.DIST_L2, 3)
    gaps = {c.label: float(distance[labels[key] == c.label].min()) for c in still}
    return [min(gaps, key=lambda label: gaps[label])]
