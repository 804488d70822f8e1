"""From observed tracks to cuboid tracks: one jitted optimiser for all hypotheses of all videos of all actions."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from real2sim_jax.config.fitting import FitConfig
from real2sim_jax.core.actions import Action
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.types import BoxTrack, CuboidTrack, MaskTrack, check, flatten
from real2sim_jax.fitting.choice import choose
from real2sim_jax.fitting.masks import prepare_masks, refine_on_masks
from real2sim_jax.fitting.minimise import Problem, Schedule, minimise_all, scene_of
from real2sim_jax.fitting.prepare import BODIES, trim
from real2sim_jax.fitting.quality import describe
from real2sim_jax.fitting.search import compete, problems_of
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
    problems = problems_of(boxes.values(), config)
    minimise_all(problems[0][:1], Schedule.of(0, 0, 0.0), config)  # Compiles once, not in each of the threads.
    pools = compete(problems, [0], config, progress)
    finalists = compete(pools, range(1, len(config.rounds)), config, progress)
    chosen = choose([action for action, _ in boxes.values()], pools, finalists, config, progress)
    results = _on_masks([one.problem for one in chosen], [track for _, track in tracks.values()], config, progress)
    fitted: dict[str, CuboidTrack] = {}
    curves: dict[str, np.ndarray] = {}
    failures: dict[str, str] = {}
    for (name, (action, observed)), result, one in zip(boxes.items(), results, chosen, strict=True):
        evidence = {"evidence_gap": one.gap, "shown_by_evidence": float(one.shown_by_evidence)}
        scene = describe(scene_of(result, config), result.observed, **evidence)
        track = trim(scene, action.bodies, len(observed.valid))
        try:
            check(CuboidTrack, flatten(track))
        except ValueError as error:
            failures[name] = f"the fit diverged ({error}); check the boxes of this video"
            continue
        fitted[name], curves[name] = track, _curve(result, config)
    return FitResult(fitted, failures, curves)


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
    settings = schedule, config.scales
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
