"""Which of the hypotheses that a picture supports is taken: the action's name as evidence.

A user always says what a video shows. Where boxes leave several scenes open, the one that shows the action is taken if
it explains them hardly worse than the best; where they do not, the best is taken, and does not show the action.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from real2sim_jax.benchmarks.reconstruction import failures_of
from real2sim_jax.config.fitting import FitConfig
from real2sim_jax.core.actions import Action
from real2sim_jax.fitting.goal import goals_of, is_asked, support_of
from real2sim_jax.fitting.minimise import Problem, scene_of
from real2sim_jax.fitting.prepare import trim
from real2sim_jax.fitting.search import Progress, compete, is_grounded, rank


class Explanation(NamedTuple):
    """One hypothesis, as far as it was optimised."""

    problem: Problem
    evidence: float
    """Its loss, without what the action's name adds to it."""
    shows: bool
    """Whether its scene shows the action."""


class Taken(NamedTuple):
    """The hypothesis that a video gets."""

    problem: Problem
    gap: float
    """Loss by which evidence alone prefers another."""
    shown_by_evidence: bool
    """Whether the hypothesis that is best without the action's name shows the action too."""


def choose(
    actions: Sequence[Action],
    pools: Sequence[list[Problem]],
    finalists: Sequence[list[Problem]],
    config: FitConfig,
    progress: Progress,
) -> list[Taken]:
    """Return the hypothesis taken for each video.

    pools: all hypotheses after the first round, from which a search under the action's name starts where the best of
    the finalists does not show the action.
    """
    found = [[_judged(p, action, config) for p in group] for action, group in zip(actions, finalists, strict=True)]
    alone = [_best(_as_published(choices, action)).shows for choices, action in zip(found, actions, strict=True)]
    if config.action_prior == "on":
        asked = {i: under_name(pools[i], actions[i]) for i, choices in enumerate(found) if not _best(choices).shows}
        asked = {i: group for i, group in asked.items() if group}
        numbers = range(len(config.rounds))
        searched = compete(list(asked.values()), numbers, config, progress, "named round") if asked else []
        for i, group in zip(asked, searched, strict=True):
            found[i] += [_judged(problem, actions[i], config) for problem in group]
    taken = [_taken(choices, config) for choices in found]
    gaps = [choice.evidence - _best(choices).evidence for choice, choices in zip(taken, found, strict=True)]
    return [Taken(choice.problem, gap, shows) for choice, gap, shows in zip(taken, gaps, alone, strict=True)]


def under_name(pool: list[Problem], action: Action) -> list[Problem]:
    """Return the hypotheses that may show the action, each with every way to fulfil it as its goal."""
    support = support_of(action)
    possible = [p for p in pool if support in (None, bool(p.on_anchor)) and action.leaves_table != is_grounded(p)]
    new = np.float32(np.inf)
    return [p.replace(goal=goal, loss=new) for p in possible for goal in goals_of(action)]  # type: ignore[attr-defined]


def _as_published(choices: list[Explanation], action: Action) -> list[Explanation]:
    """Those among which the published setting decides: what may leave the table is in the air while it is held."""
    return [c for c in choices if action.leaves_table != is_grounded(c.problem)] or choices


def _taken(choices: list[Explanation], config: FitConfig) -> Explanation:
    """The best that shows the action, if the picture supports it."""
    best, shown = _best(choices), [choice for choice in choices if choice.shows]
    if config.action_prior == "off" or not shown:
        return best
    named = _best(shown)
    grounded = [c for c in choices if is_grounded(c.problem) and not is_grounded(named.problem)]
    if grounded and not _is_off_the_table(shown, _best(grounded), config):
        return _best(grounded)
    return named if named.evidence <= best.evidence + config.name_tolerance else best


def _is_off_the_table(shown: list[Explanation], grounded: Explanation, config: FitConfig) -> bool:
    """Whether a scene that shows the action in the air is better than the best that stays on the table.

    One that leaves the table only because it is asked to can imitate what stays there: it must explain what the other
    does not.
    """
    unasked = [choice for choice in shown if not is_asked(choice.problem.goal)]
    freely = bool(unasked) and _best(unasked).evidence <= grounded.evidence
    return freely or _best(shown).evidence + config.lift_evidence <= grounded.evidence


def _judged(problem: Problem, action: Action, config: FitConfig) -> Explanation:
    scene = scene_of(problem, config)
    track = trim(scene, action.bodies, int(np.sum(problem.observed.valid)))
    finite = bool(np.isfinite(rank(problem)) and np.isfinite(track.position).all())
    return Explanation(
        problem, float(scene.quality["total"]) if finite else np.inf, finite and not failures_of(track, action)
    )


def _best(choices: list[Explanation]) -> Explanation:
    return min(choices, key=lambda choice: choice.evidence)
