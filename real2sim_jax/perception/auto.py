"""Labels without any help: what stands out in a hand-free frame is carried through the video twice.

The first round learns what the background behind the things, the hand and the things look like, and which of them, or
which parts, left their place; the second uses it.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from real2sim_jax.errors import UserError
from real2sim_jax.perception.colours import ColourModel
from real2sim_jax.perception.drift import drift_of
from real2sim_jax.perception.hands import TIPS
from real2sim_jax.perception.keyframes import HandHints, choose_key, find_hints
from real2sim_jax.perception.prompts import Prompt
from real2sim_jax.perception.roles import LEAST_MOTION, choose_roles, rank_things
from real2sim_jax.perception.scene import Clip, changed, clean_plate, left_behind, make_clip
from real2sim_jax.perception.things import (
    Found,
    Progress,
    Things,
    add_left_behind,
    cut_out,
    standing_out,
    thing_at,
)
from real2sim_jax.perception.tracking import HAND_LABEL, Look, track_labels
from real2sim_jax.perception.video import Video

MOST_SAMPLES = 20000


def auto_labels(video: Video, prompts: Sequence[Prompt], progress: Progress) -> Found:
    """Find everything by itself; prompts override."""
    return _labels(video, prompts, progress, use_network=True)


def box_labels(video: Video, prompts: Sequence[Prompt], progress: Progress) -> Found:
    """Follow what the user drew boxes around; no network is used."""
    if not any(prompt.role == "moved" for prompt in prompts):
        raise UserError("--segmenter boxes: expected --prompt moved=x1,y1,x2,y2@frame, got none")
    return _labels(video, prompts, progress, use_network=False)


def _labels(video: Video, prompts: Sequence[Prompt], progress: Progress, use_network: bool) -> Found:
    progress(0.0, "camera")
    drift = drift_of(video.frames)
    clip = make_clip(video.frames, drift)
    progress(0.05, "hands")
    hints = find_hints(clip) if use_network else HandHints({}, ColourModel.skin())
    key, why = choose_key(clip, hints)
    notes = [why]
    scale = clip.shape[1] / video.source_size[0]
    told = [prompt for prompt in prompts if prompt.role != "hand"]
    for prompt in told:
        if prompt.frame >= len(clip.frames):
            raise UserError(
                f"--prompt {prompt.role}: frame {prompt.frame}, but the video has {len(clip.frames)} at 12 Hz"
            )
    if told and not any(prompt.frame == key for prompt in told):
        key = told[0].frame
        notes = [f"frame {key}: the first prompt is there"]
    things = standing_out(clip.frames[key]) if use_network else None
    if things is None:
        things = Things(np.zeros(clip.shape, np.uint8))
        if not told:
            add_left_behind(things, changed(clip, clip.plate(key), len(clip.frames) - 1 - key))
    fixed = {}
    for prompt in told:
        if prompt.frame == key:
            label = thing_at(things.labels, prompt, scale) if use_network else None
            if label is None:
                label = things.add(cut_out(clip.frames[key], tuple(scale * v for v in prompt.box), use_network))
            fixed[label] = prompt.role
    count = len(clip.frames)
    look = _first_look(clip, key, things, hints)
    done = iter(range(2 * count))

    def step(name: str) -> None:
        progress(0.15 + 0.8 * next(done) / (2 * count), name)

    labels = track_labels(clip, key, things.labels, look, progress=lambda: step("first round"))
    add_left_behind(things, left_behind(clip, key, labels, HAND_LABEL))
    look = _second_look(clip, key, things, labels, look)
    labels = track_labels(clip, key, things.labels, look, progress=lambda: step("second round"))
    ranked = rank_things(labels, key, things.count)
    for candidate in ranked:
        if candidate.label in things.parents and candidate.motion < LEAST_MOTION:
            labels[labels == candidate.label] = things.parents[candidate.label]
    ranked = [c for c in rank_things(labels, key, things.count) if c.area]
    for prompt in told:
        if prompt.frame != key:
            label = thing_at(labels[prompt.frame], prompt, scale)
            if label is None:
                raise UserError(f"--prompt {prompt.role}: no thing is followed into that box of frame {prompt.frame}")
            fixed[label] = prompt.role
    moved, anchors, reasons = choose_roles(labels, key, ranked, fixed)
    bodies = np.zeros(things.count, np.uint8)
    bodies[HAND_LABEL] = 1
    bodies[moved], bodies[anchors] = 2, 3
    tips = {t: seed.points[list(TIPS)] for t, seed in hints.seeds.items()}
    return Found(bodies[labels], drift, notes + reasons, tips)


def _first_look(clip: Clip, key: int, things: Things, hints: HandHints) -> Look:
    """The key frame as a still picture, the colours of its things, and skin from landmarks."""
    lab = clip.labs[key]
    models = [ColourModel.of(lab[things.labels == label]) for label in range(things.count)]
    models[HAND_LABEL] = ColourModel.skin()
    look = Look(models, [(clip.plate(key), things.labels.copy())])
    for t, seed in hints.seeds.items():
        mask = seed.mask(clip.shape) & changed(clip, clip.plate(key), t)
        labels = np.where(mask, HAND_LABEL, 0)
        look.learn_hand(clip.labs[t], labels)
    return look


def _second_look(clip: Clip, key: int, things: Things, labels: np.ndarray, first: Look) -> Look:
    """The same with colours from all frames, and the background behind the things."""
    models = []
    for label in range(things.count):
        if label >= len(first.models):
            models.append(ColourModel.of(clip.labs[key][things.labels == label]))
            continue
        inner = np.stack([cv2.erode((found == label).astype(np.uint8), np.ones((3, 3), np.uint8)) for found in labels])
        pixels = clip.labs[inner > 0]
        models.append(
            ColourModel.of(pixels[:: max(1, len(pixels) // MOST_SAMPLES)]) if len(pixels) else first.models[label]
        )
    at_key, nothing = clip.plate(key), np.zeros(clip.shape, np.uint8)
    plates = [(at_key, things.labels.copy()), (clean_plate(clip, labels, at_key.noise), nothing)]
    return Look(models, plates, first.hand_samples)
