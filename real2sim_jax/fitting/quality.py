"""How far a fitted track can be trusted: agreement with the boxes, and flags for what cannot be."""

import jax
import numpy as np

from real2sim_jax.core.rotations import conjugate, rotate
from real2sim_jax.data.types import ANCHOR, HAND, MOVED, Array, BoxTrack, CuboidTrack
from real2sim_jax.fitting.losses import penetration_depth, without_hidden
from real2sim_jax.fitting.parameters import shown_position
from real2sim_jax.fitting.prepare import BODIES, padded_length
from real2sim_jax.geometry.cuboids import vertical_half_extent
from real2sim_jax.perception.boxes import box_iou
from real2sim_jax.rendering.boxes import hard_boxes

BODY_NAMES = {HAND: "hand", MOVED: "moved", ANCHOR: "anchor"}
MAX_PENETRATION_M = 0.01
MAX_HOVERING_M = 0.01
MAX_ACCELERATION_M_S2 = 20.0
SIZE_RANGE_M = (0.01, 0.40)
LOST_FRACTION = 0.4
"""An object seen in fewer of the acting frames than this is lost."""
POOR_IOU = 0.5
FRAMES_MULTIPLE = 24


def describe(track: CuboidTrack, observed: BoxTrack, **more: float) -> CuboidTrack:
    """Return the track with more in its quality: `iou_BODY` (mean over frames where it is seen), `flag_NAME` (0 or 1).

    Padding of frames and bodies is left out of account; padded tracks of one shape share one compilation.
    """
    quality = {**track.quality, **agreement(track, observed), **plausibility(track, observed), **more}
    plain = {name: np.float32(value) for name, value in quality.items()}
    return track.replace(quality=plain)  # type: ignore[attr-defined]


def agreement(track: CuboidTrack, observed: BoxTrack) -> dict[str, float]:
    """Return the mean IoU of projected and observed boxes by body that is ever seen, and whether one is poor."""
    iou, seen = iou_over_time(track, observed), np.asarray(observed.seen, bool)
    means = {BODY_NAMES[b]: float(iou[seen[:, b], b].mean()) for b in range(seen.shape[1]) if seen[:, b].any()}
    poor = any(value < POOR_IOU for value in means.values())
    return {**{f"iou_{name}": value for name, value in means.items()}, "flag_poor_fit": float(poor)}


def iou_over_time(track: CuboidTrack, observed: BoxTrack) -> np.ndarray:
    """Return the IoU of the projected with the observed boxes, (T, B), NaN where a body is not seen."""
    seen = np.asarray(observed.seen, bool)
    present = np.pad(seen.any(axis=0), (0, BODIES - seen.shape[1]))
    boxes = np.asarray(_projected(padded(track), present))[: seen.shape[0], : seen.shape[1]]
    return np.where(seen, box_iou(boxes, observed.boxes), np.nan)


def padded(track: CuboidTrack) -> CuboidTrack:
    """Return the track with three bodies and a multiple of 24 frames, the last body and frame repeated.

    Few shapes are few compilations. Of the quality only the hand's reach is kept.
    """
    frames, bodies = np.asarray(track.position).shape[:2]
    extra = (0, padded_length(frames, FRAMES_MULTIPLE) - frames), (0, BODIES - bodies)
    times = {name: np.pad(np.asarray(getattr(track, name), bool), extra[0]) for name in ("touching", "acting", "valid")}
    return track.replace(  # type: ignore[attr-defined]
        half_extents=np.pad(np.asarray(track.half_extents, np.float32), (extra[1], (0, 0)), mode="edge"),
        position=np.pad(np.asarray(track.position, np.float32), (*extra, (0, 0)), mode="edge"),
        wxyz=np.pad(np.asarray(track.wxyz, np.float32), (*extra, (0, 0)), mode="edge"),
        dt=np.float32(track.dt),
        camera=jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), track.camera),
        quality={"hand_reach": np.float32(track.quality.get("hand_reach", 0.0))},
        **times,
    )


