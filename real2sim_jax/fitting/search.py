"""Every hypothesis of every video is optimised for a few steps, those of least loss go on (successive halving;
Jamieson and Talwalkar, AISTATS 2016).
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from real2sim_jax.config.fitting import FitConfig
from real2sim_jax.core.actions import Action
from real2sim_jax.core.predicates import Lifted
from real2sim_jax.data.types import BoxTrack, unstack
from real2sim_jax.fitting.initial import Hypothesis
from real2sim_jax.fitting.minimise import Problem, Schedule, minimise_all, problem_of
from real2sim_jax.fitting.prepare import contact_constraints, pad_track, padded_length

Progress = Callable[[str], None]


def starts_of(config: FitConfig) -> Hypothesis:
    """Return every combination of the configured hypotheses on a leading axis."""
    elevations, turns = np.deg2rad(config.elevations_deg), np.deg2rad(config.hand_turns_deg)
    hands = [*((turn, False) for turn in turns), (0.0, True)]
    places = [(False, False), (False, True), (True, False)]
    every = [(e, *place, *hand) for e in elevations for place in places for hand in hands]
    elevation, on_anchor, hidden, turn, above = (np.array(column) for column in zip(*every, strict=True))
    return Hypothesis(elevation.astype(np.float32), on_anchor, hidden, turn.astype(np.float32), above)


def problems_of(tracks: Iterable[tuple[Action, BoxTrack]], config: FitConfig) -> list[list[Problem]]:
    """Return one problem per hypothesis, by video; all padded to the length of the longest.

    A video in which nothing is put down needs no hypothesis on or behind an anchor. Where the action lifts the object
    and its name counts as evidence, the object may also have stayed on the table.
    """
    pairs = list(tracks)
    length = max(padded_length(len(track.valid), config.frames_multiple) for _, track in pairs)
    starts = unstack(starts_of(config))
    problems = []
    for action, track in pairs:
        padded = pad_track(track, length)
        rules = contact_constraints(action, padded)
        sensible = [start for start in starts if rules.released.any() or not (start.on_anchor or start.hidden)]
        lifts = config.action_prior == "on" and any(isinstance(rule, Lifted) for rule in action.success)
        grounded = rules.replace(airborne=np.zeros_like(rules.airborne))  # type: ignore[attr-defined]
        every = [rules, grounded] if lifts else [rules]
        problems.append([problem_of(padded, one, start) for one in every for start in sensible])
    return problems


def compete(
    problems: list[list[Problem]], numbers: Sequence[int], config: FitConfig, progress: Progress, label: str = "round"
) -> list[list[Problem]]:
    """Optimise the hypotheses of each video in these rounds of the configuration, from each of which fewer go on."""
    for number in numbers:
        kept, steps = config.rounds[number]
        problems = [_best(group, kept) for group in problems]
        flat = [problem for group in problems for problem in group]
        say = f"{label} {number + 1} of {len(config.rounds)}"
        schedule = Schedule.of(steps, number, config.learning_rate)
        done = iter(minimise_all(flat, schedule, config, lambda share, say=say: progress(f"{say}: {share:.0%}")))
        # Adam starts each round with large steps and does not always come back to where it was.
        problems = [[min(problem, next(done), key=rank) for problem in group] for group in problems]
    return problems


def is_grounded(problem: Problem) -> bool:
    """Whether the moved object never leaves the table in this hypothesis."""
    return not np.asarray(problem.rules.airborne).any()


def rank(problem: Problem) -> float:
    """Return what orders hypotheses: the loss; one that diverged never wins."""
    return float(problem.loss) if np.isfinite(problem.loss) else np.inf


def _best(problems: list[Problem], kept: int) -> list[Problem]:
    """Keep the best of either support, and of those in the air and on the table: which is right settles late."""
    ranked = sorted(problems, key=rank)
    kinds: dict[tuple[bool, bool], list[Problem]] = {}
    for problem in ranked:
        kinds.setdefault((bool(problem.on_anchor), is_grounded(problem)), []).append(problem)
    return [problem for group in kinds.values() for problem in group[:kept]]
