"""The nine actions: the one table that every stage reads.

Angles follow the world frame (x right, y away from the camera, z up): azimuth 0 points along +x, 90 deg away
from the camera. Class ids are those of Something-Something-v2.
"""

from dataclasses import dataclass
from typing import Literal

from real2sim_jax.core.errors import UserError
from real2sim_jax.core.observation import HOLDING_ACTIONS

Kind = Literal["slide", "lift", "beside", "onto"]


@dataclass(frozen=True)
class Action:
    """What the stages need to know of one action."""

    name: str
    class_id: int
    kind: Kind
    """slide: pushed or pulled along the table; lift: picked up; beside, onto: put relative to an anchor."""
    direction: int = 0
    """Slides: sign of the object's motion along camera-aligned x."""
    hand_azimuth_deg: float | None = None
    """Slides: where the hand must point (0 right, 180 left)."""
    bearings_deg: tuple[float, ...] = ()
    """Beside: where the moved object ends as seen from the anchor."""

    @property
    def has_anchor(self) -> bool:
        """Whether a second, static object takes part."""
        return self.kind in ("beside", "onto")

    @property
    def bodies(self) -> int:
        """Length of the body axis: hand, moved object and, where there is one, anchor."""
        return 3 if self.has_anchor else 2

    @property
    def stays_on_table(self) -> bool:
        """Whether the moved object never leaves the table."""
        return self.kind == "slide"

    @property
    def ends_holding(self) -> bool:
        """Whether the gripper is still closed on the object when the action is over (the robot must know it too)."""
        return self.name in HOLDING_ACTIONS


_RECORDS = (
    Action("pull_left_to_right", 86, "slide", direction=+1, hand_azimuth_deg=180.0),
    Action("pull_right_to_left", 87, "slide", direction=-1, hand_azimuth_deg=0.0),
    Action("push_left_to_right", 93, "slide", direction=+1, hand_azimuth_deg=0.0),
    Action("push_right_to_left", 94, "slide", direction=-1, hand_azimuth_deg=180.0),
    Action("pick_up", 47, "lift"),
    Action("put_behind", 104, "beside", bearings_deg=(90.0,)),
    Action("put_in_front_of", 105, "beside", bearings_deg=(-90.0,)),
    Action("put_next_to", 107, "beside", bearings_deg=(0.0, 180.0)),
    Action("put_onto", 112, "onto"),
)

ACTIONS: dict[str, Action] = {record.name: record for record in _RECORDS}
ACTIONS_BY_CLASS: dict[int, Action] = {record.class_id: record for record in _RECORDS}


def action_named(name: str) -> Action:
    """Return the record of an action; UserError names the nine when there is none of that name.

    >>> action_named("put_onto").bodies
    3
    >>> action_named("push_right_to_left").hand_azimuth_deg
    180.0
    """
    if not isinstance(name, str) or name not in ACTIONS:
        raise UserError(f"unknown action {name!r}: expected one of {', '.join(ACTIONS)}")
    return ACTIONS[name]
