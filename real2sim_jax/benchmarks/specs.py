"""Start states of the policy benchmark: reading, writing and generating them."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from real2sim_jax.core.actions import Action
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.gripper import Gripper
from real2sim_jax.data.artefacts import read_columns, write_csv
from real2sim_jax.data.types import Array
from real2sim_jax.simulation.initial_states import fetched_from
from real2sim_jax.simulation.types import StartState

SpecName = Literal["easy", "hard"]
Overlaps = Callable[[StartState], Array]

HAND_COLUMNS = ("hazi", "hele", "hposx", "hposy", "hposz")
STANDING_COLUMNS = ("o0posx", "o0posy", "o0posz", "o0hei", "o0rad")
MOVED_COLUMNS = ("o1hei", "o1rad")
FETCHED_COLUMNS = ("o1posx", "o1posy")

LARGEST_M = 10.0
"""Of positions and sizes: ten times any arm's reach."""
LARGEST_RAD = 2.0 * np.pi
"""Of angles: what is larger are degrees."""

MAX_ROUNDS = 200
"""Rounds of drawing after which so few free starts are an error and not bad luck."""


@dataclass(frozen=True)
class SpecRange:
    """Bounds that start states are drawn from, uniformly; (low, high) each."""

    elevation_deg: tuple[float, float]
    x_m: tuple[float, float]
    y_m: tuple[float, float]
    z_m: tuple[float, float]
    height_m: tuple[float, float]
    azimuth_deg: tuple[float, float] = (-180.0, 180.0)
    radius_m: tuple[float, float] = (0.04, 0.05)
    """Of an anchor; the moved object's is what the gripper holds."""
    moved_place_m: float = 0.05
    """Along x and y to both sides of where what is fetched stands in the demonstrations, and the hand around it."""


SPECS: dict[str, SpecRange] = {
    "easy": SpecRange((0.0, 80.0), (-0.1, 0.1), (-0.1, 0.0), (0.1, 0.2), (0.06, 0.08)),
    "hard": SpecRange((-80.0, 80.0), (-0.25, 0.25), (-0.25, 0.25), (0.04, 0.25), (0.04, 0.10), moved_place_m=0.15),
}
"""The two published specifications (CoRL 2020, arXiv 2011.06813)."""


def read_spec(path: str | Path, action: Action) -> StartState:
    """Read start states from the published CSV layout, with a leading row axis N.

    Columns: hazi, hele (rad), hposx..z, o0posx..z, o0hei, o0rad, o1hei, o1rad (m); any others, such as an unnamed
    index, are ignored. Object 0 stands on the table. In two-object actions it is the anchor and object 1 starts in the
    hand, or at o1posx, o1posy where it is fetched; in one-object actions it is the moved one and object 1 is not read.
    Positions are returned in the task frame, whose origin lies below object 0. UserError: a missing column, or a value
    that is not a finite number, no size, or beyond `LARGEST_M` or `LARGEST_RAD`.
    """
    wanted = HAND_COLUMNS + STANDING_COLUMNS + (MOVED_COLUMNS if action.has_anchor else ())
    wanted += FETCHED_COLUMNS if action.is_fetched else ()
    columns = read_columns(path, wanted)
    for name in wanted:
        _check_column(path, name, columns[name])
    origin = np.stack([columns["o0posx"], columns["o0posy"], np.zeros_like(columns["o0posx"])], axis=-1)
    position = np.stack([columns[name] for name in ("hposx", "hposy", "hposz")], axis=-1)
    _check_held(path, columns["o1rad" if action.has_anchor else "o0rad"], action.gripper)
    place = np.stack([columns[name] for name in FETCHED_COLUMNS], axis=-1) if action.is_fetched else None
    order = ("o1", "o0") if action.has_anchor else ("o0",)
    return StartState(
        gripper_position=position - origin,
        azimuth=columns["hazi"],
        elevation=columns["hele"],
        heights=np.stack([columns[f"{name}hei"] for name in order], axis=-1),
        radii=np.stack([columns[f"{name}rad"] for name in order], axis=-1),
        moved_place=place - origin[:, :2] if action.is_fetched else None,
    )


def _check_column(path: str | Path, name: str, values: np.ndarray) -> None:
    """UserError where a column's values (N,) are no angles, positions or sizes."""
    size, angle = name.endswith(("hei", "rad")), name in ("hazi", "hele")
    most, unit = (LARGEST_RAD, "rad") if angle else (LARGEST_M, "m")
    wrong = (np.abs(values) > most) | (size & (values <= 0.0))
    if wrong.any():
        row = int(np.argmax(wrong))
        expected = f"a size above 0 and up to {most:g} {unit}" if size else f"-{most:.3g} to {most:.3g} {unit}"
        raise UserError(f"{path}: row {row + 1}, column {name!r}: expected {expected}, got {values[row]:g}")


def _check_held(path: str | Path, radii: np.ndarray, gripper: Gripper) -> None:
    """UserError where a moved object is too wide for the gripper."""
    if (radii >= gripper.max_opening_m).any():
        row, most = int(np.argmax(radii)), f"{gripper.max_opening_m:g} m, which {gripper.name} opens to on each side"
        raise UserError(f"{path}: row {row + 1}: expected a radius below {most}, got {radii[row]:g}")


