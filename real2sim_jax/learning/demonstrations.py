"""From a fitted track to what the robot is shown: the action in the object's frame, on the episode's clock.

Source: Petrik et al., CoRL 2020, section 4 (crop, scale, stretch onto the action window, retreat afterwards).
"""

from collections.abc import Sequence

import numpy as np

from real2sim_jax.benchmarks.reconstruction import START_HEIGHT_M, camera_aligned
from real2sim_jax.config.learning import DemonstrationConfig
from real2sim_jax.core.actions import Action
from real2sim_jax.core.clock import CONTROL_HZ, EPISODE_TIMES_S
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.rotations import (
    azimuth_elevation_from_wxyz,
    conjugate,
    multiply,
    rotate,
    wxyz_from_azimuth_elevation,
)
from real2sim_jax.data.types import ANCHOR, HAND, MOVED, CuboidTrack, Demonstration, stack


def demonstrate(track: CuboidTrack, action: Action, config: DemonstrationConfig | None = None) -> Demonstration:
    """Return the demonstration that a fitted video gives.

    World axes are the camera-aligned frame's; the origin is below the moved object's centre, at its bottom, in the
    first frame, or on the table below the anchor in every frame. Rotations of objects are relative to their first
    frame. A hand that puts something down is level, because the gripper holds it across its fingers; what is put onto
    a wide anchor ends nearer to its middle (see `anchor_radius_m`). Where the action begins with the object on the
    table and the video with the object in the hand, the hand takes it from the table below, and lifts it as fast as it
    then carries it. UserError when the track has no acting frame or
    another number of bodies than the action.
    """
    config = config or DemonstrationConfig()
    if track.position.shape[1] != action.bodies:
        raise UserError(f"{action.name}: expected a track of {action.bodies} bodies, got {track.position.shape[1]}")
    position, wxyz, touching = _acting_frames(track)
    position, wxyz = _camera_aligned(position, wxyz, float(track.camera.azimuth))
    position = config.scale * (position - _origin(position, action, float(track.half_extents[MOVED, 2])))
    if action.goes_onto:
        half = config.scale * np.asarray(track.half_extents[ANCHOR])
        position[:, :ANCHOR] += _inwards(position, wxyz, touching, half, config)
    if action.is_fetched:
        half_height = config.scale * float(track.half_extents[MOVED, 2])
        apart = action.gripper.reach_m + config.anchor_radius_m
        position, wxyz, touching = _fetched(position, wxyz, touching, half_height, apart)
    if action.has_anchor:
        wxyz[:, HAND] = _level(wxyz[:, HAND])
    wxyz[:, MOVED:] = multiply(wxyz[:, MOVED:], conjugate(wxyz[:1, MOVED:]))
    position[:, HAND] = np.where(touching[:, None], position[:, MOVED], position[:, HAND])
    times = EPISODE_TIMES_S
    start, end = config.window_s
    frame = np.clip((times - start) / (end - start), 0.0, 1.0) * (len(touching) - 1)
    after = times > end + 1e-9
    position = _lerp(position, frame)
    raised = position[:, MOVED] + np.array([0.0, 0.0, 0.0 if action.ends_holding else config.retreat_m])
    position[:, HAND] = np.where(after[:, None], raised, position[:, HAND])
    acting = (times >= start - 1e-9) & ~after
    return Demonstration(
        position=position.astype(np.float32),
        wxyz=_nlerp(wxyz, frame).astype(np.float32),
        grip=_grip(touching, frame, acting, after, action).astype(np.float32),
        acting=acting,
        half_extents=(config.scale * np.asarray(track.half_extents)).astype(np.float32),
        dt=np.float32(1.0 / CONTROL_HZ),  # type: ignore[arg-type]
    )


def comes_held(track: CuboidTrack) -> bool:
    """Whether the moved object does not stand on the table right before the hand touches it."""
    touching = np.asarray(track.touching, bool)[np.asarray(track.valid, bool)]
    return bool(camera_aligned(track).lowest()[max(np.argmax(touching) - 1, 0)] > START_HEIGHT_M)


def stack_demonstrations(demonstrations: Sequence[Demonstration]) -> Demonstration:
    """Put demonstrations of one action on a leading axis D; UserError when there is none."""
    if not demonstrations:
        raise UserError("no demonstration to stack: expected at least one fitted video")
    return stack(demonstrations)


