"""What a demonstration itself asks for: the action whose success is to end as it did."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from real2sim_jax.core.actions import IMITATIONS, Action
from real2sim_jax.core.predicates import PoseWithin
from real2sim_jax.core.rotations import rotvec_from_wxyz
from real2sim_jax.data.types import ANCHOR, MOVED, CuboidTrack, Demonstration
from real2sim_jax.learning.demonstrations import comes_held


def as_filmed(action: Action, tracks: Iterable[CuboidTrack]) -> Action:
    """Return an imitation with what most fitted tracks say: does the hand hold the object at the end, and at the start?

    An object that has no anchor stands on the table at the start.
    """
    if action.name not in IMITATIONS:
        return action
    tracks = list(tracks)
    held = [np.asarray(track.touching)[np.asarray(track.valid)][-1] for track in tracks]
    came = action.has_anchor and np.mean([comes_held(track) for track in tracks]) > 0.5
    return replace(action, ends_holding=bool(np.mean(held) > 0.5), starts="hand" if came else "table")


def as_demonstrated(action: Action, demos: Demonstration, within_m: float = 0.03, within_deg: float = 20.0) -> Action:
    """Return the action with what its record leaves to the demonstrations: where it begins and where it ends.

    demos stacked on a leading axis. The tolerances are those of imitations; other actions have their own.
    """
    if action.name in IMITATIONS and _is_open(action):
        first, last = (np.mean(np.asarray(demos.grip)[:, end]) > 0.5 for end in (0, -1))
        side = "start" if not action.has_anchor else "anchor_top" if _over_anchor(demos) else "anchor"
        goal = PoseWithin(relative_to=side, within_m=within_m, within_deg=within_deg)
        starts = "hand" if action.has_anchor and first else "table"
        action = replace(action, success=(goal,), ends_holding=bool(last), starts=starts)
    return _with_goal(_with_start(action, demos), demos)


def _with_start(action: Action, demos: Demonstration) -> Action:
    """The action with the middlemost of the places that the moved object is fetched from in the demonstrations."""
    if not action.is_fetched or action.moved_from is not None:
        return action
    places = np.asarray(demos.position, float)[:, 0, MOVED, :2]
    apart = np.linalg.norm(places[:, None] - places, axis=-1).sum(axis=0)
    x, y = map(float, places[np.argmin(apart)])
    return replace(action, moved_from=(x, y))


def _with_goal(action: Action, demos: Demonstration) -> Action:
    """The action with the ends of its demonstrations for every `pose_within` that names no poses."""
    if not _is_open(action):
        return action
    filled = [
        replace(one, poses=_ends(one, demos)) if isinstance(one, PoseWithin) and not one.poses else one
        for one in action.success
    ]
    return replace(action, success=tuple(filled))


def _is_open(action: Action) -> bool:
    """Whether the demonstrations say where it ends."""
    return any(isinstance(one, PoseWithin) and not one.poses for one in action.success)


def _over_anchor(demos: Demonstration) -> bool:
    """Whether the moved object ends over the anchor in most demonstrations."""
    end, half = np.asarray(demos.position)[:, -1], np.asarray(demos.half_extents)
    apart = np.abs(end[:, MOVED, :2] - end[:, ANCHOR, :2])
    return bool(np.mean((apart <= half[:, ANCHOR, :2]).all(axis=-1)) > 0.5)


def _ends(rule: PoseWithin, demos: Demonstration) -> tuple[tuple[float, ...], ...]:
    """Where and how each demonstration ends, as `PoseWithin.poses`."""
    position, half = np.asarray(demos.position, float), np.asarray(demos.half_extents, float)
    bottom = position[:, :, MOVED] - half[:, None, MOVED] * np.array([0.0, 0.0, 1.0])
    if rule.relative_to == "start":
        origin = bottom[:, 0]
    else:
        origin = position[:, -1, ANCHOR] * np.array([1.0, 1.0, 0.0])
        origin[:, 2] = 2.0 * half[:, ANCHOR, 2] * (rule.relative_to == "anchor_top")
    turns = np.rad2deg(rotvec_from_wxyz(np.asarray(demos.wxyz, float)[:, -1, MOVED]))
    return tuple(tuple(map(float, row)) for row in np.concatenate([bottom[:, -1] - origin, turns], axis=-1))
