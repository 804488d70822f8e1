"""Embedded demonstrations: made-up scenes of actions whose truth is known, seen as a video would show them.

They need no download, so a pipeline can be tried and its state estimation measured without any real video.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from real2sim_jax.core.actions import ACTIONS, RULE_NAMES, Action
from real2sim_jax.core.clock import CONTROL_HZ
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.predicates import Beside, Lifted, MovedBy, PoseWithin, TurnedBy, degrees, unit_vector
from real2sim_jax.core.rotations import multiply, rotate, wxyz_from_azimuth_elevation
from real2sim_jax.data.types import MOVED, BoxTrack, CuboidTrack, MaskTrack
from real2sim_jax.geometry.cameras import IMAGE_SIZE_PX, look_at_camera
from real2sim_jax.geometry.cuboids import HAND_HALF_EXTENTS_M
from real2sim_jax.rendering.raycast import body_masks

AWAY_M = 0.45
"""How far back along its own axis the hand waits: out of view in most scenes."""


@dataclass(frozen=True)
class Noise:
    """How the observation differs from the truth."""

    side_px: float = 3.0
    """Standard deviation of each box side."""
    hole_fraction: float = 0.2
    """Share of boxes that are missing."""
    visible_fraction: float = 0.15
    """A body of which less than this share of its whole silhouette is seen has no box."""


Interval = tuple[float, float]


@dataclass(frozen=True)
class SceneRanges:
    """What scenes are drawn from, each uniformly."""

    elevation_deg: Interval = (25.0, 50.0)
    """Of the camera."""
    distance_m: Interval = (0.6, 1.1)
    """Of the camera."""
    half_extents_m: tuple[tuple[float, ...], tuple[float, ...]] = ((0.02,) * 3, (0.06, 0.06, 0.07))
    """Smallest and largest half extents of objects."""
    log_sizes: bool = False
    """Draw the logarithms of sizes, so that small ones are as frequent as large ones."""
    acting_frames: tuple[int, int] = (15, 30)
    """How long the action takes, at 12 Hz."""
    lifted_away_m: Interval = (-0.05, 0.05)
    """How far what is lifted is carried away from the camera."""
    lifted_m: Interval = (0.08, 0.2)
    """How far it is lifted."""
    shown_behind: float | None = None
    """Share of the height that stays in view of what is put behind an anchor; as it comes when None."""


HARD_KINDS: dict[str, tuple[tuple[str, ...], SceneRanges]] = {
    "picked up towards the camera": (("pick_up",), SceneRanges(lifted_away_m=(-0.35, -0.15), lifted_m=(0.1, 0.35))),
    "a fifth in view": (("put_behind",), SceneRanges(shown_behind=0.2)),
    "2 to 40 cm": ((), SceneRanges(half_extents_m=((0.01,) * 3, (0.2,) * 3), log_sizes=True)),
    "cameras from 10 to 60 deg": ((), SceneRanges(elevation_deg=(10.0, 60.0))),
    "slow hands": ((), SceneRanges(acting_frames=(48, 97))),
}
"""Scenes that are harder to estimate, by kind: the actions that they are made of (none: all nine), and their ranges."""


def hard_tracks(
    kind: str, count: int, seed: int, noise: Noise | None = None
) -> list[tuple[Action, BoxTrack, CuboidTrack]]:
    """Return action, observed boxes and truth of `count` scenes of one of HARD_KINDS, of its actions by turns."""
    names, ranges = HARD_KINDS[kind]
    actions = [ACTIONS[name] for name in names or ACTIONS]
    shares = {action.name: -(-(count - i) // len(actions)) for i, action in enumerate(actions)}
    drawn = [
        (action, boxes, truth)
        for action in actions
        for boxes, truth in synthetic_tracks(action, shares[action.name], seed, noise, ranges)
    ]
    return drawn[:count]


def synthetic_tracks(
    action: Action, count: int, seed: int, noise: Noise | None = None, ranges: SceneRanges | None = None
) -> list[tuple[BoxTrack, CuboidTrack]]:
    """Return observed boxes and the truth of `count` scenes; the same seed gives the same scenes."""
    scenes = synthetic_scenes(action, count, seed, ranges)
    keys = np.random.SeedSequence([seed, action.seed, 1]).spawn(count)
    return [
        (observe_boxes(truth, np.random.default_rng(key), noise or Noise()), truth)
        for truth, key in zip(scenes, keys, strict=True)
    ]


def synthetic_scenes(action: Action, count: int, seed: int, ranges: SceneRanges | None = None) -> list[CuboidTrack]:
    """Return the truth of `count` scenes: cameras, sizes, places, speeds and entries of the hand all differ.

    UserError for an action whose course its record does not tell.
    """
    for one in action.success:
        if isinstance(one, PoseWithin) or (isinstance(one, TurnedBy) and one.axis != "up"):
            name = RULE_NAMES[type(one)]
            raise UserError(f"{action.name}: {name} tells no course to make up; give --tracks or --video")
    keys = np.random.SeedSequence([seed, action.seed, 0]).spawn(count)
    return [_scene(action, np.random.default_rng(key), ranges or SceneRanges()) for key in keys]


def observe_boxes(truth: CuboidTrack, generator: np.random.Generator, noise: Noise) -> BoxTrack:
    """Return boxes around the visible parts, clipped at the image border, with noise and holes."""
    boxes, visible = _visible_boxes(truth, noise.visible_fraction)
    boxes = boxes + generator.normal(0.0, noise.side_px, boxes.shape)
    limit = np.array([*IMAGE_SIZE_PX, *IMAGE_SIZE_PX], float)
    boxes = np.clip(boxes, 0.0, limit)
    whole = np.all(boxes[..., 2:] - boxes[..., :2] > 2, axis=-1)
    seen = np.array(visible & whole & (generator.random(visible.shape) >= noise.hole_fraction))
    for body in range(1, seen.shape[1]):
        # An object that never shows is no demonstration: the annotator would have drawn it once.
        seen[np.argmax(boxes[:, body, 3] * (boxes[:, body, 2] > boxes[:, body, 0])), body] |= not seen[:, body].any()
    return BoxTrack(
        boxes=np.where(seen[..., None], boxes, 0.0).astype(np.float32),
        seen=seen,
        touching=truth.touching,
        acting=truth.acting,
        valid=truth.valid,
        dt=truth.dt,
        image_size=np.asarray(IMAGE_SIZE_PX, np.float32),
    )


def observe_masks(truth: CuboidTrack, width: int = 128) -> MaskTrack:
    """Return exact masks of the visible parts, `width` px wide; a body counts as seen where any pixel shows it."""
    height = round(width * IMAGE_SIZE_PX[1] / IMAGE_SIZE_PX[0])
    masks, _ = body_masks(truth, width, height)
    return MaskTrack(
        masks=masks.astype(np.float32),
        seen=masks.any(axis=(2, 3)),  # type: ignore[arg-type]
        touching=truth.touching,
        acting=truth.acting,
        valid=truth.valid,
        dt=truth.dt,
        image_size=np.asarray(IMAGE_SIZE_PX, np.float32),
    )


def _visible_boxes(truth: CuboidTrack, visible_fraction: float) -> tuple[np.ndarray, np.ndarray]:
    width, height = IMAGE_SIZE_PX[0] // 2, IMAGE_SIZE_PX[1] // 2
    visible, whole = body_masks(truth, width, height)
    least = np.maximum(visible_fraction * whole.sum(axis=(2, 3)), 8)
    seen = visible.sum(axis=(2, 3)) > least
    boxes = np.zeros((*seen.shape, 4))
    step = np.array([IMAGE_SIZE_PX[0] / width, IMAGE_SIZE_PX[1] / height])
    for t, body in zip(*np.nonzero(seen), strict=True):
        rows, columns = np.nonzero(visible[t, body])
        corner = np.array([[columns.min(), rows.min()], [columns.max() + 1, rows.max() + 1]])
        boxes[t, body] = (corner * step).ravel()
    return boxes, seen


def _scene(action: Action, random: np.random.Generator, ranges: SceneRanges) -> CuboidTrack:
    """Make up one scene: first in the camera-aligned frame, then turned by the camera's azimuth."""
    camera_azimuth = np.deg2rad(random.uniform(-30, 30))
    elevation, distance = np.deg2rad(random.uniform(*ranges.elevation_deg)), random.uniform(*ranges.distance_m)
    half = np.stack([np.array(HAND_HALF_EXTENTS_M), *(_object_size(random, ranges) for _ in range(action.bodies - 1))])
    azimuth, tilt = _hand_angles(action, random)
    path = _path(action, half, azimuth, random, ranges)
    if action.has_anchor and ranges.shown_behind is not None:
        eye = distance * np.array([-np.cos(elevation), np.sin(elevation)])
        _hide(half, path, eye, ranges.shown_behind)
    frames = len(path.moved)
    hand_wxyz = wxyz_from_azimuth_elevation(azimuth + path.turned, np.full(frames, tilt))
    back = -rotate(hand_wxyz, np.tile([0.0, 0.0, 1.0], (frames, 1)))
    hand = path.moved + path.withdrawn[:, None] * AWAY_M * (back + np.array([0.0, 0.0, 0.15]))
    yaws = [path.yaw, *([np.full(frames, random.uniform(-0.4, 0.4))] * (action.bodies - 2))]
    places = [hand, path.moved, *([np.tile(path.anchor, (frames, 1))] * (action.bodies - 2))]
    wxyz = np.stack([hand_wxyz, *(_upright(yaw) for yaw in yaws)], axis=1)
    turn = np.broadcast_to(_upright(np.array([camera_azimuth]))[0], wxyz.shape)
    camera = look_at_camera(*(jnp.asarray(value) for value in (distance, camera_azimuth, elevation, IMAGE_SIZE_PX)))
    return CuboidTrack(
        half_extents=half.astype(np.float32),
        position=rotate(turn, np.stack(places, axis=1)).astype(np.float32),
        wxyz=multiply(turn, wxyz).astype(np.float32),
        touching=path.touching,
        acting=path.acting,
        valid=np.ones(frames, bool),
        dt=np.float32(1.0 / CONTROL_HZ),  # type: ignore[arg-type]
        camera=camera,
        quality={},
    )


