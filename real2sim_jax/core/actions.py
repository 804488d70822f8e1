"""Actions as records: what every stage needs to know of one, read from a text file.

The nine of the published benchmark are in actions.toml beside this file; a user's own are files of one record.
"""

import re
import zlib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from real2sim_jax.core.errors import UserError
from real2sim_jax.core.gripper import PUBLISHED, Gripper, gripper_of_record
from real2sim_jax.core.predicates import (
    PREDICATES,
    WITH_ANCHOR,
    Coordinate,
    HandPoints,
    OnTop,
    PoseWithin,
    Predicate,
    degrees,
)
from real2sim_jax.core.settings import Checked, Length, Range, as_field, placed
from real2sim_jax.core.text import read_toml

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
RULE_NAMES = {kind: name for name, kind in PREDICATES.items()}


@dataclass(frozen=True)
class Action(Checked):
    """What the stages need to know of one action."""

    name: str
    success: Annotated[tuple[Predicate, ...], Length(1, 32)]
    """All of these must hold at the end."""
    objects: Literal[1, 2] = 1
    """The moved object alone, or an anchor too, which stays where it stands."""
    starts: Literal["table", "hand"] = "table"
    """Where the moved object is at the start."""
    moved_from: tuple[Coordinate, Coordinate] | None = None
    """x, y in m from the anchor to where the moved object stands at the start, on the table. None: where it stands in
    the demonstrations."""
    leaves_table: bool = False
    """Whether the moved object may be lifted."""
    ends_holding: bool = False
    """Whether the gripper is still closed on the object when the action is over."""
    class_id: Annotated[int, Range(0, 10**9)] | None = None
    """Number of the action in Something-Something-v2."""
    gripper: Gripper = PUBLISHED
    """What performs it."""

    def __post_init__(self) -> None:
        """UserError where fields contradict each other, or as in `Checked`."""
        super().__post_init__()
        if not NAME.fullmatch(self.name) or re.fullmatch(r"seed\d+", self.name):
            raise UserError(f"name: expected letters, digits and '_' that begin with a letter, got {self.name!r}")
        if self.objects == 1 and self.starts == "hand":
            raise UserError("starts: expected table with objects = 1, got 'hand'")
        if self.moved_from is not None and not self.is_fetched:
            raise UserError("moved_from: expected objects = 2 and starts = 'table' with it")
        for place, one in enumerate(self.success):
            anchored = isinstance(one, PoseWithin) and one.relative_to != "start"
            if self.objects == 1 and (isinstance(one, WITH_ANCHOR) or anchored):
                name = RULE_NAMES[type(one)]
                raise UserError(f"success[{place}]: {name} needs an anchor: expected objects = 2, got 1")

    @property
    def has_anchor(self) -> bool:
        """Whether a second, static object takes part."""
        return self.objects == 2

    @property
    def starts_held(self) -> bool:
        """Whether the moved object is in the hand at the start."""
        return self.starts == "hand"

    @property
    def is_fetched(self) -> bool:
        """Whether the moved object stands on the table at the start, apart from an anchor."""
        return self.has_anchor and not self.starts_held

    @property
    def bodies(self) -> int:
        """Length of the body axis: hand, moved object and, where there is one, anchor."""
        return 1 + self.objects

    @property
    def goes_onto(self) -> bool:
        """Whether the moved object is put on top of the anchor."""
        on_top = (isinstance(one, PoseWithin) and one.relative_to == "anchor_top" for one in self.success)
        return any(isinstance(one, OnTop) for one in self.success) or any(on_top)

    @property
    def hand_azimuth_deg(self) -> float | None:
        """Where the hand must point, None where nothing says so."""
        return next((degrees(one.direction) for one in self.success if isinstance(one, HandPoints)), None)

    @property
    def last_opening_m(self) -> float:
        """Of one finger when the action is over: closed, or fully open."""
        return 0.0 if self.ends_holding else self.gripper.max_opening_m

    @property
    def seed(self) -> int:
        """A number that is the action's own, for draws that should differ between actions."""
        return zlib.crc32(self.name.encode()) if self.class_id is None else self.class_id

    def record(self) -> dict[str, Any]:
        """Return the action as a table that `action_of_record` reads back."""
        rules = [{"rule": RULE_NAMES[type(one)], **vars(one)} for one in self.success]
        plain = {name: value for name, value in vars(self).items() if value is not None} | {"success": rules}
        return plain | {"gripper": self.gripper.record()}


