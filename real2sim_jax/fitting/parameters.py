"""What the fit adjusts, and how free numbers become a scene that keeps its bounds by construction.

Every quantity has one bijection between an unbounded free number and its range (`BIJECTIONS`): starts, losses and
results all go through it. The camera's azimuth is a free choice of the world's axes and is fixed at 0.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from real2sim_jax.core.rotations import conjugate, multiply, rotate, wxyz_from_azimuth_elevation, wxyz_from_rotvec
from real2sim_jax.data.types import ANCHOR, HAND, MOVED, Array, BoxTrack, CuboidTrack, MaskTrack
from real2sim_jax.geometry.cameras import look_at_camera
from real2sim_jax.geometry.cuboids import vertical_half_extent


@struct.dataclass
class Parameters:
    """Quantities of one video; in free form each is an unbounded number of order one, decoded it has this meaning.

    Lengths are in units of the camera's distance ("u"): the image does not change with the distance then, so that the
    scale of the scene is one number, settled by what is known of sizes.
    """

    distance: Array
    """() m, of the camera."""
    elevation: Array
    """() rad, of the camera."""
    half_extents: Array
    """(3, 3) u, rows hand (radius, unused, half length), moved object, anchor."""
    moved_xy: Array
    """(T, 2) u."""
    moved_lift: Array
    """(T,) u between the moved object's lowest point and the table, while it may be in the air."""
    moved_yaw: Array
    """(T,) rad."""
    moved_tilt: Array
    """(T, 2) rad about the horizontal axes, while it may be in the air."""
    anchor_xy: Array
    """(2,) u."""
    anchor_yaw: Array
    """() rad."""
    hand_position: Array
    """(T, 3) u of the tip, while it does not touch."""
    hand_azimuth: Array
    """(T,) rad."""
    hand_elevation: Array
    """(T,) rad, positive pointing down."""
    hand_reach: Array
    """() The share of the distance from the object's centre to its surface that hides the hand while it touches: 0 when
    fingers wrap around what they hold, 1 when they only push."""


@struct.dataclass
class ContactConstraints:
    """What contact and the kind of action say about each frame of one video."""

    present: Array
    """(3,) bool: which bodies take part."""
    airborne: Array
    """(T,) bool: something may hold the moved object above its support."""
    released: Array
    """(T,) bool: the moved object has been put down, on the table or on the anchor."""


@dataclass(frozen=True)
class Bijection:
    """An increasing map from the real line onto a range, and back."""

    forward: Callable[[Array], Array]
    inverse: Callable[[Array], Array]


def between(low: float, high: float) -> Bijection:
    """Onto (low, high), through the logistic function."""

    def inverse(value: Array) -> Array:
        share = jnp.clip((value - low) / (high - low), 1e-4, 1.0 - 1e-4)
        return jnp.log(share) - jnp.log1p(-share)

    return Bijection(lambda free: low + (high - low) * jax.nn.sigmoid(free), inverse)


def between_log(low: float, high: float) -> Bijection:
    """Onto (low, high) with equal steps in ratio."""
    inner = between(math.log(low), math.log(high))
    return Bijection(lambda free: jnp.exp(inner.forward(free)), lambda value: inner.inverse(jnp.log(value)))


def above_zero(scale: float) -> Bijection:
    """Onto (0, inf): softplus, nearly linear above `scale`."""

    def inverse(value: Array) -> Array:
        ratio = jnp.maximum(value / scale, 1e-3)
        return scale * (ratio + jnp.log(-jnp.expm1(-ratio)))

    return Bijection(lambda free: scale * jax.nn.softplus(free / scale), inverse)


def unbounded() -> Bijection:
    """The identity, for angles that may turn without end."""
    return Bijection(lambda free: free, lambda value: value)


BIJECTIONS = Parameters(
    distance=between_log(0.3, 3.0),  # type: ignore[arg-type]
    elevation=between(0.0, 1.31),  # type: ignore[arg-type]
    half_extents=between_log(0.005, 0.5),  # type: ignore[arg-type]
    moved_xy=between(-2.0, 2.0),  # type: ignore[arg-type]
    moved_lift=above_zero(0.01),  # type: ignore[arg-type]
    moved_yaw=unbounded(),  # type: ignore[arg-type]
    moved_tilt=between(-1.2, 1.2),  # type: ignore[arg-type]
    anchor_xy=between(-2.0, 2.0),  # type: ignore[arg-type]
    anchor_yaw=unbounded(),  # type: ignore[arg-type]
    hand_position=between(-2.0, 2.0),  # type: ignore[arg-type]
    hand_azimuth=unbounded(),  # type: ignore[arg-type]
    hand_elevation=between(-1.2, 1.45),  # type: ignore[arg-type]
    hand_reach=between(0.0, 1.2),  # type: ignore[arg-type]
)
"""Camera elevation 0..75 deg as in Petrik et al., CoRL 2020."""


OVER_TIME = (
    "moved_xy",
    "moved_lift",
    "moved_yaw",
    "moved_tilt",
    "hand_position",
    "hand_azimuth",
    "hand_elevation",
)
"""Quantities with a value per frame; their free form is the control points of a cubic spline over the frames."""
FRAMES_PER_KNOT = 3
"""A hand does not change its motion faster than a few times per second; fewer numbers also converge sooner."""


