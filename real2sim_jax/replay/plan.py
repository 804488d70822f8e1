"""What the pads of a replay do, and when: the fitted hand's path, with a pause to close and a pause to let go.

The plan is made from the fitted track alone and then followed blindly. It moves the pads' middle along the fitted tip,
which is the object's centre while the hand touches. The fitted azimuth and elevation are those of the forearm; the
wrist, which nobody observes, bends so that the pads take two faces of the object and turn as the fitted object turns.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import mujoco
import numpy as np

from real2sim_jax.core.actions import Action
from real2sim_jax.core.observation import MAX_ANGULAR_RAD_S, MAX_LINEAR_M_S
from real2sim_jax.core.rotations import conjugate, matrix_from_wxyz, multiply, rotate
from real2sim_jax.core.settings import Checked, Metres, Range, Seconds
from real2sim_jax.data.types import ANCHOR, HAND, MOVED, CuboidTrack
from real2sim_jax.geometry.cuboids import CORNER_SIGNS, vertical_half_extent


@dataclass(frozen=True)
class ReplayConfig(Checked):
    """How a fitted track becomes the path of the pads; one setting for all videos."""

    slower: Annotated[float, Range(1, 1000)] = 3.0
    """Time is stretched by this, and further where the pads would be faster than a policy may command."""
    rigid: bool = False
    """The wrist keeps its bend while it holds the object, instead of turning as the fitted object does."""
    pause_s: Seconds = 0.5
    """To close, to let go, and for the objects to settle at the start."""
    margin_m: Metres = 0.03
    """Between the open pads and the object."""
    in_air_m: Metres = 0.01
    """Something higher than this above where it would rest must be held."""
    gap_frames: Annotated[int, Range(0, 10_000)] = 3
    """A hand does not let go for fewer frames than this."""
    max_bend_rad: Annotated[float, Range(0, np.pi)] = np.pi / 4.0 + 0.05
    """The wrist bends at most this far aside for the narrower side of an object."""


@dataclass(frozen=True)
class Node:
    """A moment of the plan; between two of them the pads move evenly."""

    time: float
    """s."""
    position: np.ndarray
    """(3,) m, the pads' middle."""
    wxyz: np.ndarray
    """(4,), orientation of the gripper: approach along +z, pads close along y."""
    wrist: np.ndarray
    """(4,), the gripper in the hand's frame."""
    opening: float
    """m of each pad's face from the middle; 0 asks the pads to press with their whole force."""
    frame: int
    """The valid frame of the track that this moment stands for; -1 for one in between."""


@dataclass(frozen=True)
class Plan:
    """Everything that the simulation needs besides sizes."""

    nodes: list[Node]
    start: int
    """The first valid frame that is replayed."""
    place: int
    """The valid frame that says where the moved object is at the start."""
    held: bool
    """Whether the pads hold it there."""


@dataclass(frozen=True)
class FittedPath:
    """The valid frames of a track, and when the object is held in them."""

    position: np.ndarray
    wxyz: np.ndarray
    half_extents: np.ndarray
    held: np.ndarray
    dt: float

    @cached_property
    def runs(self) -> list[tuple[int, int]]:
        """First and last frame of each time of holding."""
        return stretches(self.held)

    def corners(self, frame: int) -> np.ndarray:
        """Corners (8, 3) m of the moved object."""
        return (
            rotate(self.wxyz[frame, MOVED][None], CORNER_SIGNS * self.half_extents[MOVED]) + self.position[frame, MOVED]
        )

    def offset(self) -> np.ndarray:
        """From the moved object's centre to the hand's tip, (T, 3) m."""
        return self.position[:, HAND] - self.position[:, MOVED]

    def above_rest(self, frame: int) -> float:
        """How much higher the moved object's centre is than if it lay below on the table or the anchor, m."""
        lying = self.half_extents[MOVED, np.argmax(np.abs(matrix_from_wxyz(self.wxyz[frame, MOVED])[2]))]
        return self.position[frame, MOVED, 2] - lying - self._support(frame)

    def _support(self, frame: int) -> float:
        if self.position.shape[1] <= ANCHOR:
            return 0.0
        anchor, half = self.position[frame, ANCHOR], self.half_extents[ANCHOR]
        inverse = conjugate(self.wxyz[frame, ANCHOR])
        inside = np.abs(rotate(inverse, self.position[frame, MOVED] - anchor)[:2]) < half[:2]
        return anchor[2] + float(vertical_half_extent(half, self.wxyz[frame, ANCHOR])) if inside.all() else 0.0


