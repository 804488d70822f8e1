"""What flows between the stages.

Body axis B: hand 0, moved object 1, anchor 2 (absent in one-object actions, then B = 2).
World frame: x right, y away from the camera, z up, table at z = 0. Metres, seconds, radians, quaternions wxyz.
Every type is a pytree; `stack` and `unstack` put several of one shape on a leading axis and take them apart again.
"""

from collections.abc import Sequence
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

HAND, MOVED, ANCHOR = 0, 1, 2

Array = jax.Array | np.ndarray
Tree = TypeVar("Tree")


@struct.dataclass
class BoxTrack:
    """Observed bounding boxes of the bodies over time."""

    boxes: Array
    """(T, B, 4) px, x1 y1 x2 y2 of the visible part, clipped at the image border; 0 where not seen."""
    seen: Array
    """(T, B) bool."""
    touching: Array
    """(T,) bool: the hand holds or pushes the moved object."""
    acting: Array
    """(T,) bool: frames of the action phase (all valid frames when unknown)."""
    valid: Array
    """(T,) bool: False on padding."""
    dt: Array
    """() s between frames."""
    image_size: Array
    """(2,) px, width and height."""


@struct.dataclass
class MaskTrack:
    """Observed masks of the visible parts of the bodies over time; fields not named here as in BoxTrack."""

    masks: Array
    """(T, B, H, W) in [0, 1]."""
    seen: Array
    touching: Array
    acting: Array
    valid: Array
    dt: Array
    image_size: Array
    """(2,) px, width and height of the video that the masks cover (H, W may be coarser)."""


@struct.dataclass
class Camera:
    """A camera that looks at the world's origin.

    eye = distance (cos el sin az, -cos el cos az, sin el); OpenCV axes (x right, y down, z forward);
    principal point at the image centre.
    """

    distance: Array
    """() m."""
    azimuth: Array
    """() rad."""
    elevation: Array
    """() rad."""
    focal: Array
    """() px."""
    image_size: Array
    """(2,) px, width and height."""


@struct.dataclass
class CuboidTrack:
    """Fitted cuboids over time.

    The hand's frame is the gripper's: approach along +z, orientation Rz(azimuth) Ry(pi/2 + elevation), so positive
    elevation points down; its position is the tip, and its body (forearm) lies along -z behind the tip, with half
    extents (radius, radius, length / 2).
    """

    half_extents: Array
    """(B, 3) m, constant in time."""
    position: Array
    """(T, B, 3) m: cuboid centres; tip of the hand."""
    wxyz: Array
    """(T, B, 4)."""
    touching: Array
    """(T,) bool."""
    acting: Array
    """(T,) bool."""
    valid: Array
    """(T,) bool."""
    dt: Array
    camera: Camera
    quality: dict[str, Array]
    """Final losses and agreement by name, scalars."""


@struct.dataclass
class Demonstration:
    """What the hand and the objects did, in the object's frame, on the episode's clock: sample k is at k dt.

    Origin on the table below the moved object's first place (one object) or the anchor (two).
    """

    position: Array
    """(K, B, 3) m."""
    wxyz: Array
    """(K, B, 4); objects relative to their first orientation."""
    grip: Array
    """(K,) 0 open .. 1 closed."""
    acting: Array
    """(K,) bool: inside the action window."""
    half_extents: Array
    """(B, 3) m, scaled like the positions."""
    dt: Array
    """() s."""


def stack(trees: Sequence[Tree]) -> Tree:
    """Put pytrees of equal shapes on a new leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *trees)


def unstack(tree: Tree) -> list[Tree]:
    """Take a pytree with a leading axis apart into numpy pytrees."""
    host = jax.tree.map(np.asarray, tree)
    count = jax.tree.leaves(host)[0].shape[0]
    return [jax.tree.map(lambda leaf, i=i: leaf[i], host) for i in range(count)]