def action_of_record(record: Any, where: str) -> Action:
    """Return the action that a table of a text file describes; UserError names the place in it and what is allowed."""
    values = _arguments(Action, record, where)
    rules = values["success"]
    if not isinstance(rules, list | tuple) or not rules:
        raise UserError(f"{where}: success: expected a list of rules such as {{rule = 'lifted'}}, got {rules!r}")
    found = tuple(_predicate(rule, f"{where}: success[{place}]") for place, rule in enumerate(rules))
    with placed(f"{where}: "):
        return Action(**{**values, "success": found})


def _predicate(rule: Any, where: str) -> Predicate:
    got = rule.get("rule") if isinstance(rule, Mapping) else rule
    if not (isinstance(rule, Mapping) and isinstance(got, str) and got in PREDICATES):
        raise UserError(f"{where}: rule: expected one of {', '.join(PREDICATES)}, got {got!r}")
    kind = PREDICATES[rule["rule"]]
    given = {name: value for name, value in rule.items() if name != "rule"}
    values = _arguments(kind, given, f"{where}: {rule['rule']}")
    with placed(f"{where}: {rule['rule']}: "):
        return kind(**values)


def _arguments(kind: Any, table: Any, where: str) -> dict[str, Any]:
    """Return a table's values as the dataclass holds them; UserError for what is unknown, missing or no table."""
    allowed = [one.name for one in fields(kind)]
    names = ", ".join(allowed) or "nothing"
    if not isinstance(table, Mapping):
        raise UserError(f"{where}: expected a table of {names}, got {table!r}")
    unknown = next((name for name in table if name not in allowed), None)
    if unknown is not None:
        raise UserError(f"{where}: {unknown}: unknown; expected {names}")
    missing = next((one.name for one in fields(kind) if one.default is MISSING and one.name not in table), None)
    if missing is not None:
        raise UserError(f"{where}: {missing}: expected a value, got none")
    kinds = get_type_hints(kind)
    with placed(f"{where}: "):
        return {name: _READERS.get(name, as_field)(kinds[name], value) for name, value in table.items()}


_READERS = {"success": lambda _, value: value, "gripper": lambda _, value: gripper_of_record(value)}
"""What is no plain value, by its field."""


def read_action(path: str | Path) -> Action:
    """Read the action of a TOML file of one record; UserError in one line."""
    return action_of_record(read_toml(path), str(path))


def _read_own() -> dict[str, Action]:
    path = Path(__file__).with_name("actions.toml")
    actions = [action_of_record(record, path.name) for record in read_toml(path)["action"]]
    return {action.name: action for action in actions}


ACTIONS = _read_own()
"""The nine by name."""
ACTIONS_BY_CLASS: dict[int, Action] = {action.seed: action for action in ACTIONS.values()}
IMITATIONS = {
    "imitate": Action("imitate", (PoseWithin(),), leaves_table=True),
    "imitate_with_anchor": Action("imitate_with_anchor", (PoseWithin(),), 2, "hand", leaves_table=True),
}
"""What they ask for is the demonstrated end."""


def action_named(name: str) -> Action:
    """Return an action by its name, or that of a file (.toml); UserError says what there is.

    >>> action_named("put_onto").bodies
    3
    >>> action_named("push_right_to_left").hand_azimuth_deg
    180.0
    """
    if isinstance(name, str) and name.endswith(".toml"):
        return read_action(name)
    known = ACTIONS | IMITATIONS
    if not isinstance(name, str) or name not in known:
        raise UserError(f"unknown action {name!r}: expected one of {', '.join(known)}, or a file such as my.toml")
    return known[name]
