"""How far a fitted track can be trusted: agreement with the boxes, and flags for what cannot be."""

import jax
import numpy as np

from real2sim_jax.fitting.losses import penetration_depth, without_hidden
from real2sim_jax.fitting.parameters import shown_position
from real2sim_jax.rendering.boxes import hard_boxes
from real2sim_jax.types import ANCHOR, HAND, MOVED, Array, BoxTrack, CuboidTrack

BODY_NAMES = {HAND: "hand", MOVED: "moved", ANCHOR: "anchor"}
MAX_PENETRATION_M = 0.01
MAX_ACCELERATION_M_S2 = 20.0
SIZE_RANGE_M = (0.01, 0.40)
LOST_FRACTION = 0.4
"""An object seen in fewer of the acting frames than this is lost."""
POOR_IOU = 0.5


def box_iou(a: Array, b: Array) -> np.ndarray:
    """Return intersection over union (...) of boxes (..., 4); 0 where both are empty."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    common = np.prod(np.maximum(high - low, 0.0), axis=-1)
    union = np.prod(np.maximum(a[..., 2:] - a[..., :2], 0.0), -1) + np.prod(
        np.maximum(b[..., 2:] - b[..., :2], 0.0), -1
    )
    return common / np.maximum(union - common, 1e-9)


def describe(track: CuboidTrack, observed: BoxTrack) -> CuboidTrack:
    """Return the track with `iou_BODY` (mean over the frames where it is seen) and `flag_NAME` (0 or 1) in quality.

    Padding of frames and bodies is left out of account; padded tracks of one shape share one compilation.
    """
    quality = {**track.quality, **agreement(track, observed), **plausibility(track, observed)}
    plain = {name: np.float32(value) for name, value in quality.items()}
    return track.replace(quality=plain)  # type: ignore[attr-defined]


def agreement(track: CuboidTrack, observed: BoxTrack) -> dict[str, float]:
    """Return the mean IoU of the projected with the observed boxes by body; bodies never seen are left out."""
    iou = box_iou(_projected(track, np.asarray(observed.seen).any(axis=0)), observed.boxes)
    seen = np.asarray(observed.seen)
    return {f"iou_{BODY_NAMES[b]}": float(iou[seen[:, b], b].mean()) for b in range(seen.shape[1]) if seen[:, b].any()}


@jax.jit
def _projected(track: CuboidTrack, present: Array) -> Array:
    shown = shown_position(track, track.quality["hand_reach"])
    return without_hidden(hard_boxes(track.half_extents, shown, track.wxyz, track.camera), track, present)


@jax.jit
def _depths(track: CuboidTrack) -> Array:
    return penetration_depth(track)


def plausibility(track: CuboidTrack, observed: BoxTrack) -> dict[str, float]:
    """Return largest penetration (m) and acceleration (m/s^2), and a flag for each thing that cannot be."""
    valid, seen = np.asarray(observed.valid, bool), np.asarray(observed.seen)
    present = [body for body in range(MOVED, seen.shape[1]) if seen[:, body].any()]
    depth = float(np.max(_depths(track)[valid])) if ANCHOR in present else 0.0
    path = np.asarray(track.position, float)[valid][:, : MOVED + 1]
    acceleration = np.diff(path, n=2, axis=0) / float(track.dt) ** 2
    fastest = float(np.linalg.norm(acceleration, axis=-1).max(initial=0.0))
    sizes = 2.0 * np.asarray(track.half_extents)[present]
    acting = np.asarray(observed.acting, bool) & valid
    seen = seen[acting if acting.any() else valid]
    return {
        "penetration_m": depth,
        "acceleration_m_s2": fastest,
        "flag_penetration": float(depth > MAX_PENETRATION_M),
        "flag_jerky": float(fastest > MAX_ACCELERATION_M_S2),
        "flag_size": float((sizes < SIZE_RANGE_M[0]).any() or (sizes > SIZE_RANGE_M[1]).any()),
        "flag_lost_object": float(seen[:, MOVED].mean() < LOST_FRACTION),
        "flag_no_hand": float(not seen[:, HAND].any()),
    }