def make_plan(track: CuboidTrack, action: Action, config: ReplayConfig) -> Plan:
    """Return what the pads do for a fitted track.

    Frames before the first touch in which the object hangs in the air are left out: it came in a hand that was not
    seen at it. An action that ends holding holds to the end; elsewhere what is still held at the end is let go.
    """
    path = _path(track, action, config)
    start = _start(path, config)
    first = path.runs[0][0] if path.runs else start
    builder = _Builder(path, config, place=max(first - 1, start) if first > start else start)
    done = start
    for first, last in path.runs:
        builder.approach(done, first, last)
        builder.carry(first, last)
        builder.let_go(last, action.ends_holding)
        done = last + 1
    builder.follow(done, len(path.held))
    return Plan(builder.nodes, start, builder.place, bool(path.held[start]))


def grasp_wrist(hand_wxyz: np.ndarray, held_wxyz: np.ndarray, half_extents: np.ndarray, bend_rad: float) -> np.ndarray:
    """Return the gripper's orientation (4,) in the hand's frame that takes an object by two opposite faces.

    The pads close along one of the two axes of the object that stay most level while it is held: the narrower one for
    which the wrist bends at most `bend_rad` aside, else the one for which it bends less. hand_wxyz (4,) at the grasp,
    held_wxyz (N, 4) of the object from the grasp on, half extents (3,) m.
    """
    hand, held = matrix_from_wxyz(hand_wxyz), matrix_from_wxyz(held_wxyz)
    axes = held[0]
    # A face that is turned to the table or the sky when it is put down is none to let go of.
    level = np.argsort(np.abs(held[:, 2]).max(axis=0))[:2]
    bend = np.arcsin(np.clip(np.abs(axes[:, level].T @ hand[:, 2]), 0.0, 1.0))
    width = np.where(bend <= bend_rad, half_extents[level], np.inf)
    closing = axes[:, level[np.argmin(width if np.isfinite(width).any() else bend)]]
    # The hand's y axis is level: the turn that takes it to the closing axis, or its opposite, is the smaller one.
    closing = closing if closing @ hand[:, 1] >= 0.0 else -closing
    forward = hand[:, 2] - (hand[:, 2] @ closing) * closing
    forward = forward / np.linalg.norm(forward)
    gripper = np.stack([np.cross(closing, forward), closing, forward], axis=-1)
    wxyz = np.empty(4)
    mujoco.mju_mat2Quat(wxyz, gripper.ravel())
    return multiply(conjugate(hand_wxyz), wxyz)


def stretches(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return the first and last index of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(int(begin), int(end) - 1) for begin, end in edges.reshape(-1, 2)]


def _path(track: CuboidTrack, action: Action, config: ReplayConfig) -> FittedPath:
    valid = np.asarray(track.valid, bool)
    held = np.array(np.asarray(track.touching, bool)[valid])
    for first, last in stretches(~held):
        inside = first > 0 and last < len(held) - 1
        held[first : last + 1] |= inside and last - first + 1 < config.gap_frames
    if action.ends_holding and held.any():
        held[np.flatnonzero(held)[-1] :] = True
    position, wxyz = np.asarray(track.position, float)[valid], np.asarray(track.wxyz, float)[valid]
    return FittedPath(position, wxyz, np.asarray(track.half_extents, float), held, float(track.dt))


def _start(path: FittedPath, config: ReplayConfig) -> int:
    if not path.runs:
        return 0
    start = path.runs[0][0]
    while start > 0 and path.above_rest(start - 1) <= config.in_air_m:
        start -= 1
    return start


