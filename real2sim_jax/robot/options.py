"""Options of programs: numbers may begin with a minus sign, and what is wrong costs one line."""

import argparse
import math
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from real2sim_jax.core.actions import Action
from real2sim_jax.robot.interface import ArmError

_NEGATIVE = re.compile(r"-\.?(\d|inf|nan)", re.IGNORECASE)


class Parser(argparse.ArgumentParser):
    """An argument parser for which -0.5,0,-90 and -1e-3 are values, not options."""

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Parse as the base class does; numbers below zero are told apart from options beforehand."""
        words = sys.argv[1:] if args is None else args
        # What does not begin with a minus sign is never an option, and numbers are read with spaces around them.
        return super().parse_known_args([f" {word}" if _NEGATIVE.match(word) else word for word in words], namespace)

    def error(self, message: str) -> NoReturn:
        """End with code 2 and one line."""
        self.exit(2, f"{self.prog}: {' '.join(message.split())}; --help lists the options\n")


def object_pose(text: str) -> tuple[float, float, float | None]:
    """Return x and y in m and yaw in rad of the value of --object-pose; None where it leaves the turn free.

    ArmError on anything else.
    """
    names = "x,y,yaw_deg" if text.count(",") != 1 else "x,y"
    x, y, *yaw = numbers("--object-pose", text, names)
    return x, y, math.radians(yaw[0]) if yaw else None


def moved_place(action: Action, text: str | None) -> np.ndarray | None:
    """Return where what an action fetches stands, (2,) m from the anchor: by --moved-from, or else by its record.

    None where nothing is fetched. ArmError on anything else, and where neither says.
    """
    if not action.is_fetched:
        if text is not None:
            raise ArmError(f"--moved-from {text.strip()}: {action.name} fetches nothing; leave the option out")
        return None
    if text is None and action.moved_from is None:
        raise ArmError(f"{action.name}: expected --moved-from x,y, where the object to be moved stands; got none")
    return np.asarray(action.moved_from if text is None else numbers("--moved-from", text, "x,y"), np.float32)


START_NAMES = "x,y,z,azimuth_deg,elevation_deg"
START_BOUNDS = ((-2.0, 2.0), (-2.0, 2.0), (0.0, 2.0), (-360.0, 360.0), (-90.0, 90.0))
"""Above the table and within the reach of any arm, in m and deg."""


def start_pose(text: str) -> tuple[float, float, float, float, float]:
    """Return x, y and z in m, azimuth and elevation in rad of the value of --start; ArmError on anything else."""
    values = numbers("--start", text, START_NAMES)
    for name, value, (low, high) in zip(START_NAMES.split(","), values, START_BOUNDS, strict=True):
        if not low <= value <= high:
            raise ArmError(f"--start {text.strip()}: {name} is {value:g}, expected {low:g} to {high:g}")
    x, y, z, azimuth, elevation = values
    return x, y, z, math.radians(azimuth), math.radians(elevation)


def numbers(option: str, text: str, names: str) -> list[float]:
    """Return the comma-separated finite numbers of an option, as many as `names` has; ArmError otherwise."""
    told = f"{option} {text.strip()}"
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ArmError(f"{told}: expected {names}") from error
    if len(values) != len(names.split(",")):
        raise ArmError(f"{told}: expected {names}")
    if not all(map(math.isfinite, values)):
        raise ArmError(f"{told}: expected finite numbers")
    return values
