"""Labels of hand, moved object and anchor by a promptable model: what is cut out, followed, and told apart."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from real2sim_jax.core.errors import UserError
from real2sim_jax.perception.drift import drift_of
from real2sim_jax.perception.embedded import EmbeddedClip, embedded
from real2sim_jax.perception.following import Track, follow
from real2sim_jax.perception.hand_masks import HandTrack, hand_tracks
from real2sim_jax.perception.masks import mask_iou
from real2sim_jax.perception.motion import MIN_MOTION
from real2sim_jax.perception.moving_things import SAME, Thing, find_things
from real2sim_jax.perception.promptable import PromptableModel
from real2sim_jax.perception.prompts import Prompt, placed
from real2sim_jax.perception.scene import make_clip
from real2sim_jax.perception.thing_roles import (
    Mover,
    acting_hands,
    anchor_of,
    covered,
    joined,
    likeliest,
    mover,
    next_to,
    parts_of,
    within_reach,
)
from real2sim_jax.perception.things import Found, Progress
from real2sim_jax.perception.video import Video

EMBEDDED, HANDS, THINGS, FOLLOWED = 0.6, 0.72, 0.76, 0.96
"""Shares of the time after each step."""
MOST_FOLLOWED, MOST_BESIDE = 8, 4
"""Things that are followed: the likeliest, and what is next to the one that is chosen, which may be all of it."""
QUICK = 4
"""How often the model is asked in a frame about each of many things; about what is chosen it is asked more."""
SURE = 0.5
"""Below this confidence the user is asked to look."""


def model_labels(
    video: Video, prompts: Sequence[Prompt], progress: Progress, model: PromptableModel, keep: Path | None = None
) -> Found:
    """Find hand, moved object and anchor; prompts override.

    keep: folder of embeddings, so that a second run is quick. UserError where nothing is moved by a hand.
    """
    progress(0.0, "camera")
    drift = drift_of(video.frames)
    clip = make_clip(video.frames, drift)
    prompts = [placed(prompt, drift, clip.shape[1] / video.source_size[0]) for prompt in prompts]
    seen = embedded(clip, model, keep, lambda share: progress(EMBEDDED * share, "looking"))
    drawn: dict[int, list[np.ndarray]] = {}
    for prompt in prompts:
        if prompt.role == "hand":
            drawn.setdefault(prompt.frame, []).append(_cut(seen, prompt))
    hands = hand_tracks(seen, drawn, lambda share: progress(EMBEDDED + (HANDS - EMBEDDED) * share, "hands"))
    if not hands:
        raise UserError("no hand was found; point one out with --prompt hand=x1,y1,x2,y2@FRAME")
    everywhere = _union(hands, seen)
    progress(HANDS, "things")
    moved, notes, others, also = _moved(seen, prompts, hands, everywhere, progress)
    acting = acting_hands(seen, hands, moved)
    hand = _union(acting, seen)
    progress(FOLLOWED, "anchor")
    anchor, more = _anchor(seen, prompts, others, moved, everywhere)
    labels = np.zeros((len(seen), *seen.shape), np.uint8)
    labels[anchor], labels[hand], labels[moved] = 3, 1, 2
    tips = {t: points for one in acting for t, points in one.tips.items()}
    return Found(labels, drift, [*notes, *_hand_notes(hands, acting), *more], tips, _numbered(also, labels))


def _numbered(movers: Sequence[Mover], labels: np.ndarray) -> np.ndarray:
    """What was followed without a role, (T, H, W) uint8 from 1."""
    found = np.zeros_like(labels)
    for number, one in enumerate(movers, start=1):
        found[one.track.masks & (labels == 0)] = number
    return found


def _cut(clip: EmbeddedClip, prompt: Prompt) -> np.ndarray:
    """What the user drew a box around."""
    mask = clip.cut(prompt.frame, box=np.asarray(prompt.box)).mask
    if not mask.any():
        raise UserError(f"--prompt {prompt.role}: nothing is seen in that box of frame {prompt.frame}")
    return mask


def _union(hands: Sequence[HandTrack], clip: EmbeddedClip) -> np.ndarray:
    """(T, H, W) bool."""
    found = np.zeros((len(clip), *clip.shape), bool)
    for hand in hands:
        for t, mask in hand.masks.items():
            found[t] |= mask
    return found


def _moved(
    clip: EmbeddedClip, prompts: Sequence[Prompt], tracks: Sequence[HandTrack], hands: np.ndarray, progress: Progress
) -> tuple[np.ndarray, list[str], list[Thing], list[Mover]]:
    """The moved thing (T, H, W) bool, why it is that, the other things, and those of them that were followed."""
    told = [Thing(prompt.frame, _cut(clip, prompt), 1.0, False) for prompt in prompts if prompt.role == "moved"]
    barred = [(prompt.frame, _cut(clip, prompt)) for prompt in prompts if prompt.role in ("ignore", "anchor")]
    things = [one for one in find_things(clip, hands) if not _same_as(one, barred)]
    if told:
        masks = _nearest_seed(told, [follow(clip, one.mask, one.frame, hands) for one in told]).masks
        others = [one for one in things if not covered(one, masks)]
        return masks, ["moved object: as you said"], others, []
    free = [one for one in things if not one.rests and within_reach(one, tracks)]
    movers = []
    for number, one in enumerate(first := likeliest(clip, free, MOST_FOLLOWED)):
        movers.append(mover(clip, one, follow(clip, one.mask, one.frame, hands, QUICK), hands))
        progress(THINGS + (FOLLOWED - THINGS) * (number + 1) / len(first), "following")
    best = _chosen(clip, movers, hands)
    beside = [one for one in free if one not in first and next_to(one, best.thing)][:MOST_BESIDE]
    movers += [mover(clip, one, follow(clip, one.mask, one.frame, hands, QUICK), hands) for one in beside]
    parts = parts_of(best, movers)
    masks = np.any([part.track.masks for part in (best, *parts)], axis=0)
    others = [one for one in things if not covered(one, masks)]
    also = [one for one in movers if one not in parts and not covered(one.thing, masks)]
    return masks, [*_moved_notes(best, parts), *map(_also_note, also, range(1, 1 + len(also)))], others, also


def _also_note(one: Mover, number: int) -> str:
    return (
        f"followed too, {number}: goes {one.motion:.0%} of the picture's diagonal, touched in {one.contact:.0%} of that"
    )


def _same_as(thing: Thing, barred: Sequence[tuple[int, np.ndarray]]) -> bool:
    return any(frame == thing.frame and mask_iou(mask, thing.mask) > SAME for frame, mask in barred)


def _nearest_seed(things: Sequence[Thing], tracks: Sequence[Track]) -> Track:
    """Each frame as the track says that was pointed out nearest to it."""
    frames = np.arange(len(tracks[0].masks))
    nearest = np.argmin([np.abs(frames - thing.frame) for thing in things], axis=0)
    masks = np.stack([tracks[i].masks[t] for t, i in enumerate(nearest)])
    return Track(masks, np.array([tracks[i].agreement[t] for t, i in enumerate(nearest)]))


def _chosen(clip: EmbeddedClip, movers: Sequence[Mover], hands: np.ndarray) -> Mover:
    """The likeliest mover, also of those that both ends show; UserError where nothing moves."""
    pairs = [(a, b) for a in movers for b in movers if a.thing.frame < b.thing.frame]
    ends: dict[int, tuple[Mover, ...]] = {id(one): (one,) for one in movers}
    ranked = list(movers)
    for first, last in pairs:
        if (track := joined(clip, first, last, hands)) is not None:
            ranked.append(mover(clip, first.thing, track, hands))
            ends[id(ranked[-1])] = first, last
    ranked.sort(key=lambda one: -one.score)
    if not ranked or ranked[0].motion < MIN_MOTION:
        raise UserError("nothing moves that a hand touches; point the object out with --prompt moved=...")
    if ranked[0].contact == 0.0:
        raise UserError("the hand never touches what moves; point the object out with --prompt moved=...")
    return _closer(clip, ends[id(ranked[0])], hands)


def _closer(clip: EmbeddedClip, ends: Sequence[Mover], hands: np.ndarray) -> Mover:
    """The mover that was chosen, followed with more questions."""
    again = [mover(clip, one.thing, follow(clip, one.thing.mask, one.thing.frame, hands), hands) for one in ends]
    track = joined(clip, again[0], again[1], hands) if len(again) == 2 else None
    return mover(clip, again[0].thing, track, hands) if track is not None else again[0]


def _moved_notes(best: Mover, parts: Sequence[Mover]) -> list[str]:
    frame, sure = best.thing.frame, best.contact
    shown = f", with {len(parts)} parts that go along" if parts else ""
    notes = [f"moved object: goes {best.motion:.0%} of the picture's diagonal, touched in {sure:.0%} of that{shown}"]
    if sure < SURE:
        worst = int(np.argmin(np.where(best.track.agreement > 0, best.track.agreement, 1.0)))
        notes.append(
            f"not sure of the moved object: look at frame {worst}; --prompt moved=x1,y1,x2,y2@{frame} mends it"
        )
    return notes


def _anchor(
    clip: EmbeddedClip, prompts: Sequence[Prompt], others: Sequence[Thing], moved: np.ndarray, hands: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """The anchor (T, H, W) bool, empty where nothing stands beside the moved thing, and why."""
    told = [Thing(prompt.frame, _cut(clip, prompt), 0.0, True) for prompt in prompts if prompt.role == "anchor"]
    if told:
        track = _nearest_seed(told, [follow(clip, one.mask, one.frame, hands | moved) for one in told])
        return track.masks, ["anchor: as you said"]
    found = anchor_of(clip, others, moved)
    if found is None:
        return np.zeros_like(moved), ["anchor: none, nothing rests beside the moved object"]
    thing, score = found
    masks = follow(clip, thing.mask, thing.frame, hands | moved).masks
    return masks, [f"anchor: stands out by {score:.0%} where the moved object ends, seen in frame {thing.frame}"]


def _hand_notes(hands: Sequence[HandTrack], acting: Sequence[HandTrack]) -> list[str]:
    if not acting:
        raise UserError("no hand touches what moves; point the hand out with --prompt hand=...")
    away = len(hands) - len(acting)
    return [f"hands: {away} more that touch nothing are left out"] if away else []