@jax.jit
def _projected(track: CuboidTrack, present: Array) -> Array:
    shown = shown_position(track, track.quality["hand_reach"])
    return without_hidden(hard_boxes(track.half_extents, shown, track.wxyz, track.camera), track, present)


@jax.jit
def _depths(track: CuboidTrack) -> Array:
    return penetration_depth(track)


def plausibility(track: CuboidTrack, observed: BoxTrack) -> dict[str, float]:
    """Return hovering and penetration (m), acceleration (m/s^2), and a flag for each thing that cannot be."""
    valid, seen = np.asarray(observed.valid, bool), np.asarray(observed.seen, bool)
    facts = measures(track, seen, valid)
    hovering = max(facts["hover_m"], facts["sink_m"])
    too_small, too_large = facts["size_min_m"] < SIZE_RANGE_M[0], facts["size_max_m"] > SIZE_RANGE_M[1]
    acting = np.asarray(observed.acting, bool) & valid
    shown = seen[acting if acting.any() else valid]
    return {
        "penetration_m": facts["penetration_m"],
        "hovering_m": hovering,
        "acceleration_m_s2": facts["acceleration_m_s2"],
        "flag_penetration": float(facts["penetration_m"] > MAX_PENETRATION_M),
        "flag_hovering": float(hovering > MAX_HOVERING_M),
        "flag_jerky": float(facts["acceleration_m_s2"] > MAX_ACCELERATION_M_S2),
        "flag_size": float(too_small or too_large),
        "flag_lost_object": float(shown[:, MOVED].mean() < LOST_FRACTION),
        "flag_no_hand": float(not shown[:, HAND].any()),
    }


def measures(track: CuboidTrack, seen: np.ndarray, valid: np.ndarray) -> dict[str, float]:
    """Return the extremes of a track by name: distances in m, acceleration of hand and moved object in m/s^2.

    seen (T, B) and valid (T,) bool. An object that was never seen is left out. `hover_m` and `sink_m` say how far the
    moved object is above and below its support while nothing touches it, in frames since it has first been seen.
    """
    present = [body for body in range(MOVED, seen.shape[1]) if seen[:, body].any()]
    anchored = ANCHOR in present
    loose = valid & ~np.asarray(track.touching, bool) & np.maximum.accumulate(seen[:, MOVED])
    gap = support_gap(track, anchored)[loose]
    depths = np.asarray(_depths(padded(track)))[: len(valid)] if anchored else np.zeros(len(valid))
    path = np.asarray(track.position, float)[valid][:, : MOVED + 1]
    acceleration = np.linalg.norm(np.diff(path, n=2, axis=0), axis=-1) / float(track.dt) ** 2
    sizes = 2.0 * np.asarray(track.half_extents, float)[present or [MOVED]]
    return {
        "hover_m": float(gap.max(initial=0.0)),
        "sink_m": float(np.abs(gap.min(initial=0.0))),
        "penetration_m": float(depths[valid].max(initial=0.0)),
        "acceleration_m_s2": float(acceleration.max(initial=0.0)),
        "size_min_m": float(sizes.min()),
        "size_max_m": float(sizes.max()),
    }


def support_gap(track: CuboidTrack, anchored: bool) -> np.ndarray:
    """Return how far the moved object's lowest corner is above what supports it, (T,) m, negative where below.

    That is the anchor's top where the object's centre is over the anchor's footprint, and the table elsewhere.
    """
    half, position, wxyz = (np.asarray(value, float) for value in (track.half_extents, track.position, track.wxyz))
    bottom = position[:, MOVED, 2] - vertical_half_extent(half[MOVED], wxyz[:, MOVED])
    if not anchored:
        return bottom
    apart = rotate(conjugate(wxyz[:, ANCHOR]), position[:, MOVED] - position[:, ANCHOR])
    over = np.all(np.abs(apart[:, :2]) <= half[ANCHOR, :2], axis=-1)
    top = position[:, ANCHOR, 2] + vertical_half_extent(half[ANCHOR], wxyz[:, ANCHOR])
    return bottom - np.where(over, top, 0.0)