class _Builder:
    """Appends nodes; `wrist` is the bend in force."""

    def __init__(self, path: FittedPath, config: ReplayConfig, place: int):
        self.path, self.config, self.place = path, config, place
        self.nodes: list[Node] = []
        self.wrist = np.array([1.0, 0.0, 0.0, 0.0])

    def approach(self, begin: int, first: int, last: int) -> None:
        """Come with open pads to where the object was last seen at rest, and close; or begin closed on it."""
        path, grasp = self.path, max(first - 1, begin)
        if self.nodes:
            # The bend for another grasp is taken on far from the object, which the turning pads would sweep away.
            far = begin + int(np.argmax(np.linalg.norm(path.offset()[begin:first], axis=-1)))
            self.follow(begin, far)
            begin = far
        hand, moved = path.wxyz[grasp, HAND], path.wxyz[grasp : last + 1, MOVED]
        self.wrist = grasp_wrist(hand, moved, path.half_extents[MOVED], self.config.max_bend_rad)
        self.grasp = grasp, multiply(hand, self.wrist)
        self.follow(begin, first)
        self._add(path.position[grasp, MOVED], grasp, closed=first == begin)
        self._pause(grasp, closed=True)

    def follow(self, begin: int, end: int) -> None:
        """Follow the hand's path with open pads."""
        for frame in range(begin, end):
            self._add(self.path.position[frame, HAND], frame, closed=False, shown=frame)

    def carry(self, first: int, last: int) -> None:
        """Follow the object's path with closed pads."""
        for frame in range(first, last + 1):
            self._turn(frame)
            self._add(self.path.position[frame, MOVED], frame, closed=True, shown=frame)

    def let_go(self, last: int, keep: bool) -> None:
        """Open where the object is first seen on its own, or at the end of the video unless it is kept."""
        if last < len(self.path.held) - 1:
            self._turn(last + 1)
            self._add(self.path.position[last + 1, MOVED], last + 1, closed=True)
            self._pause(last + 1, closed=False)
        elif not keep:
            self._pause(last, closed=False)
            self._pause(last, closed=False, shown=last)

    def _turn(self, frame: int) -> None:
        if not self.config.rigid:
            at, gripper = self.grasp
            turned = multiply(self.path.wxyz[frame, MOVED], conjugate(self.path.wxyz[at, MOVED]))
            self.wrist = multiply(conjugate(self.path.wxyz[frame, HAND]), multiply(turned, gripper))

    def _add(self, position: np.ndarray, frame: int, closed: bool, shown: int = -1) -> None:
        wxyz = multiply(self.path.wxyz[frame, HAND], self.wrist)
        time = self.config.pause_s
        if self.nodes:
            wxyz = wxyz if self.nodes[-1].wxyz @ wxyz >= 0.0 else -wxyz
            time = self.nodes[-1].time + self._duration(position, wxyz)
        opening = 0.0 if closed else self._clear(position, wxyz, frame)
        self.nodes.append(Node(time, position, wxyz, self.wrist, opening, shown))

    def _duration(self, position: np.ndarray, wxyz: np.ndarray) -> float:
        before = self.nodes[-1]
        angle = 2.0 * np.arccos(np.clip(before.wxyz @ wxyz, -1.0, 1.0))
        moving = np.linalg.norm(position - before.position) / MAX_LINEAR_M_S
        return float(max(self.config.slower * self.path.dt, moving, angle / MAX_ANGULAR_RAD_S))

    def _pause(self, frame: int, closed: bool, shown: int = -1) -> None:
        last = self.nodes[-1]
        opening = 0.0 if closed else self._clear(last.position, last.wxyz, frame)
        time = last.time + self.config.pause_s
        self.nodes.append(Node(time, last.position, last.wxyz, last.wrist, opening, shown))

    def _clear(self, position: np.ndarray, wxyz: np.ndarray, frame: int) -> float:
        """Opening at which one pad is on either side of the object, wherever the hand is."""
        corners = self.path.corners(max(frame, self.place))
        aside = rotate(conjugate(wxyz)[None], corners - position)[:, 1]
        return float(np.abs(aside).max() + self.config.margin_m)