def spec_columns(states: StartState) -> dict[str, np.ndarray]:
    """Return start states (N rows) as the columns of the published layout; o1 only where there are two objects."""
    position, heights, radii = (np.asarray(a, float) for a in (states.gripper_position, states.heights, states.radii))
    zero = np.zeros(len(position))
    columns = {"hazi": np.asarray(states.azimuth, float), "hele": np.asarray(states.elevation, float)}
    columns |= {f"hpos{axis}": position[:, i] for i, axis in enumerate("xyz")}
    # The standing object comes last on our object axis and first in the published numbering.
    columns |= {"o0posx": zero, "o0posy": zero, "o0posz": heights[:, -1] / 2.0}
    columns |= {"o0hei": heights[:, -1], "o0rad": radii[:, -1]}
    if heights.shape[1] == 2:
        columns |= {"o1hei": heights[:, 0], "o1rad": radii[:, 0]}
    if states.moved_place is not None:
        columns |= dict(zip(FETCHED_COLUMNS, np.asarray(states.moved_place, float).T, strict=True))
    return columns


def write_spec(path: str | Path, states: StartState) -> None:
    """Write start states (N rows) in the published CSV layout; `read_spec` returns them unchanged."""
    write_csv(path, spec_columns(states))


def spec_hash(states: StartState) -> str:
    """SHA-256 of the start states as 32-bit numbers, as hex: the same for equal rows, wherever they came from."""
    data = io.BytesIO()
    for name, column in spec_columns(states).items():
        data.write(name.encode() + column.astype("<f4").tobytes())
    return hashlib.sha256(data.getvalue()).hexdigest()


def generate(spec: str, action: Action, count: int, seed: int, overlaps: Overlaps) -> StartState:
    """Draw `count` start states without overlap, with a leading row axis; the same arguments give the same rows.

    `overlaps` maps states with N rows to (N,) bool: True where gripper, objects or table overlap at the start (open
    gripper, and in two-object actions also closed on the moved object). It always gets `count` rows, so that a jitted
    one is traced once. UserError: an unknown spec, no positive count, or nearly every drawn start overlapping.
    """
    bounds = _bounds(spec)
    if count < 1:
        raise UserError(f"a benchmark needs at least 1 start state, got {count}")
    rng = np.random.default_rng(seed)
    kept: list[np.ndarray] = []
    for _ in range(MAX_ROUNDS):
        table = _draw(bounds, rng, count, action)
        kept.extend(table[~np.asarray(overlaps(_states(table, action)), bool)])
        if len(kept) >= count:
            return _states(np.stack(kept[:count]), action)
    raise UserError(f"{spec}: only {len(kept)} of {count} start states are free of overlap in {MAX_ROUNDS} rounds")


def displaced(states: StartState, distance_m: float, seed: int, overlaps: Overlaps) -> StartState:
    """Return start states (N rows) whose objects were moved along the table while the hand stays where it is.

    Each row's by distance_m in a direction of its own, drawn with the seed among those without overlap; in any
    direction where the row itself begins with an overlap, as some published ones do. In the task frame, which goes
    with the objects, it is the hand that is elsewhere. UserError where a row has no such direction.
    """
    rng, hand = np.random.default_rng(seed), np.asarray(states.gripper_position, float)
    moved, left, clear = hand.copy(), np.ones(len(hand), bool), ~np.asarray(overlaps(states), bool)
    for _ in range(MAX_ROUNDS):
        angle = rng.uniform(-np.pi, np.pi, len(hand))
        shift = distance_m * np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=-1)
        moved[left] = (hand - shift)[left]
        left &= clear & np.asarray(overlaps(replace(states, gripper_position=moved)), bool)
        if not left.any():
            return replace(states, gripper_position=moved)
    raise UserError(f"objects moved by {distance_m:g} m: row {int(np.argmax(left)) + 1} overlaps in every direction")


def _bounds(spec: str) -> SpecRange:
    if spec not in SPECS:
        raise UserError(f"unknown benchmark {spec!r}: expected one of {', '.join(get_args(SpecName))}")
    return SPECS[spec]


def _draw(bounds: SpecRange, rng: np.random.Generator, count: int, action: Action) -> np.ndarray:
    """Rows (count, 9): azimuth, elevation, x, y, z, standing height and radius, moved height and radius.

    Of what is fetched also where it stands, x and y, (count, 11).
    """
    angles = np.deg2rad([bounds.azimuth_deg, bounds.elevation_deg])
    held = action.gripper.held_radius_m
    standing, moved = (bounds.height_m, bounds.radius_m if action.has_anchor else held), (bounds.height_m, held)
    low, high = np.array([*angles, bounds.x_m, bounds.y_m, bounds.z_m, *standing, *moved]).T
    table = rng.uniform(low, high, (count, len(low)))
    if not action.is_fetched:
        return table
    place = fetched_from(action) + bounds.moved_place_m * rng.uniform(-1.0, 1.0, (count, 2))
    table[:, 2:4] += place
    return np.concatenate([table, place], axis=1)


def _states(table: np.ndarray, action: Action) -> StartState:
    # Both objects are drawn whatever the action: one seed then means one set of hands for all nine.
    heights, radii = table[:, [7, 5]], table[:, [8, 6]]
    objects = slice(0, 2) if action.has_anchor else slice(1, 2)
    place = table[:, 9:] if action.is_fetched else None
    return StartState(table[:, 2:5], table[:, 0], table[:, 1], heights[:, objects], radii[:, objects], place)
