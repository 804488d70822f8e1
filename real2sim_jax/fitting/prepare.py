"""From tracks of any length to the one shape that the fit is compiled for, and back."""

import jax
import numpy as np

from real2sim_jax.core.actions import Action
from real2sim_jax.data.types import MOVED, BoxTrack, CuboidTrack
from real2sim_jax.fitting.parameters import ContactConstraints

BODIES = 3
END_FRAMES = 2


def padded_length(frames: int, multiple: int) -> int:
    """Return the next multiple of `multiple` that holds `frames`."""
    return -(-frames // multiple) * multiple


def pad_track(track: BoxTrack, frames: int) -> BoxTrack:
    """Return the track with `frames` frames (repeating the last, not valid, nothing seen) and three bodies."""
    missing = frames - len(track.valid)
    bodies = BODIES - track.seen.shape[1]
    return BoxTrack(
        boxes=np.pad(np.asarray(track.boxes, np.float32), ((0, missing), (0, bodies), (0, 0)), mode="constant"),
        seen=np.pad(np.asarray(track.seen, bool), ((0, missing), (0, bodies))),
        touching=np.pad(np.asarray(track.touching, bool), (0, missing), mode="edge"),
        acting=np.pad(np.asarray(track.acting, bool), (0, missing)),
        valid=np.pad(np.asarray(track.valid, bool), (0, missing)),
        dt=np.float32(track.dt),  # type: ignore[arg-type]
        image_size=np.asarray(track.image_size, np.float32),
    )


def contact_constraints(action: Action, track: BoxTrack) -> ContactConstraints:
    """Return what contact says of the moved object in each frame of a padded track.

    An object that may leave the table is in the air at most while it is held, before it first comes into view, and
    after it was picked up where the hand holds on. What is put down beside or onto something stands in the last frames,
    even if the hand is still there: nobody films half of an action.
    """
    frames = np.arange(len(track.valid))
    touching, seen = np.asarray(track.touching), np.asarray(track.seen)[:, MOVED]
    first_seen = np.flatnonzero(seen)[0] if seen.any() else 0
    held = np.flatnonzero(touching) if touching.any() else frames
    standing = np.flatnonzero(track.valid)[-1] + 1 - END_FRAMES
    released = min(held[-1], standing - 1) if action.has_anchor else held[-1]
    holds_on = action.ends_holding or not action.leaves_table
    before_release = frames <= (frames[-1] if holds_on else released)
    airborne = ((frames >= held[0]) | (frames < first_seen)) & before_release & action.leaves_table
    present = np.array([True, True, action.has_anchor])
    return ContactConstraints(present, airborne, released=~before_release)


def trim(track: CuboidTrack, bodies: int, frames: int) -> CuboidTrack:
    """Take the padding of frames and bodies off again."""
    cut = {name: np.asarray(getattr(track, name))[:frames] for name in ("touching", "acting", "valid")}
    return CuboidTrack(
        half_extents=np.asarray(track.half_extents)[:bodies],
        position=np.asarray(track.position)[:frames, :bodies],
        wxyz=np.asarray(track.wxyz)[:frames, :bodies],
        dt=track.dt,
        camera=jax.tree.map(np.asarray, track.camera),
        quality=track.quality,
        **cut,
    )