def spline_basis(frames: int) -> np.ndarray:
    """Return the weights (frames, C) of the control points in each frame: uniform cubic B-splines (de Boor, 1978)."""
    controls = -(-(frames - 1) // FRAMES_PER_KNOT) + 3
    apart = np.abs(np.arange(frames)[:, None] / FRAMES_PER_KNOT - (np.arange(controls) - 1)[None, :])
    near = (4.0 - 6.0 * apart**2 + 3.0 * apart**3) / 6.0
    far = np.maximum(2.0 - apart, 0.0) ** 3 / 6.0
    return np.where(apart < 1.0, near, far).astype(np.float32)


def to_free(values: Parameters) -> Parameters:
    """Return the free form of quantities; values at or beyond a bound end just inside it, motions are smoothed."""
    free = {name: getattr(BIJECTIONS, name).inverse(jnp.asarray(v)) for name, v in vars(values).items()}
    frames = len(values.hand_azimuth)
    basis = spline_basis(frames)
    # A little damping: the control points beyond both ends are hardly determined.
    smoother = np.linalg.solve(basis.T @ basis + 1e-3 * np.eye(basis.shape[1]), basis.T).astype(np.float32)
    return Parameters(**{name: _along_time(smoother, v) if name in OVER_TIME else v for name, v in free.items()})


def from_free(free: Parameters, frames: int) -> Parameters:
    """Return the quantities that free numbers stand for, over this many frames."""
    basis = spline_basis(frames)
    spread = {name: _along_time(basis, v) if name in OVER_TIME else v for name, v in vars(free).items()}
    return Parameters(**{name: getattr(BIJECTIONS, name).forward(v) for name, v in spread.items()})


def _along_time(weights: np.ndarray, values: Array) -> Array:
    return jnp.tensordot(jnp.asarray(weights), values, axes=1)


def decode(
    free: Parameters, observed: BoxTrack | MaskTrack, rules: ContactConstraints, on_anchor: Array
) -> CuboidTrack:
    """Return the scene of three bodies that free parameters describe; contact and support hold exactly.

    While the hand touches, its tip is the moved object's centre. A moved object that nothing holds rests on the
    table, or once released on top of the anchor when `on_anchor` () bool.
    """
    p = from_free(free, len(observed.valid))
    # The forearm is as wide as it is high: its second extent follows the first.
    half = jnp.asarray(p.half_extents).at[HAND, 1].set(p.half_extents[HAND, 0])
    anchor_wxyz = _upright(p.anchor_yaw)
    anchor_position = jnp.concatenate([p.anchor_xy, half[ANCHOR, 2:]])
    moved_position, moved_wxyz = _moved(p, half, rules, on_anchor)
    touching = observed.touching[:, None]
    hand_position = jnp.where(touching, moved_position, p.hand_position)
    hand_wxyz = wxyz_from_azimuth_elevation(p.hand_azimuth, p.hand_elevation)
    frames = p.hand_position.shape[0]
    position = [hand_position, moved_position, jnp.broadcast_to(anchor_position, (frames, 3))]
    wxyz = [hand_wxyz, moved_wxyz, jnp.broadcast_to(anchor_wxyz, (frames, 4))]
    camera = look_at_camera(p.distance, jnp.zeros(()), p.elevation, observed.image_size)
    times = {name: getattr(observed, name) for name in ("touching", "acting", "valid", "dt")}
    poses = p.distance * half, p.distance * jnp.stack(position, 1), jnp.stack(wxyz, 1)
    # Without the barrier XLA copies all of this into every user of a pose: twice as much to compile.
    return CuboidTrack(*jax.lax.optimization_barrier(poses), camera=camera, quality={}, **times)


def shown_position(track: CuboidTrack, reach: Array) -> Array:
    """Return the positions (T, B, 3) m at which the bodies show: a touching hand's tip is drawn back by its reach.

    The tip is at the object's centre by convention, where nobody sees it.
    """
    axis = rotate(track.wxyz[:, HAND], jnp.asarray([0.0, 0.0, 1.0]))
    inside = jnp.abs(rotate(conjugate(track.wxyz[:, MOVED]), axis))
    to_surface = jnp.min(track.half_extents[MOVED] / jnp.maximum(inside, 0.05), axis=-1)
    back = jnp.where(track.touching, reach * to_surface, 0.0)[:, None] * axis
    return jnp.asarray(track.position).at[:, HAND].add(-back)


def _moved(p: Parameters, half: Array, rules: ContactConstraints, on_anchor: Array) -> tuple[Array, Array]:
    tilt = jnp.where(rules.airborne[:, None], p.moved_tilt, 0.0)
    tilt_wxyz = wxyz_from_rotvec(jnp.concatenate([tilt, jnp.zeros_like(tilt[:, :1])], axis=-1))
    wxyz = multiply(_upright(p.moved_yaw), tilt_wxyz)
    support = jnp.where(rules.released & on_anchor, 2.0 * half[ANCHOR, 2], 0.0)
    bottom = jnp.where(rules.airborne, p.moved_lift, support)
    height = bottom + vertical_half_extent(half[MOVED], wxyz)
    return jnp.concatenate([p.moved_xy, height[:, None]], axis=-1), wxyz


def _upright(yaw: Array) -> Array:
    zero = jnp.zeros_like(yaw)
    return jnp.stack([jnp.cos(yaw / 2.0), zero, zero, jnp.sin(yaw / 2.0)], axis=-1)
