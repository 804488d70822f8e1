"""How near a fit comes to a truth that is known: errors of place, hand and camera once the global scale is removed.

Boxes alone do not tell how large a scene is: a fit twice as large, seen from twice as far, looks the same.
"""

from dataclasses import dataclass

import numpy as np

from real2sim_jax.benchmarks.reconstruction import camera_aligned
from real2sim_jax.core.rotations import azimuth_elevation_from_wxyz, wrap
from real2sim_jax.data.types import ANCHOR, HAND, MOVED, CuboidTrack


@dataclass(frozen=True)
class Recovery:
    """Medians over the frames of one video in which the body is seen; NaN for a body that is never seen."""

    moved_m: np.ndarray
    """(3,) error of the moved object's centre along camera-aligned x, depth and height, in metres of the truth."""
    anchor_m: np.ndarray
    """(3,) the same of the anchor."""
    moved_size: np.ndarray
    """(3,) by what share of the truth the moved object's half extents are off."""
    hand_azimuth_deg: float
    camera_elevation_deg: float


def recovery(truth: CuboidTrack, fit: CuboidTrack, seen: np.ndarray) -> Recovery:
    """Return the errors of a fit; seen (T, B) bool. The scale is that of the cameras' distances."""
    scale = float(truth.camera.distance) / float(fit.camera.distance)
    true, found = camera_aligned(truth), camera_aligned(fit)
    seen = np.asarray(seen, bool)[np.asarray(truth.valid, bool)]
    place = np.abs(scale * found.position - true.position)
    angles = [azimuth_elevation_from_wxyz(scene.wxyz[:, HAND])[0] for scene in (true, found)]
    turned = np.degrees(np.abs(wrap(angles[1] - angles[0])))
    tilt = abs(float(fit.camera.elevation) - float(truth.camera.elevation))
    anchor = place[:, ANCHOR][seen[:, ANCHOR]] if place.shape[1] > ANCHOR else place[:0, MOVED]
    return Recovery(
        moved_m=_median(place[:, MOVED][seen[:, MOVED]]),
        anchor_m=_median(anchor),
        moved_size=np.abs(scale * fit.half_extents[MOVED] / truth.half_extents[MOVED] - 1.0),
        hand_azimuth_deg=float(_median(turned[seen[:, HAND], None])[0]),
        camera_elevation_deg=float(np.degrees(tilt)),
    )


def contact_f1(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the harmonic mean of precision and recall of contact frames, (T,) bool each; 1 when neither has any."""
    both, total = np.sum(found & truth), np.sum(found) + np.sum(truth)
    return float(2.0 * both / total) if total else 1.0


def _median(values: np.ndarray) -> np.ndarray:
    return np.median(values, axis=0) if len(values) else np.full(values.shape[1:], np.nan)
