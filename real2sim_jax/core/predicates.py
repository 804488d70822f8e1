"""What an action can ask for: each predicate is a record, which simulation and state estimation judge alike.

Directions are seen from the camera: right is +x, away +y; in degrees they turn from right (0) over away (90).
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from real2sim_jax.core.settings import Checked, Length, Metres, Range

Direction = Literal["right", "away", "left", "towards"] | Annotated[float, Range(-360, 360)]
"""By name, or in degrees."""
Degrees = Annotated[float, Range(-180, 180)]
Tolerance = Annotated[float, Range(0, 180, above=True)]
"""Degrees."""
Coordinate = Annotated[float, Range(-10, 10)]
AXES = {"right": (1.0, 0.0, 0.0), "away": (0.0, 1.0, 0.0), "up": (0.0, 0.0, 1.0)}
Pose6 = tuple[Coordinate, Coordinate, Coordinate, Degrees, Degrees, Degrees]
NAMED_DEG = {"right": 0.0, "away": 90.0, "left": 180.0, "towards": -90.0}


def degrees(direction: str | float) -> float:
    """Return a direction in degrees.

    >>> degrees("towards"), degrees(30.0)
    (-90.0, 30.0)
    """
    return NAMED_DEG[direction] if isinstance(direction, str) else float(direction)


def unit_vector(direction: str | float) -> np.ndarray:
    """Return a direction as a unit vector (2,) on the table."""
    angle = np.deg2rad(degrees(direction))
    # So that right has no share of away at all.
    return np.round([np.cos(angle), np.sin(angle)], 12)


@dataclass(frozen=True)
class MovedBy(Checked):
    """The moved object ends displaced along a direction on the table."""

    direction: Direction
    at_least_m: Metres = 0.05


@dataclass(frozen=True)
class Lifted(Checked):
    """The moved object ends above the table that it stood on."""

    at_least_m: Metres = 0.01


@dataclass(frozen=True)
class Upright(Checked):
    """The moved object ends upright (judged in simulation)."""

    within_deg: Tolerance = 60.0


@dataclass(frozen=True)
class HandPoints(Checked):
    """The hand points along a direction, in more than three quarters of the time in which the object moves."""

    direction: Direction
    within_deg: Tolerance = 90.0


@dataclass(frozen=True)
class Beside(Checked):
    """The moved object ends next to the anchor, in one of some directions from it."""

    directions: Annotated[tuple[Direction, ...], Length(1, 16)]
    within_deg: Tolerance = 60.0
    at_most_m: Metres = 0.5
    """Distance from the anchor (judged in simulation)."""
    below_m: Metres = 0.05
    """Height of the moved object's centre (judged in simulation)."""


@dataclass(frozen=True)
class OnTop(Checked):
    """The moved object ends on the anchor's top."""


@dataclass(frozen=True)
class AnchorStays(Checked):
    """The anchor ends where it began (judged in simulation)."""

    within_m: Metres = 0.01


@dataclass(frozen=True)
class TurnedBy(Checked):
    """The moved object ends turned about an axis, compared with its start."""

    angle_deg: Degrees
    """About the axis by the right-hand rule: counterclockwise, seen from above, for up."""
    axis: Literal["up", "right", "away"] = "up"
    within_deg: Tolerance = 30.0


@dataclass(frozen=True)
class PoseWithin(Checked):
    """The moved object ends as in a demonstration: one of these poses."""

    poses: Annotated[tuple[Pose6, ...], Length(0, 1000)] = ()
    """x, y, z in m of its bottom, relative to where it began or, with an anchor, to the anchor's foot or top; and the
    rotation vector in degrees that turns its start to its end. None: those of the demonstrations."""
    relative_to: Literal["start", "anchor", "anchor_top"] = "start"
    within_m: Metres = 0.03
    within_deg: Tolerance = 20.0


Predicate = MovedBy | Lifted | Upright | HandPoints | Beside | OnTop | AnchorStays | TurnedBy | PoseWithin

PREDICATES: dict[str, type] = {
    "moved_by": MovedBy,
    "lifted": Lifted,
    "upright": Upright,
    "hand_points": HandPoints,
    "beside": Beside,
    "on_top": OnTop,
    "anchor_stays": AnchorStays,
    "turned_by": TurnedBy,
    "pose_within": PoseWithin,
}
"""By the name that action files use."""
WITH_ANCHOR = (Beside, OnTop, AnchorStays)
"""Need a second object."""