@dataclass
class _Path:
    """A motion in the camera-aligned frame, T frames."""

    moved: np.ndarray
    yaw: np.ndarray
    turned: np.ndarray
    """(T,) rad by which hand and object have turned together."""
    anchor: np.ndarray
    withdrawn: np.ndarray
    """(T,) 0 while the hand is at the object, 1 far back along its axis."""
    touching: np.ndarray
    acting: np.ndarray


def _path(action: Action, half: np.ndarray, azimuth: float, random: np.random.Generator, ranges: SceneRanges) -> _Path:
    before, during = int(random.integers(6, 14)), int(random.integers(*ranges.acting_frames))
    # What is put somewhere is in the hand when it comes into view.
    before = 0 if action.starts_held else before
    after = 0 if action.ends_holding else int(random.integers(7, 14))
    frames = np.arange(before + during + after)
    acting = (frames >= before) & (frames < before + during)
    share = _smooth(np.clip((frames - before) / (during - 1), 0.0, 1.0))
    start, end, anchor, arc = _course(action, half, azimuth, random, ranges)
    moved = start + share[:, None] * (end - start)
    moved[:, 2] += arc * np.sin(np.pi * share)
    turned = share * np.deg2rad(sum(one.angle_deg for one in action.success if isinstance(one, TurnedBy)))
    yaw = random.uniform(-0.4, 0.4) + share * random.uniform(-0.3, 0.3) + turned
    arriving = 1.0 - _smooth(np.clip(frames / max(before - 1, 1), 0.0, 1.0))
    leaving = _smooth(np.clip((frames - before - during + 1) / max(after, 1), 0.0, 1.0)) * (after > 0)
    withdrawn = (0.0 if action.starts_held else arriving) + leaving
    return _Path(moved, yaw, turned, anchor, withdrawn, touching=acting.copy(), acting=acting)


