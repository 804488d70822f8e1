"""What an accepted value must be: written from the documentation of the types, and independent of the package's checks.

Each function returns what is wrong, in words.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

RATES_HZ = (0.5, 1000.0)
LARGEST_IMAGE_PX = 16_384
FARTHEST_M = 1e6
UNIT_TOLERANCE = 0.01
FLAGS = ("touching", "acting", "valid")


def array(name: str, value: Any, shape: tuple[int | None, ...], kinds: str = "f") -> Iterator[str]:
    """An array of a shape (None: any length from 1), of numbers of some kinds, all finite."""
    found = np.asarray(value)
    if found.dtype.kind not in kinds:
        yield f"{name}: dtype {found.dtype}"
    elif found.ndim != len(shape) or any(
        n != want for n, want in zip(found.shape, shape, strict=True) if want is not None
    ):
        yield f"{name}: shape {found.shape}, expected {shape}"
    elif not found.size:
        yield f"{name}: empty {found.shape}"
    elif found.dtype.kind in "fc" and not np.isfinite(found).all():
        yield f"{name}: not finite"


def between(name: str, value: Any, low: float, high: float) -> Iterator[str]:
    """Numbers inside bounds."""
    found = np.asarray(value, float)
    if not ((found >= low) & (found <= high)).all():
        yield f"{name}: {found.min():g} to {found.max():g}, expected {low:g} to {high:g}"


def unit(name: str, value: Any) -> Iterator[str]:
    """Quaternions (..., 4) of length 1."""
    length = np.linalg.norm(np.asarray(value, float), axis=-1)
    if not (np.abs(length - 1.0) < UNIT_TOLERANCE).all():
        yield f"{name}: quaternions of length {length.min():g} to {length.max():g}"


def first(*checks: Iterable[str]) -> list[str]:
    """Return what the first check that finds anything finds: later ones may need what it looked at."""
    return next((found for check in checks if (found := list(check))), [])


def rate(dt: Any) -> list[str]:
    """Seconds between frames."""
    return first(array("dt", dt, (), "f"), between("dt", dt, 1.0 / RATES_HZ[1], 1.0 / RATES_HZ[0]))


def image(size: Any) -> list[str]:
    """Width and height, px."""
    return first(array("image_size", size, (2,), "fiu"), between("image_size", size, 1.0, LARGEST_IMAGE_PX))


def flags(track: Any, frames: int) -> Iterator[str]:
    for name in FLAGS:
        yield from array(name, getattr(track, name), (frames,), "b")


def box_track(track: Any) -> list[str]:
    """Boxes lie in the image, upright, and are 0 where nothing is seen."""
    boxes = np.asarray(track.boxes)
    shape = boxes.shape[:2] if boxes.ndim == 3 else (1, 1)
    return first(
        array("boxes", boxes, (None, None, 4)), rate(track.dt), image(track.image_size),
        array("seen", track.seen, shape, "b"), flags(track, shape[0]), between("bodies", shape[1], 2, 3),
        _boxes_in(boxes, track),
    )  # fmt: skip


def _boxes_in(boxes: np.ndarray, track: Any) -> Iterator[str]:
    limit = np.tile(np.asarray(track.image_size, float), 2)
    if (boxes < -limit).any() or (boxes > 2.0 * limit).any():
        yield f"boxes from {boxes.min():g} to {boxes.max():g} px in an image of {limit[:2]}"
    seen = boxes[np.asarray(track.seen)]
    if (seen[:, 2:] < seen[:, :2]).any():
        yield "boxes upside down"


def mask_track(track: Any) -> list[str]:
    masks = np.asarray(track.masks)
    shape = masks.shape[:2] if masks.ndim == 4 else (1, 1)
    return first(
        array("masks", masks, (None,) * 4), between("masks", masks, 0.0, 1.0), rate(track.dt), image(track.image_size),
        array("seen", track.seen, shape, "b"), flags(track, shape[0]), between("bodies", shape[1], 2, 3),
    )  # fmt: skip


def cuboid_track(track: Any) -> list[str]:
    """Positions, unit quaternions, sizes above 0, a camera that sees."""
    position, camera = np.asarray(track.position), track.camera
    frames, bodies = position.shape[:2] if position.ndim == 3 else (1, 1)
    scalars = {name: getattr(camera, name) for name in ("distance", "azimuth", "elevation", "focal")}
    return first(
        array("position", position, (None, None, 3)), between("position", position, -FARTHEST_M, FARTHEST_M),
        array("wxyz", track.wxyz, (frames, bodies, 4)), unit("wxyz", track.wxyz),
        array("half_extents", track.half_extents, (bodies, 3)),
        between("half_extents", track.half_extents, 1e-9, FARTHEST_M), flags(track, frames), rate(track.dt),
        image(camera.image_size), between("bodies", bodies, 2, 3),
        [wrong for name, value in scalars.items() for wrong in array(name, value, ())],
        between("distance", camera.distance, 1e-9, FARTHEST_M), between("focal", camera.focal, 1e-9, FARTHEST_M),
        [wrong for name, value in track.quality.items() for wrong in array(name, value, (), "fiub")],
    )  # fmt: skip


def demonstration(demo: Any) -> list[str]:
    """One demonstration, or several on a leading axis."""
    position = np.asarray(demo.position)
    lead: tuple[int, ...] = position.shape[:-3]
    if len(lead) > 1:
        return [f"position: shape {position.shape}"]
    samples, bodies = position.shape[-3:-1] if position.ndim > 2 else (1, 1)
    return first(
        array("position", position, (*lead, None, None, 3)), between("position", position, -FARTHEST_M, FARTHEST_M),
        array("wxyz", demo.wxyz, (*lead, samples, bodies, 4)), unit("wxyz", demo.wxyz),
        array("grip", demo.grip, (*lead, samples)), between("grip", demo.grip, 0.0, 1.0),
        array("acting", demo.acting, (*lead, samples), "b"),
        array("half_extents", demo.half_extents, (*lead, bodies, 3)),
        between("half_extents", demo.half_extents, 1e-9, FARTHEST_M), array("dt", demo.dt, lead),
        between("bodies", bodies, 2, 3), between("dt", demo.dt, 1.0 / RATES_HZ[1], 1.0 / RATES_HZ[0]),
    )  # fmt: skip


def start_states(states: Any, objects: int) -> list[str]:
    rows = len(np.asarray(states.azimuth))
    numbers = {"gripper_position": 3, "azimuth": None, "elevation": None, "heights": objects, "radii": objects}
    for name, width in numbers.items():
        value = getattr(states, name)
        shape = (rows,) if width is None else (rows, width)
        low = 1e-9 if name in ("heights", "radii") else -FARTHEST_M
        wrong = first(array(name, value, shape), between(name, value, low, FARTHEST_M))
        if wrong:
            return wrong
    return []


def policy(policy: Any) -> list[str]:
    """Every array is finite float32 of a shape that chains, and what it does is finite, at any time of an episode."""
    size = len(policy.mean)
    found = [] if policy.reference is None else _reference(policy.reference)
    found += [*array("mean", policy.mean, (size,)), *array("std", policy.std, (size,))]
    for weight, bias in policy.layers:
        found += [*array("weight", weight, (size, None)), *array("bias", bias, (np.shape(weight)[-1],))]
        size = np.shape(weight)[-1]
    arrays = (policy.mean, policy.std, *(one for pair in policy.layers for one in pair))
    found += [f"dtype {value.dtype}" for value in arrays if value.dtype != np.float32]
    return found or first(
        between("std", policy.std, 1e-30, 1e30),
        between("dt", policy.dt, 0.001, 1.0),
        _acts(policy),
    )  # fmt: skip


def _reference(reference: Any) -> list[str]:
    rows = len(np.atleast_1d(reference.grip))
    tables = {
        "position": (rows, 3),
        "wxyz": (rows, 4),
        "velocity": (rows, 3),
        "grip": (rows,),
        "gains": (2,),
        "reach": (2,),
    }
    found = [
        wrong for name, shape in tables.items() for wrong in array(f"reference {name}", getattr(reference, name), shape)
    ]
    return found or list(unit("reference wxyz", reference.wxyz))


def _acts(policy: Any) -> Iterator[str]:
    obs = np.random.default_rng(0).uniform(-1.0, 1.0, (64, len(policy.layout))).astype(np.float32)
    obs[:, 0] = np.linspace(0.0, 1.0, 64)
    with np.errstate(over="ignore"):
        action = policy.act(obs)
    yield from array("action", action, (64, 7))
    yield from between("action", action, -1.0, 1.0)


def is_line(text: Any) -> bool:
    """Whether a text can be shown in one line."""
    return isinstance(text, str) and text.isprintable() and len(text) <= 1000
