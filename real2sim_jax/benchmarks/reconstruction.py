"""Does an estimated trajectory show its action? The success rules of the reconstruction benchmark.

All in the camera-aligned frame (world turned by minus the camera's azimuth), a few for each predicate of the action.
Source: Petrik et al., CoRL 2020, and its published evaluation, with both conditions on the hand tested for all slides.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from real2sim_jax.core.actions import ACTIONS, Action
from real2sim_jax.core.predicates import (
    AXES,
    Beside,
    HandPoints,
    Lifted,
    MovedBy,
    OnTop,
    TurnedBy,
    degrees,
    unit_vector,
)
from real2sim_jax.core.rotations import (
    azimuth_elevation_from_wxyz,
    conjugate,
    matrix_from_wxyz,
    multiply,
    rotate,
    twist,
    wrap,
)
from real2sim_jax.data.types import ANCHOR, HAND, MOVED, CuboidTrack
from real2sim_jax.geometry.cuboids import CORNER_SIGNS

SUNK_M, MAX_SUNK_FRACTION = -0.02, 0.25
HAND_FRACTION, START_HEIGHT_M = 0.75, 0.01
ONTO_SCALE, ONTO_GAP_M = 2.0, 0.03
PUBLISHED_VIDEOS = 6
PUBLISHED_SUCCESSES = {
    "pull_left_to_right": 5,
    "pull_right_to_left": 4,
    "push_left_to_right": 5,
    "push_right_to_left": 6,
    "pick_up": 2,
    "put_behind": 6,
    "put_in_front_of": 4,
    "put_next_to": 1,
    "put_onto": 0,
}
"""Of PUBLISHED_VIDEOS videos of each action: the reference. Source: the authors' list for Petrik et al., CoRL 2020."""


@dataclass(frozen=True)
class AlignedScene:
    """A track in the camera-aligned frame, valid frames only."""

    half_extents: np.ndarray
    position: np.ndarray
    wxyz: np.ndarray

    def lowest(self) -> np.ndarray:
        """Height (T,) m of the moved cuboid's lowest corner."""
        return self.position[:, MOVED, 2] - self.vertical(MOVED)

    def vertical(self, body: int) -> np.ndarray:
        """Half the vertical extent (T,) m of a body."""
        upward = matrix_from_wxyz(self.wxyz[:, body])[:, 2]
        return np.abs(upward) @ self.half_extents[body]

    def corners(self, body: int, t: int) -> np.ndarray:
        """Corners (8, 3) m of a body in one frame."""
        return rotate(self.wxyz[t, body][None], CORNER_SIGNS * self.half_extents[body]) + self.position[t, body]


def camera_aligned(track: CuboidTrack) -> AlignedScene:
    """Return the scene seen straight from the camera's side."""
    valid = np.asarray(track.valid, bool)
    position, wxyz = np.asarray(track.position, float)[valid], np.asarray(track.wxyz, float)[valid]
    half = 0.5 * float(track.camera.azimuth)
    turn = np.broadcast_to(np.array([np.cos(half), 0.0, 0.0, -np.sin(half)]), wxyz.shape)
    return AlignedScene(np.asarray(track.half_extents, float), rotate(turn, position), multiply(turn, wxyz))


def failures_of(track: CuboidTrack, action: Action) -> list[str]:
    """Return the rules that a track breaks, empty when it shows its action."""
    scene = camera_aligned(track)
    rules: dict[str, bool] = {}
    for one in action.success:
        rules |= _RULES[type(one)](scene, one) if type(one) in _RULES else {}
    if not action.leaves_table:
        rules["level"] = bool(np.ptp(scene.position[:, MOVED, 2]) < 2.0 * scene.half_extents[MOVED, 2])
    rules["in the table"] = bool(np.mean(scene.lowest() < SUNK_M) <= MAX_SUNK_FRACTION)
    return [name for name, holds in rules.items() if not holds]


def _moved_by(scene: AlignedScene, rule: MovedBy) -> dict[str, bool]:
    way = scene.position[-1, MOVED, :2] - scene.position[0, MOVED, :2]
    return {"moved": bool(way @ unit_vector(rule.direction) >= rule.at_least_m)}