def _fetched(
    position: np.ndarray, wxyz: np.ndarray, touching: np.ndarray, half_height: float, apart: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Put frames in front of (T, 3, 3) m, (T, 3, 4), (T,) in which the moved object is lifted off the table.

    It stands at least apart m from the anchor, which is at the origin, for an open gripper in between. No frames where
    it stands there anyway.
    """
    first = position[0, MOVED]
    place = np.array([*_moved_apart(first[:2], apart), min(half_height, first[2])])
    if np.allclose(place, first):
        return position, wxyz, touching
    steps = np.linalg.norm(np.diff(position[:, MOVED], axis=0), axis=-1)
    needed = np.linalg.norm(first - place) / max(steps.mean() if steps.size else 0.0, 1e-9)
    # At most half of what then happens is made up.
    count = int(np.clip(np.ceil(needed), 1, len(position)))
    lifted = np.repeat(position[:1], count, axis=0)
    lifted[:, :ANCHOR] += (place - first) * np.linspace(1.0, 0.0, count, endpoint=False)[:, None, None]
    still = np.repeat(wxyz[:1], count, axis=0)
    held = np.ones(count, bool)
    return np.concatenate([lifted, position]), np.concatenate([still, wxyz]), np.concatenate([held, touching])


def _moved_apart(place: np.ndarray, least: float) -> np.ndarray:
    """Move a place (2,) m away from the origin until it is at least that far from it."""
    distance = float(np.linalg.norm(place))
    return place * max(1.0, least / distance) if distance > 1e-6 else np.array([0.0, -least])


def _level(wxyz: np.ndarray) -> np.ndarray:
    """Orientations (T, 4) of hands that point the same way, level: a gripper holds what is to stand across itself."""
    azimuth, _ = azimuth_elevation_from_wxyz(wxyz)
    return wxyz_from_azimuth_elevation(azimuth, np.zeros_like(azimuth))


def _inwards(
    position: np.ndarray, wxyz: np.ndarray, touching: np.ndarray, half: np.ndarray, config: DemonstrationConfig
) -> np.ndarray:
    """Shift (3,) that puts the object in proportion as far from the centre of the robot's anchor as it was filmed.

    position (T, 3, 3) m and the anchor's half extents (3,) m are scaled already.
    """
    last = np.flatnonzero(touching)[-1] if touching.any() else len(touching) - 1
    offset = (position[last, MOVED] - position[last, ANCHOR]) * np.array([1.0, 1.0, 0.0])
    along = np.abs(rotate(conjugate(wxyz[last, ANCHOR]), offset))[:2] / half[:2]
    distance = np.linalg.norm(offset)
    edge = distance / max(along.max(), 1e-9)
    return offset * (min(1.0, config.anchor_radius_m / max(edge, 1e-9)) - 1.0)


def _acting_frames(track: CuboidTrack) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chosen = np.asarray(track.acting, bool) & np.asarray(track.valid, bool)
    if not chosen.any():
        raise UserError("the track has no frame of the action: expected at least one in `acting`")
    position, wxyz = np.asarray(track.position, float)[chosen], np.asarray(track.wxyz, float)[chosen]
    return position, wxyz, np.asarray(track.touching, bool)[chosen]


def _camera_aligned(position: np.ndarray, wxyz: np.ndarray, azimuth: float) -> tuple[np.ndarray, np.ndarray]:
    turn = np.array([np.cos(azimuth / 2.0), 0.0, 0.0, -np.sin(azimuth / 2.0)])
    turn = np.broadcast_to(turn, wxyz.shape)
    return rotate(turn, position), multiply(turn, wxyz)


def _origin(position: np.ndarray, action: Action, half_height: float) -> np.ndarray:
    """Origin (T, 1, 3): below the anchor, or where the moved object's bottom stands in the first frame."""
    if action.has_anchor:
        return (position[:, ANCHOR] * np.array([1.0, 1.0, 0.0]))[:, None]
    # The first frames of the action may come after the lift has begun; the robot's object starts on the table.
    first = position[0, MOVED] - np.array([0.0, 0.0, half_height])
    return np.broadcast_to(first, (len(position), 3))[:, None]


def _grip(touching: np.ndarray, frame: np.ndarray, acting: np.ndarray, after: np.ndarray, action: Action) -> np.ndarray:
    closed = touching[np.round(frame).astype(int)] & acting
    if action.starts_held:
        # The object starts in the hand, which holds it until the demonstrated contact has begun.
        closed |= np.arange(len(closed)) < np.argmax(closed)
    return np.where(after & action.ends_holding, True, closed).astype(float)


def _lerp(values: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Values (T, ...) at fractional frames (K,)."""
    low = np.floor(frame).astype(int)
    high = np.minimum(low + 1, len(values) - 1)
    share = (frame - low).reshape(-1, *([1] * (values.ndim - 1)))
    return (1.0 - share) * values[low] + share * values[high]


def _nlerp(wxyz: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Unit quaternions (T, B, 4) at fractional frames: interpolated along the shorter turn and normalised."""
    aligned = wxyz.copy()
    for t in range(1, len(aligned)):
        flip = np.sum(aligned[t] * aligned[t - 1], axis=-1, keepdims=True) < 0.0
        aligned[t] = np.where(flip, -aligned[t], aligned[t])
    mixed = _lerp(aligned, frame)
    return mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)