def _course(
    action: Action, half: np.ndarray, azimuth: float, random: np.random.Generator, ranges: SceneRanges
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return where the moved object's centre starts and ends, the anchor's centre, and the height of the arc, m."""
    place = np.array([random.uniform(-0.05, 0.05), random.uniform(-0.06, 0.06), 0.0])
    standing = np.array([0.0, 0.0, half[MOVED, 2]])
    if not action.has_anchor:
        motion, rise = _motion(action, random, ranges)
        return place - 0.5 * motion + standing, place + 0.5 * motion + standing + rise, place, 0.0
    anchor = place + np.array([0.0, 0.0, half[-1, 2]])
    if action.goes_onto:
        aside = random.uniform(-0.3, 0.3, 2) * half[-1, :2]
        end = anchor + np.array([*aside, half[-1, 2] + half[MOVED, 2]])
    else:
        bearings = [degrees(way) for one in action.success if isinstance(one, Beside) for way in one.directions]
        bearing = np.deg2rad(random.choice(bearings) + random.uniform(-20, 20))
        apart = np.hypot(*half[-1, :2]) + np.hypot(*half[MOVED, :2]) + random.uniform(0.0, 0.04)
        end = place + standing + apart * np.array([np.cos(bearing), np.sin(bearing), 0.0])
    entry = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    start = end - random.uniform(0.3, 0.45) * entry + np.array([0.0, 0.0, random.uniform(0.05, 0.15)])
    if not action.starts_held:
        start[2] = half[MOVED, 2]
    return start, end, anchor, random.uniform(0.03, 0.1)


def _motion(action: Action, random: np.random.Generator, ranges: SceneRanges) -> tuple[np.ndarray, np.ndarray]:
    """Return how the moved object travels along the table (3,) m, and how it is lifted; more than what is asked for."""
    motion, rise = np.zeros(3), np.zeros(3)
    for one in action.success:
        if isinstance(one, MovedBy):
            along, across, ahead = random.uniform(0.12, 0.28), random.uniform(-0.04, 0.04), unit_vector(one.direction)
            aside = np.array([-ahead[1], ahead[0]])
            motion[:2] += (along + max(0.0, one.at_least_m - 0.05)) * ahead + across * aside
        elif isinstance(one, Lifted):
            rise += [random.uniform(*limits) for limits in ((-0.05, 0.05), ranges.lifted_away_m, ranges.lifted_m)]
            rise[2] += max(0.0, one.at_least_m - 0.01)
    return motion, rise


def _object_size(random: np.random.Generator, ranges: SceneRanges) -> np.ndarray:
    if ranges.log_sizes:
        return np.exp(random.uniform(*np.log(ranges.half_extents_m)))
    return random.uniform(*ranges.half_extents_m)


def _hide(half: np.ndarray, path: _Path, eye: np.ndarray, shown: float) -> None:
    """Make the anchor as wide and high as hides all but a share of what ends behind it, seen over its far edge.

    eye: y and z of the camera, (2,) m.
    """
    end, reach = path.moved[-1], half[MOVED]
    half[-1, 0] = max(half[-1, 0], abs(end[0] - path.anchor[0]) + reach[0])
    bottom = np.array([end[1] - reach[1], 0.0]) - eye
    top = np.array([end[1] + reach[1], 2.0 * reach[2]]) - eye
    low, high = np.arctan2(bottom[1], bottom[0]), np.arctan2(top[1], top[0])
    sight = np.tan(low + (1.0 - shown) * (high - low))
    half[-1, 2] = 0.5 * (eye[1] + sight * (path.anchor[1] + half[-1, 1] - eye[0]))
    path.anchor[2] = half[-1, 2]


def _hand_angles(action: Action, random: np.random.Generator) -> tuple[float, float]:
    """Azimuth and elevation rad; slides need the hand on one side, other hands come from the camera's half.

    The arm is the film maker's own or a neighbour's: it slopes less than the view.
    """
    middle = 90.0 if action.hand_azimuth_deg is None else action.hand_azimuth_deg
    return np.deg2rad(middle + random.uniform(-45, 45)), np.deg2rad(random.uniform(5, 30))


def _smooth(share: np.ndarray) -> np.ndarray:
    """The minimum-jerk course from 0 to 1 (Flash and Hogan, J. Neurosci. 1985)."""
    return share**3 * (10.0 - 15.0 * share + 6.0 * share**2)


def _upright(yaw: np.ndarray) -> np.ndarray:
    zero = np.zeros_like(yaw)
    return np.stack([np.cos(yaw / 2), zero, zero, np.sin(yaw / 2)], axis=-1)