def _hand_points(scene: AlignedScene, rule: HandPoints) -> dict[str, bool]:
    azimuth, _ = azimuth_elevation_from_wxyz(scene.wxyz[:, HAND])
    off = np.abs(wrap(azimuth - np.deg2rad(degrees(rule.direction))))
    return {"hand side": bool(np.mean(off < np.deg2rad(rule.within_deg)) > HAND_FRACTION)}


def _lifted(scene: AlignedScene, rule: Lifted) -> dict[str, bool]:
    z = scene.position[:, MOVED, 2]
    return {
        "lifted": bool(z[-1] - z[0] >= rule.at_least_m),
        "starts on table": bool(scene.lowest()[0] < START_HEIGHT_M),
    }


def _turned_by(scene: AlignedScene, rule: TurnedBy) -> dict[str, bool]:
    wxyz = scene.wxyz[:, MOVED]
    angle = twist(multiply(wxyz[-1], conjugate(wxyz[0])), AXES[rule.axis])
    return {"turned": bool(np.abs(wrap(angle - np.deg2rad(rule.angle_deg))) < np.deg2rad(rule.within_deg))}


def _beside(scene: AlignedScene, rule: Beside) -> dict[str, bool]:
    top = scene.position[-1, ANCHOR, 2] + scene.vertical(ANCHOR)[-1]
    edge = np.deg2rad(rule.within_deg)
    in_sector = any(_in_sector(scene, np.deg2rad(degrees(one)), edge) for one in rule.directions)
    return {"in the sector": in_sector, "below the anchor's top": bool(scene.lowest()[-1] < top)}


def _in_sector(scene: AlignedScene, bearing: float, edge: float) -> bool:
    """Whether the final centre is beyond the anchor's footprint towards `bearing` (rad).

    The sector opens from the two corners of the footprint on that side, each side `edge` rad outward of straight on.
    """
    ahead = np.array([np.cos(bearing), np.sin(bearing)])
    aside = np.array([-ahead[1], ahead[0]])
    footprint = scene.corners(ANCHOR, -1)[:, :2]
    left = footprint[np.argmax(footprint @ ahead + footprint @ aside)]
    right = footprint[np.argmax(footprint @ ahead - footprint @ aside)]
    centre = scene.position[-1, MOVED, :2]
    angle_left = np.arctan2((centre - left) @ aside, (centre - left) @ ahead)
    angle_right = np.arctan2((centre - right) @ aside, (centre - right) @ ahead)
    return bool(-np.pi < angle_left <= edge and angle_right >= -edge) and bool(
        max((centre - left) @ ahead, (centre - right) @ ahead) > 0.0
    )


def _on_top(scene: AlignedScene, rule: OnTop) -> dict[str, bool]:
    inverse = scene.wxyz[-1, ANCHOR] * np.array([1.0, -1.0, -1.0, -1.0])
    local = rotate(inverse, scene.position[-1, MOVED] - scene.position[-1, ANCHOR])
    inside = np.all(np.abs(local[:2]) <= ONTO_SCALE * scene.half_extents[ANCHOR, :2])
    top = scene.position[-1, ANCHOR, 2] + scene.vertical(ANCHOR)[-1]
    return {"above the anchor": bool(inside), "on its top": bool(abs(scene.lowest()[-1] - top) <= ONTO_GAP_M)}


_RULES: dict[type, Callable[[AlignedScene, Any], dict[str, bool]]] = {
    MovedBy: _moved_by,
    Lifted: _lifted,
    HandPoints: _hand_points,
    Beside: _beside,
    OnTop: _on_top,
    TurnedBy: _turned_by,
}
"""What cannot be told from a fit, or holds in every fit, has no rule."""


def summary(failures: Mapping[str, list[str]], actions: Mapping[str, Action]) -> dict[str, tuple[int, int]]:
    """Return successes and videos by action name, and their sums under "all"."""
    table = {}
    for name in dict.fromkeys([*ACTIONS, *(action.name for action in actions.values())]):
        videos = [video for video in failures if actions[video].name == name]
        if videos:
            table[name] = sum(not failures[video] for video in videos), len(videos)
    table["all"] = sum(done for done, _ in table.values()), sum(total for _, total in table.values())
    return table
