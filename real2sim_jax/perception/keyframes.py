"""Which frame shows the objects without a hand, and what a hand looks like in this video."""

from dataclasses import dataclass

import numpy as np

from real2sim_jax.perception.colours import ANY_COLOUR, ColourModel
from real2sim_jax.perception.hands import HandSeed, find_hands
from real2sim_jax.perception.saliency import saliency
from real2sim_jax.perception.scene import Clip, changed, parts_of

LOOKS = 12
"""Frames in which hands are looked for, besides the ends."""
END_FRAMES = 3
MIN_PART = 0.005
DOUBT_SCORE = 0.6


@dataclass(frozen=True)
class HandHints:
    """What landmarks tell of the hand in some frames of a clip."""

    seeds: dict[int, HandSeed]
    """The surest hand by frame."""
    colours: ColourModel
    """What skin looks like in this video, or in general where no hand was found."""


def find_hints(clip: Clip) -> HandHints:
    """Look for hands in some frames, most of all at the ends."""
    count = len(clip.frames)
    ends = [*range(min(END_FRAMES, count)), *range(max(0, count - END_FRAMES), count)]
    places = sorted({*ends, *np.linspace(0, count - 1, LOOKS).astype(int).tolist()})
    found = {t: hands[0] for t in places if (hands := find_hands(clip.frames[t]))}
    sure = {t: seed for t, seed in found.items() if seed.score >= DOUBT_SCORE}
    pixels = [clip.labs[t][seed.mask(clip.shape)] for t, seed in sure.items()]
    return HandHints(sure, ColourModel.of(np.concatenate(pixels)) if pixels else ColourModel.skin())


def no_hints() -> HandHints:
    """Return what is known of hands without looking."""
    return HandHints({}, ColourModel.skin())


def choose_key(clip: Clip, hints: HandHints, use_network: bool) -> tuple[int, str]:
    """Return the hand-free frame to start from, the first or the last, and why.

    A hand that only one end shows changes the picture from the border on, in the colours of skin.
    """
    last = len(clip.frames) - 1
    hands = {end: any(abs(t - end) < END_FRAMES for t in hints.seeds) for end in (0, last)}
    if hands[0] != hands[last]:
        key = last if hands[0] else 0
        return key, "landmarks of a hand are found at the other end only"
    likeness = {end: _skin_at_border(clip, end, last - end, hints) for end in (0, last)}
    if max(likeness.values()) > 2.0 * min(likeness.values()) + MIN_PART:
        key = min(likeness, key=lambda end: likeness[end])
        return key, "the other end shows more skin at the border"
    standing = {end: _standing_out(clip, end, last - end) if use_network else 0.0 for end in (0, last)}
    key = last if standing[last] > 1.5 * standing[0] else 0
    return key, f"no hand at either end, and what changed stands out {'more here' if key else 'here'}"


def _skin_at_border(clip: Clip, end: int, other: int, hints: HandHints) -> float:
    """Share of the image that differs from the other end, reaches the border and looks like skin."""
    differs = changed(clip, clip.plate(other), end)
    edge = _border(clip.shown[end])
    parts = [part for part in parts_of(differs, MIN_PART) if (part & edge).any()]
    skin = hints.colours.density(clip.labs[end]) > 2.0 * ANY_COLOUR
    return float(sum((part & skin).sum() for part in parts) / differs.size)


def _standing_out(clip: Clip, end: int, other: int) -> float:
    """How much stands out, in px, of what differs from the other end."""
    shown = saliency(clip.frames[end])
    return 0.0 if shown is None else float(shown[changed(clip, clip.plate(other), end)].sum())


def _border(shown: np.ndarray) -> np.ndarray:
    """The outermost pixels (H, W) bool of what a frame shows."""
    inner = np.zeros_like(shown)
    inner[3:-3, 3:-3] = shown[3:-3, 3:-3] & shown[6:, 3:-3] & shown[:-6, 3:-3] & shown[3:-3, 6:] & shown[3:-3, :-6]
    return ~inner
