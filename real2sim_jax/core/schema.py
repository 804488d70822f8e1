"""What an array of a file must be, and the one function that holds arrays to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

UNIT_TOLERANCE = 1e-3
"""Largest difference of a unit quaternion's length from 1: far more than float32 loses."""


@dataclass(frozen=True)
class Spec:
    """Shape, type and range of an array."""

    axes: str
    """Length of each axis, separated by spaces: a number, or a name that stands for one length in the whole file."""
    kinds: str = "f"
    """numpy's letters of the types: f floating and i whole numbers of 32 or 64 bits, u bytes, b truth values; f4 stands
    for float32 alone."""
    low: float = -inf
    high: float = inf
    unit: bool = False
    """Every last axis is a unit quaternion."""


def numbers(axes: str, low: float = -inf, high: float = inf) -> Spec:
    """Return the spec of finite floating-point numbers from low to high."""
    return Spec(axes, low=low, high=high)


def flags(axes: str) -> Spec:
    """Return the spec of truth values."""
    return Spec(axes, kinds="b", low=0.0, high=1.0)


def quaternions(axes: str) -> Spec:
    """Return the spec of unit quaternions wxyz, their own axis left out of `axes`."""
    return Spec(f"{axes} 4".strip(), low=-2.0, high=2.0, unit=True)


def check(arrays: Mapping[str, Any], specs: Mapping[str, Spec], limits: Mapping[str, tuple[int, int]]) -> None:
    """Raise ValueError, in one line, at the first array that is missing, unknown or not as its spec says.

    limits: smallest and largest length by axis name; an axis that is not in it has at least one entry.
    """
    missing = [name for name in specs if name not in arrays]
    if missing:
        raise ValueError(f"field {missing[0]!r} is missing")
    unknown = [name for name in arrays if name not in specs]
    if unknown:
        raise ValueError(f"field {str(unknown[0])[:40]!r} is unknown")
    lengths: dict[str, int] = {}
    for name, spec in specs.items():
        array = np.asarray(arrays[name])
        _check_shape(name, array.shape, spec.axes.split(), lengths)
        _check_values(name, array, spec)
    for axis, length in lengths.items():
        low, high = limits.get(axis, (1, length))
        if not low <= length <= high:
            raise ValueError(f"{axis} = {length}: expected {low} to {high}" if axis in limits else f"{axis} is 0")


def _check_shape(name: str, shape: tuple[int, ...], axes: list[str], lengths: dict[str, int]) -> None:
    """Compare a shape with its axes; a name that comes for the first time gets its length."""
    fits = len(shape) == len(axes)
    for axis, length in zip(axes, shape, strict=False):
        fits &= length == (int(axis) if axis.isdigit() else lengths.setdefault(axis, length))
    if not fits:
        known = [f"{axis} = {lengths[axis]}" if axis in lengths else axis for axis in axes]
        raise ValueError(f"{name} has shape {str(shape)[:40]}, expected ({', '.join(known)})")


def _check_values(name: str, array: np.ndarray, spec: Spec) -> None:
    sizes = {"b": (1,), "u": (1,)}.get(array.dtype.kind, (4, 8))
    is_usual = array.dtype.isnative and array.dtype.itemsize in sizes
    if not is_usual or array.dtype.kind not in spec.kinds or (spec.kinds == "f4" and array.dtype != np.float32):
        expected = {"b": "truth values", "f": "floating-point numbers", "f4": "float32"}.get(spec.kinds, "numbers")
        raise ValueError(f"{name} is of type {str(array.dtype)[:40]}, expected {expected}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} is not finite")
    if not ((array >= spec.low) & (array <= spec.high)).all():
        raise ValueError(f"{name} reaches from {array.min():g} to {array.max():g}, expected {_range(spec)}")
    if spec.unit and not (np.abs(np.linalg.norm(array.astype(float), axis=-1) - 1.0) <= UNIT_TOLERANCE).all():
        raise ValueError(f"{name} is no unit quaternion everywhere")


def _range(spec: Spec) -> str:
    return f"at least {spec.low:g}" if spec.high == inf else f"{spec.low:g} to {spec.high:g}"
