"""From observed tracks to cuboid tracks: one jitted optimiser for all starts of all videos of all actions.

Every start of every video is optimised for a few steps, those of least total loss go on (successive halving; Jamieson
and Talwalkar, AISTATS 2016).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from real2sim_jax.config.fitting import FitConfig
from real2sim_jax.core.actions import Action
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.types import BoxTrack, CuboidTrack, MaskTrack, check, flatten, unstack
from real2sim_jax.fitting.initial import Hypothesis
from real2sim_jax.fitting.masks import prepare_masks, refine_on_masks
from real2sim_jax.fitting.minimise import Problem, Schedule, minimise_all, problem_of, scene_of
from real2sim_jax.fitting.prepare import BODIES, contact_constraints, pad_track, padded_length, trim
from real2sim_jax.fitting.quality import describe
from real2sim_jax.perception.boxes import boxes_of_masks


class FitResult(NamedTuple):
    """What `fit_tracks` returns."""

    tracks: dict[str, CuboidTrack]
    failures: dict[str, str]
    """Why a video has no track, by video id."""
    curves: dict[str, np.ndarray]
    """Steps and total loss of the start that won, (N, 2), by video id; the rounds follow each other."""


def fit_tracks(
    tracks: Mapping[str, tuple[Action, BoxTrack | MaskTrack]],
    config: FitConfig | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> FitResult:
    """Fit cuboids to observed boxes or masks.

    Args:
        tracks: action and observed track (unpadded) by video id.
        config: the same for all videos.
        progress: called with a line of text after each batch.

    Returns:
        Cuboid tracks with as many frames and bodies as the observed ones, by video id, and the failures.
        The camera's azimuth is 0: the world is the camera-aligned frame.
    """
    config = config or FitConfig()
    if not tracks:
        raise UserError("no tracks to fit: expected at least one")
    boxes = {name: (action, _boxes(track)) for name, (action, track) in tracks.items()}
    results = _compete(_problems(boxes.values(), config), config, progress)
    results = _on_masks(results, [track for _, track in tracks.values()], config, progress)
    fitted: dict[str, CuboidTrack] = {}
    curves: dict[str, np.ndarray] = {}
    failures: dict[str, str] = {}
    for (name, (action, observed)), result in zip(boxes.items(), results, strict=True):
        scene = describe(scene_of(result, config), result.observed)
        track = trim(scene, action.bodies, len(observed.valid))
        try:
            check(CuboidTrack, flatten(track))
        except ValueError as error:
            failures[name] = f"the fit diverged ({error}); check the boxes of this video"
            continue
        fitted[name], curves[name] = track, _curve(result, config)
    return FitResult(fitted, failures, curves)


def starts_of(config: FitConfig) -> Hypothesis:
    """Return every combination of the configured hypotheses on a leading axis."""
    elevations, turns = np.deg2rad(config.elevations_deg), np.deg2rad(config.hand_turns_deg)
    hands = [*((turn, False) for turn in turns), (0.0, True)]
    places = [(False, False), (False, True), (True, False)]
    every = [(e, *place, *hand) for e in elevations for place in places for hand in hands]
    elevation, on_anchor, hidden, turn, above = (np.array(column) for column in zip(*every, strict=True))
    return Hypothesis(elevation.astype(np.float32), on_anchor, hidden, turn.astype(np.float32), above)


def _problems(tracks: Iterable[tuple[Action, BoxTrack]], config: FitConfig) -> list[list[Problem]]:
    """One problem per start, by video. A video in which nothing is put down needs no start on or behind an anchor."""
    pairs = list(tracks)
    length = max(padded_length(len(track.valid), config.frames_multiple) for _, track in pairs)
    starts = unstack(starts_of(config))
    problems = []
    for action, track in pairs:
        padded = pad_track(track, length)
        rules = contact_constraints(action, padded)
        sensible = [start for start in starts if rules.released.any() or not (start.on_anchor or start.hidden)]
        problems.append([problem_of(padded, rules, start) for start in sensible])
    return problems


def _compete(problems: list[list[Problem]], config: FitConfig, progress: Callable[[str], None]) -> list[Problem]:
    """Optimise the starts of each video in rounds, from each of which fewer go on; return the best of the last."""
    minimise_all(problems[0][:1], Schedule.of(0, 0, 0.0), config)  # Compiles once, not in each of the threads.
    for number, (kept, steps) in enumerate(config.rounds):
        problems = [_best(group, kept) for group in problems]
        flat = [problem for group in problems for problem in group]
        label = f"round {number + 1} of {len(config.rounds)}"
        schedule = Schedule.of(steps, number, config.learning_rate)
        done = iter(minimise_all(flat, schedule, config, lambda share, label=label: progress(f"{label}: {share:.0%}")))
        # Adam starts each round with large steps and does not always come back to where it was.
        problems = [[min(problem, next(done), key=_rank) for problem in group] for group in problems]
    return [min(group, key=_rank) for group in problems]


def _boxes(track: BoxTrack | MaskTrack) -> BoxTrack:
    return boxes_of_masks(track) if isinstance(track, MaskTrack) else track


def _on_masks(
    problems: list[Problem], tracks: list[BoxTrack | MaskTrack], config: FitConfig, progress: Callable[[str], None]
) -> list[Problem]:
    """Go on with the silhouettes of those videos that have masks."""
    results = list(problems)
    masked = {i: track for i, track in enumerate(tracks) if isinstance(track, MaskTrack)}
    masks = [
        prepare_masks(track, len(problems[i].observed.valid), BODIES, config.mask_width) for i, track in masked.items()
    ]
    schedule = Schedule.of(config.mask_steps, len(config.rounds), config.mask_learning_rate)
    settings = schedule, config.weights, config.scales
    told = [problems[i] for i in masked]
    refined = refine_on_masks(told, masks, *settings, progress=lambda done: progress(f"silhouettes: {done:.0%}"))
    for i, problem in zip(masked, refined, strict=True):
        results[i] = problem
    return results


def _curve(problem: Problem, config: FitConfig) -> np.ndarray:
    """Return total loss against steps, (N, 2), over all rounds that took place."""
    lengths = [steps for _, steps in config.rounds] + [config.mask_steps]
    before = np.concatenate([[0], np.cumsum(lengths)])
    points = np.asarray(problem.curve)
    share = np.arange(points.shape[1]) / points.shape[1]
    rows = [np.stack([before[i] + share * n, points[i]], axis=-1) for i, n in enumerate(lengths)]
    together = np.concatenate(rows)
    return together[np.isfinite(together[:, 1])]


def _best(problems: list[Problem], kept: int) -> list[Problem]:
    """Keep the best starts of either support: which of the two is right settles late."""
    ranked = sorted(problems, key=_rank)
    supports = [[problem for problem in ranked if bool(problem.on_anchor) == on] for on in (False, True)]
    return [problem for group in supports for problem in group[:kept]]


def _rank(problem: Problem) -> float:
    """A diverged start never wins."""
    return float(problem.loss) if np.isfinite(problem.loss) else np.inf
