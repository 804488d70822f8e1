"""Labels of hand and things: those of a hand-free frame are carried through the video twice.

The first round learns what the background behind the things, the hand and the things look like, and which of them, or
which parts, left their place; the second uses it.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from real2sim_jax.core.errors import UserError
from real2sim_jax.perception.appearance import HAND_LABEL, first_appearance, second_appearance
from real2sim_jax.perception.drift import drift_of
from real2sim_jax.perception.hands import TIPS
from real2sim_jax.perception.key_hands import hand_at, put_hand
from real2sim_jax.perception.keyframes import HandHints, choose_key, find_hints, no_hints
from real2sim_jax.perception.motion import MIN_MOTION
from real2sim_jax.perception.prompts import Prompt, placed
from real2sim_jax.perception.roles import choose_roles, rank_things
from real2sim_jax.perception.scene import Clip, changed, left_behind, make_clip
from real2sim_jax.perception.things import (
    Found,
    ObjectLabels,
    Progress,
    add_left_behind,
    cut_out,
    inside_box,
    standing_out,
    thing_at,
)
from real2sim_jax.perception.tracking import Pins, track_labels
from real2sim_jax.perception.video import Video

BEFORE_ROUNDS, ROUNDS = 0.15, 0.8
"""Shares of the time."""


def auto_labels(video: Video, prompts: Sequence[Prompt], progress: Progress) -> Found:
    """Find everything by itself; prompts override. Without the networks, changes between the ends show the things."""
    return _labels(video, prompts, progress, networks=True)


def box_labels(video: Video, prompts: Sequence[Prompt], progress: Progress) -> Found:
    """Follow what the user drew boxes around; no network is used."""
    if not any(prompt.role == "moved" for prompt in prompts):
        raise UserError("--segmenter boxes: expected --prompt moved=x1,y1,x2,y2@frame, got none")
    return _labels(video, prompts, progress, networks=False)


def _labels(video: Video, prompts: Sequence[Prompt], progress: Progress, networks: bool) -> Found:
    progress(0.0, "camera")
    drift = drift_of(video.frames)
    clip = make_clip(video.frames, drift)
    prompts = [placed(prompt, drift, clip.shape[1] / video.source_size[0]) for prompt in prompts]
    hinted = [prompt for prompt in prompts if prompt.role != "hand"]
    progress(0.05, "hands")
    hints = find_hints(clip) if networks else no_hints()
    key, why = (hinted[0].frame, "there is the first prompt") if hinted else choose_key(clip, hints, networks)
    things = _things(clip, key, networks, by_itself=not hinted)
    hand = hand_at(clip, key, prompts)
    if hand is not None:
        why += "; a hand is in it already"
        put_hand(things, hand)
    fixed = {_drawn(clip, prompt, things, networks): prompt.role for prompt in hinted if prompt.frame == key}
    later = [prompt for prompt in hinted if prompt.frame != key]
    places = {role: label for label, role in fixed.items() if role != "ignore"}
    pins = _pins(clip, [prompt for prompt in later if prompt.role in places], places, networks)
    labels = _tracked(clip, key, things, _hands(clip, hints, prompts), pins, progress)
    for prompt in later:
        if prompt.role not in places:
            fixed[_met(labels, prompt)] = prompt.role
    moved, anchors, reasons = choose_roles(labels, key, rank_things(labels, key, things.count), fixed)
    bodies = np.zeros(things.count, np.uint8)
    bodies[HAND_LABEL], bodies[moved], bodies[anchors] = 1, 2, 3
    tips = {t: seed.points[list(TIPS)] for t, seed in hints.seeds.items()}
    return Found(bodies[labels], drift, [f"starts from frame {key}: {why}", *reasons], tips)


def _things(clip: Clip, key: int, networks: bool, by_itself: bool) -> ObjectLabels:
    """What stands out in the key frame; without the network, what is not the same at the other end."""
    things = standing_out(clip.frames[key]) if networks else None
    if things is None:
        things = ObjectLabels(np.zeros(clip.shape, np.uint8))
        if by_itself:
            add_left_behind(things, changed(clip, clip.plate(key), len(clip.frames) - 1 - key))
    return things


def _drawn(clip: Clip, prompt: Prompt, things: ObjectLabels, networks: bool) -> int:
    """The label of what the user drew a box around in the key frame, a new one unless a thing fits."""
    label = thing_at(things.labels, prompt)
    if label is not None:
        return label
    return things.add(cut_out(clip.frames[prompt.frame], prompt.box, networks))


def _pins(clip: Clip, prompts: Sequence[Prompt], places: Mapping[str, int], networks: bool) -> Pins:
    """Where in other frames boxes say that the things of the key frame are, by their roles' labels."""
    found: dict[int, list[tuple[int, np.ndarray]]] = {}
    for prompt in prompts:
        mask = cut_out(clip.frames[prompt.frame], prompt.box, networks)
        found.setdefault(prompt.frame, []).append((places[prompt.role], mask))
    return found


def _met(labels: np.ndarray, prompt: Prompt) -> int:
    label = thing_at(labels[prompt.frame], prompt)
    if label is None:
        raise UserError(f"--prompt {prompt.role}: no thing is followed into that box of frame {prompt.frame}")
    return label


def _hands(clip: Clip, hints: HandHints, prompts: Sequence[Prompt]) -> dict[int, np.ndarray]:
    """Where a hand is, by frame: landmarks, and boxes of the user."""
    hands = {t: seed.mask(clip.shape) for t, seed in hints.seeds.items()}
    for prompt in prompts:
        if prompt.role == "hand":
            hands[prompt.frame] = inside_box(clip.shape, prompt.box)
    return hands


def _tracked(
    clip: Clip,
    key: int,
    things: ObjectLabels,
    hands: dict[int, np.ndarray],
    pins: Pins,
    progress: Progress,
) -> np.ndarray:
    """Return labels (T, H, W) of all frames after both rounds; what the first one teaches is added to the things."""
    appearance = first_appearance(clip, key, things.labels, things.count, hands)
    count = len(clip.frames)
    labels = track_labels(clip, key, things.labels, appearance, _counter(progress, "first round", 0.0, count), pins)
    add_left_behind(things, left_behind(clip, key, labels, HAND_LABEL))
    appearance = second_appearance(clip, key, things.labels, things.count, labels, appearance)
    labels = track_labels(clip, key, things.labels, appearance, _counter(progress, "second round", 0.5, count), pins)
    for candidate in rank_things(labels, key, things.count):
        if candidate.label in things.parents and candidate.motion < MIN_MOTION:
            # A part that stayed with the rest is no thing of its own.
            labels[labels == candidate.label] = things.parents[candidate.label]
    return labels


def _counter(progress: Progress, name: str, start: float, frames: int) -> Callable[[], None]:
    """A function to call after each frame of a round that starts at a share of both."""
    done = iter(range(frames))
    return lambda: progress(BEFORE_ROUNDS + ROUNDS * (start + 0.5 * next(done) / frames), name)
