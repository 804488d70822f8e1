"""What the 3D page shows, as data: bodies, paths and pictures of three scenes side by side on one clock.

The video, the demonstration made of it and an episode of a policy run together: the video's acting frames take the part
of the episode that the demonstration stretches them onto, so all three do the same at the same time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from real2sim_jax.config.learning import DemonstrationConfig
from real2sim_jax.core.gripper import PUBLISHED, Gripper
from real2sim_jax.core.rotations import rotate
from real2sim_jax.data.types import HAND, MOVED, CuboidTrack, Demonstration
from real2sim_jax.geometry.cuboids import body_centres
from real2sim_jax.simulation.types import Trajectory
from real2sim_jax.viewers.fit import COLOURS
from real2sim_jax.viewers.rollout import FINGER, PALM

Colour = tuple[int, int, int]
NAMES = ("hand", "moved", "anchor")
GAP_M = 0.2
"""Between neighbouring scenes."""
HAND_OPACITY = 0.6
"""A forearm hides what it holds."""


@dataclass(frozen=True)
class Body:
    """A rigid body over time."""

    name: str
    shape: Literal["box", "cylinder"]
    size: tuple[float, float, float]
    """m: full lengths of a box; diameter, diameter, height of a cylinder, whose axis is z."""
    colour: Colour
    position: np.ndarray
    """(K, 3) m, centre."""
    wxyz: np.ndarray
    """(K, 4)."""
    opacity: float = 1.0


@dataclass(frozen=True)
class Film:
    """The video's picture at each sample, upright behind its scene."""

    frames: Sequence[np.ndarray]
    """(H, W, 3) uint8."""
    shown: np.ndarray
    """(K,) index into frames."""


@dataclass(frozen=True)
class Scene:
    """One of the scenes, around an origin of its own on the table."""

    title: str
    bodies: tuple[Body, ...]
    film: Film | None = None
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Where it stands on the page's table, m."""

    @property
    def span(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner, (3,) m each, of what its bodies may ever reach, around its own origin."""
        reach = [(body.position, 0.5 * np.linalg.norm(body.size)) for body in self.bodies]
        low = np.min([np.nanmin(position, axis=0) - radius for position, radius in reach], axis=0)
        return low, np.max([np.nanmax(position, axis=0) + radius for position, radius in reach], axis=0)


def side_by_side(scenes: Sequence[Scene]) -> list[Scene]:
    """Return the scenes at origins along x at which none reaches into another, about the middle of the page."""
    edges, x = [], 0.0
    for scene in scenes:
        low, high = scene.span
        edges.append(x - low[0])
        x += high[0] - low[0] + GAP_M
    middle = 0.5 * (x - GAP_M)
    return [replace(s, origin=(float(edge - middle), 0.0, 0.0)) for s, edge in zip(scenes, edges, strict=True)]


def frames_at(track: CuboidTrack, times: np.ndarray, config: DemonstrationConfig | None = None) -> np.ndarray:
    """Return the frame (K,) of a video at times (K,) s of the episode.

    Acting frames fill the window that demonstrations are stretched onto; those before and after go on at that rate.
    """
    config = config or DemonstrationConfig()
    valid = np.flatnonzero(np.asarray(track.valid, bool))
    acting = np.flatnonzero(np.asarray(track.acting, bool) & np.asarray(track.valid, bool))
    first, last = (acting if len(acting) else valid)[[0, -1]]
    start, end = config.window_s
    frame = first + (np.asarray(times) - start) / (end - start) * max(last - first, 1)
    return np.clip(np.round(frame).astype(int), valid[0], valid[-1])


def video_scene(title: str, track: CuboidTrack, times: np.ndarray, film: Sequence[np.ndarray] = ()) -> Scene:
    """Return the fitted cuboids at times (K,) s; `film` has a picture for each valid frame, or none at all."""
    frames, valid = frames_at(track, times), np.flatnonzero(np.asarray(track.valid, bool))
    bodies = _cuboids(
        np.asarray(track.half_extents), np.asarray(track.position)[frames], np.asarray(track.wxyz)[frames]
    )
    if not len(film):
        return Scene(title, bodies)
    shown = np.clip(np.searchsorted(valid, frames), 0, len(film) - 1)
    return Scene(title, bodies, Film(film, shown))


def demonstration_scene(title: str, demonstration: Demonstration, times: np.ndarray) -> Scene:
    """Return a demonstration (unstacked) at times (K,) s, in the task frame."""
    rows = _rows(times, float(demonstration.dt), len(demonstration.grip))
    position, wxyz = np.asarray(demonstration.position)[rows], np.asarray(demonstration.wxyz)[rows]
    return Scene(title, _cuboids(np.asarray(demonstration.half_extents), position, wxyz))


def episode_scene(title: str, trajectory: Trajectory, times: np.ndarray, gripper: Gripper = PUBLISHED) -> Scene:
    """Return an episode's gripper and cylinders at times (K,) s, in the task frame."""
    rows = _rows(times, float(trajectory.dt), len(trajectory.opening))
    position, wxyz = np.asarray(trajectory.object_position)[rows], np.asarray(trajectory.object_wxyz)[rows]
    sizes = zip(np.asarray(trajectory.radii), np.asarray(trajectory.heights), strict=True)
    objects = [
        Body(
            NAMES[MOVED + i],
            "cylinder",
            (2.0 * float(radius), 2.0 * float(radius), float(height)),
            COLOURS[MOVED + i],
            position[:, i],
            wxyz[:, i],
        )
        for i, (radius, height) in enumerate(sizes)
    ]
    return Scene(title, (*objects, *_gripper(trajectory, rows, gripper)))


def _gripper(trajectory: Trajectory, rows: np.ndarray, gripper: Gripper) -> list[Body]:
    position, wxyz = np.asarray(trajectory.gripper_position)[rows], np.asarray(trajectory.gripper_wxyz)[rows]
    boxes = gripper.boxes(np.asarray(trajectory.opening)[rows])
    looks = ("palm", PALM), ("finger0", FINGER), ("finger1", FINGER)
    return [
        Body(name, "box", _full(half), colour, position + rotate(wxyz, np.stack([0.0 * y, y, 0.0 * y + z], -1)), wxyz)
        for (name, colour), (y, z, half) in zip(looks, boxes, strict=True)
    ]


def _cuboids(half: np.ndarray, position: np.ndarray, wxyz: np.ndarray) -> tuple[Body, ...]:
    """The bodies of half extents (B, 3) m at position (K, B, 3) m, of the hand its tip, and wxyz (K, B, 4)."""
    centres = np.asarray(body_centres(half, position, wxyz))
    return tuple(
        Body(
            NAMES[b],
            "box",
            _full(half[b]),
            COLOURS[b],
            centres[:, b],
            wxyz[:, b],
            HAND_OPACITY if b == HAND else 1.0,
        )
        for b in range(len(half))
    )


def _full(half: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    x, y, z = (2.0 * float(length) for length in half)
    return x, y, z


def _rows(times: np.ndarray, dt: float, count: int) -> np.ndarray:
    return np.clip(np.round(np.asarray(times) / dt).astype(int), 0, count - 1)
