"""Parallel grippers in their own frame: approach along +z, fingers open along y, the origin between the fingers."""

from dataclasses import dataclass
from typing import Annotated, Any

from real2sim_jax.core.errors import UserError
from real2sim_jax.core.settings import Checked, Range, as_field, placed
from real2sim_jax.core.text import read_toml

Half = Annotated[float, Range(0.001, 0.5)]
"""Half an extent, m."""
Box = tuple[Half, Half, Half]


@dataclass(frozen=True)
class Gripper(Checked):
    """A palm and two fingers that one drive moves."""

    name: str
    max_opening_m: Half
    """Largest distance of one finger's inner face from the middle."""
    palm_half_m: Box
    """The palm's half extents along x, y, z."""
    finger_half_m: Box
    finger_tip_m: Annotated[float, Range(0, 0.5)]
    """From the origin to the fingers' ends along the approach axis."""
    held_radius_m: tuple[Half, Half]
    """Radii of the cylinders that it is trained to hold."""

    def __post_init__(self) -> None:
        """UserError where it could not hold what it is to hold, or as in `Checked`."""
        super().__post_init__()
        if not self.name.isidentifier() or len(self.name) > 64:
            raise UserError(f"name: expected letters, digits and '_', got {self.name!r}")
        low, high = self.held_radius_m
        if not low <= high < self.max_opening_m:
            raise UserError(f"held_radius_m: expected low <= high < max_opening_m, got {low} .. {high}")

    @property
    def finger_centre_m(self) -> float:
        """Of the fingers along the approach axis."""
        return self.finger_tip_m - self.finger_half_m[2]

    @property
    def palm_centre_m(self) -> float:
        """Of the palm along the approach axis."""
        return self.finger_tip_m - 2 * self.finger_half_m[2] - self.palm_half_m[2]

    @property
    def mount_m(self) -> float:
        """From the palm's back, where an arm's flange is, to the origin."""
        return self.palm_half_m[2] - self.palm_centre_m

    @property
    def reach_m(self) -> float:
        """From the middle of the open gripper to a finger's outer face."""
        return self.max_opening_m + 2.0 * self.finger_half_m[1]

    @property
    def level_height_m(self) -> float:
        """Height at which the origin of a level gripper clears the table."""
        return self.palm_half_m[0] + 0.0025

    def boxes(self, opening: Any) -> list[tuple[Any, float, Box]]:
        """Return palm and both fingers at an opening of each in m, a number or an array.

        Of each the centre across the fingers (y) and along the approach (z), and its half extents, m.
        """
        side = opening + self.finger_half_m[1]
        fingers = [(sign * side, self.finger_centre_m, self.finger_half_m) for sign in (-1.0, 1.0)]
        return [(0.0 * side, self.palm_centre_m, self.palm_half_m), *fingers]

    def record(self) -> dict[str, Any]:
        """Return it as a table that `gripper_of_record` reads back."""
        return dict(vars(self))


PUBLISHED = Gripper("published", 0.075, (0.0315, 0.102, 0.046), (0.01, 0.01, 0.06), 0.0384, (0.04, 0.05))
"""Of the published simulator (arXiv 2011.06813)."""
FRANKA_HAND = Gripper("franka_hand", 0.04, (0.0316, 0.102, 0.0292), (0.0105, 0.0076, 0.0269), 0.0088, (0.02, 0.03))
"""Franka's hand around its tool centre point, 0.1034 m from the flange; opens to 8 cm (franka_description)."""
GRIPPERS = {gripper.name: gripper for gripper in (PUBLISHED, FRANKA_HAND)}


def gripper_named(name: str) -> Gripper:
    """Return a gripper by its name, or that of a file (.toml); UserError says what there is."""
    if not name.endswith(".toml"):
        return gripper_of_record(name)
    with placed(f"{name}: "):
        return gripper_of_record(read_toml(name))


def gripper_of_record(record: Any) -> Gripper:
    """Return a gripper by its name, or from a table of a text file; UserError says what is allowed."""
    if isinstance(record, str) and record in GRIPPERS:
        return GRIPPERS[record]
    names = list(Gripper.__dataclass_fields__)
    if not isinstance(record, dict) or set(record) != set(names):
        expected = f"one of {', '.join(GRIPPERS)}, or a table of {', '.join(names)}"
        raise UserError(f"gripper: expected {expected}, got {record!r}")
    with placed("gripper: "):
        return Gripper(**{name: as_field(Any, value) for name, value in record.items()})
