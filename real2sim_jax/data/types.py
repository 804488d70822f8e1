"""What flows between the stages.

Body axis B: hand 0, moved object 1, anchor 2 (absent in one-object actions, then B = 2).
World frame: x right, y away from the camera, z up, table at z = 0. Metres, seconds, radians, quaternions wxyz.
Every type is a pytree; `stack` and `unstack` put several of one shape on a leading axis and take them apart again.
The annotation of a field says its shape, type and range; `check` holds every file that is read or written to them.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from real2sim_jax.core import schema
from real2sim_jax.core.schema import Spec, flags, numbers, quaternions
from real2sim_jax.data.limits import LARGEST_SIDE_PX, check_boxes

HAND, MOVED, ANCHOR = 0, 1, 2

Array = jax.Array | np.ndarray
Tree = TypeVar("Tree")

FAR_M = 1000.0
"""No length is larger: float32 has steps of 0.06 mm there."""
TINY_M = 1e-6
"""No length of a body is smaller."""
MANY_PX = 1e5
"""No place in an image is further out."""
MANY_TURNS_RAD = 1000.0
LENGTHS = {"B": (2, 3), "K": (2, 100_000)}
"""Smallest and largest length of axes; the others have at least one entry."""

Seconds = Annotated[Array, numbers("", 0.001, 2.0)]
"""() s between frames: 0.5 to 1000 a second."""
FrameFlags = Annotated[Array, flags("T")]
ImageSize = Annotated[Array, Spec("2", kinds="fi", low=1.0, high=LARGEST_SIDE_PX)]
"""(2,) px, width and height."""
HalfExtents = Annotated[Array, numbers("B 3", TINY_M, FAR_M)]
Angle = Annotated[Array, numbers("", -MANY_TURNS_RAD, MANY_TURNS_RAD)]


@struct.dataclass
class BoxTrack:
    """Observed bounding boxes of the bodies over time."""

    boxes: Annotated[Array, numbers("T B 4", -MANY_PX, MANY_PX)]
    """px, x1 y1 x2 y2 of the visible part, clipped at the image border; 0 where not seen."""
    seen: Annotated[Array, flags("T B")]
    touching: FrameFlags
    """The hand holds or pushes the moved object."""
    acting: FrameFlags
    """Frames of the action phase (all valid frames when unknown)."""
    valid: FrameFlags
    """False on padding."""
    dt: Seconds
    """s between frames."""
    image_size: ImageSize
    """px, width and height."""


@struct.dataclass
class MaskTrack:
    """Observed masks of the visible parts of the bodies over time; fields not named here as in BoxTrack."""

    masks: Annotated[Array, Spec("T B H W", kinds="fu", low=0.0, high=1.0)]
    seen: Annotated[Array, flags("T B")]
    touching: FrameFlags
    acting: FrameFlags
    valid: FrameFlags
    dt: Seconds
    image_size: ImageSize
    """px, width and height of the video that the masks cover (H, W may be coarser)."""


@struct.dataclass
class Camera:
    """A camera that looks at the world's origin.

    eye = distance (cos el sin az, -cos el cos az, sin el); OpenCV axes (x right, y down, z forward);
    principal point at the image centre.
    """

    distance: Annotated[Array, numbers("", 0.0, FAR_M)]
    """m."""
    azimuth: Angle
    """rad."""
    elevation: Angle
    """rad."""
    focal: Annotated[Array, numbers("", 1e-3, MANY_PX)]
    """px."""
    image_size: ImageSize
    """px, width and height."""


@struct.dataclass
class CuboidTrack:
    """Fitted cuboids over time.

    The hand's frame is the gripper's: approach along +z, orientation Rz(azimuth) Ry(pi/2 + elevation), so positive
    elevation points down; its position is the tip, and its body (forearm) lies along -z behind the tip, with half
    extents (radius, radius, length / 2).
    """

    half_extents: HalfExtents
    """m, constant in time."""
    position: Annotated[Array, numbers("T B 3", -FAR_M, FAR_M)]
    """m: cuboid centres; tip of the hand."""
    wxyz: Annotated[Array, quaternions("T B")]
    touching: FrameFlags
    acting: FrameFlags
    valid: FrameFlags
    dt: Seconds
    camera: Camera
    quality: Annotated[dict[str, Array], numbers("", -1e30, 1e30)]
    """Final losses and agreement by name."""


@struct.dataclass
class Demonstration:
    """What the hand and the objects did, in the object's frame, on the episode's clock: sample k is at k dt.

    Origin on the table below the moved object's first place (one object) or the anchor (two). Several of one action
    are stacked: every field then has a leading axis D.
    """

    position: Annotated[Array, numbers("K B 3", -FAR_M, FAR_M)]
    """m."""
    wxyz: Annotated[Array, quaternions("K B")]
    """Objects relative to their first orientation."""
    grip: Annotated[Array, numbers("K", 0.0, 1.0)]
    """0 open .. 1 closed."""
    acting: Annotated[Array, flags("K")]
    """Inside the action window."""
    half_extents: HalfExtents
    """m, scaled like the positions."""
    dt: Seconds
    """s."""


def check(kind: type, arrays: Mapping[str, Any]) -> None:
    """Raise ValueError, in one line, where arrays by name, nested ones as NAME.NAME, are not what a type says."""
    specs = _specs(kind, arrays)
    if kind is Demonstration and np.ndim(arrays.get("dt", 0.0)) == 1:
        specs = {name: dataclasses.replace(spec, axes=f"D {spec.axes}") for name, spec in specs.items()}
    schema.check(arrays, specs, LENGTHS)
    if kind is BoxTrack:
        check_boxes(np.asarray(arrays["boxes"]), np.asarray(arrays["image_size"]))


def _specs(kind: type, arrays: Mapping[str, Any], prefix: str = "") -> dict[str, Spec]:
    """What each array must be; of a table by name, such as `quality`, each that there is."""
    specs: dict[str, Spec] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if is_dataclass(hint):
            specs |= _specs(hint, arrays, f"{prefix}{name}.")  # type: ignore[arg-type]
            continue
        held, spec = get_args(hint)
        is_table = get_origin(held) is dict
        names = [key for key in arrays if key.startswith(f"{name}.")] if is_table else [prefix + name]
        specs |= {key: spec for key in names}
    return specs


def flatten(value: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """Return the arrays of an artefact by name, nested ones as NAME.NAME."""
    items = {f.name: getattr(value, f.name) for f in fields(value)} if is_dataclass(value) else value
    flat: dict[str, np.ndarray] = {}
    for name, item in items.items():
        nested = is_dataclass(item) or isinstance(item, Mapping)
        flat |= flatten(item, f"{prefix}{name}.") if nested else {prefix + name: np.asarray(item)}
    return flat


def unflatten(kind: Any, arrays: Mapping[str, np.ndarray], prefix: str = "") -> Any:
    """Return the artefact of arrays that `check` has let through."""
    values: dict[str, Any] = {}
    for name, hint in get_type_hints(kind).items():
        key = prefix + name
        if is_dataclass(hint):
            values[name] = unflatten(hint, arrays, f"{key}.")
        elif get_origin(hint) is dict:
            values[name] = {part.removeprefix(f"{key}."): arrays[part] for part in arrays if part.startswith(f"{key}.")}
        else:
            values[name] = arrays[key]
    return kind(**values)


def stack(trees: Sequence[Tree]) -> Tree:
    """Put pytrees of equal shapes on a new leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *trees)


def unstack(tree: Tree) -> list[Tree]:
    """Take a pytree with a leading axis apart into numpy pytrees."""
    host = jax.tree.map(np.asarray, tree)
    count = jax.tree.leaves(host)[0].shape[0]
    return [jax.tree.map(lambda leaf, i=i: leaf[i], host) for i in range(count)]
