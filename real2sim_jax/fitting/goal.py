"""What an action's name says of a scene, as a penalty: its predicates as inequalities that the optimiser can lean on.

They mirror the rules of `benchmarks.reconstruction`, which judges the result. A fit to evidence alone has no goal.
"""

import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.typing import ArrayLike

from real2sim_jax.config.fitting import Scales
from real2sim_jax.core.actions import Action
from real2sim_jax.core.predicates import AXES, Beside, HandPoints, Lifted, MovedBy, OnTop, TurnedBy, degrees
from real2sim_jax.core.rotations import azimuth_elevation_from_wxyz, conjugate, multiply, rotate, twist, wrap
from real2sim_jax.data.types import ANCHOR, HAND, MOVED, Array, CuboidTrack
from real2sim_jax.geometry.cuboids import CORNER_SIGNS

NOTHING_M = -1e3
"""A distance that everything exceeds."""


@struct.dataclass
class Goal:
    """One way in which an action can be fulfilled; directions are unit vectors on the table."""

    moved: Array
    """(2,) direction of the displacement."""
    moved_m: Array
    """() least displacement along it."""
    lifted_m: Array
    """() least rise."""
    hand: Array
    """() rad, azimuth of the hand."""
    hand_within: Array
    """() rad; pi asks nothing."""
    beside: Array
    """(2,) direction from the anchor; zero asks nothing."""
    edge: Array
    """() rad by which the sector on that side of the anchor opens."""
    turn_axis: Array
    """(3,)."""
    turn: Array
    """() rad."""
    turn_within: Array
    """() rad; pi asks nothing."""


def no_goal() -> Goal:
    """Return a goal that every scene fulfils."""
    one = np.float32
    flat, pi = np.zeros(2, one), one(np.pi)
    up = np.asarray(AXES["up"], one)
    return Goal(flat, one(NOTHING_M), one(NOTHING_M), one(0.0), pi, flat, one(0.0), up, one(0.0), pi)  # type: ignore[arg-type]


def is_asked(goal: Goal) -> bool:
    """Return whether a goal asks anything of a scene."""
    return any(
        np.any(np.asarray(mine) != none)
        for mine, none in zip(vars(goal).values(), vars(no_goal()).values(), strict=True)
    )


def goals_of(action: Action) -> list[Goal]:
    """Return the ways in which an action can be fulfilled: one, or one for each direction beside the anchor."""
    fields: dict[str, ArrayLike] = {}
    sides: list[dict[str, ArrayLike]] = [{}]
    for rule in action.success:
        if isinstance(rule, MovedBy):
            fields |= {"moved": _unit(np.deg2rad(degrees(rule.direction))), "moved_m": np.float32(rule.at_least_m)}
        elif isinstance(rule, Lifted):
            fields |= {"lifted_m": np.float32(rule.at_least_m)}
        elif isinstance(rule, HandPoints):
            fields |= {"hand": _radians(degrees(rule.direction)), "hand_within": _radians(rule.within_deg)}
        elif isinstance(rule, TurnedBy):
            fields |= {"turn_axis": np.asarray(AXES[rule.axis], np.float32), "turn": _radians(rule.angle_deg)}
            fields |= {"turn_within": _radians(rule.within_deg)}
        elif isinstance(rule, Beside):
            edge = _radians(rule.within_deg)
            sides = [{"beside": _unit(np.deg2rad(degrees(one))), "edge": edge} for one in rule.directions]
    return [no_goal().replace(**fields, **side) for side in sides]  # type: ignore[attr-defined]


def support_of(action: Action) -> bool | None:
    """Return whether the action ends on the anchor (True), on the table beside it (False), or does not say (None)."""
    if any(isinstance(rule, OnTop) for rule in action.success):
        return True
    return False if any(isinstance(rule, Beside) for rule in action.success) else None


def goal_term(track: CuboidTrack, goal: Goal, valid: Array, s: Scales) -> Array:
    """Return by how much a scene misses its goal, (): squared multiples of the scales of contact and of turning."""
    frames = jnp.arange(len(valid))
    first, last = jnp.argmax(valid), jnp.max(jnp.where(valid, frames, 0))
    start, end = track.position[first, MOVED], track.position[last, MOVED]
    lengths = [
        goal.moved_m - (end - start)[:2] @ goal.moved,
        goal.lifted_m - (end - start)[2],
        *_outside_sector(track, goal, end[:2], last),
    ]
    turned = twist(multiply(track.wxyz[last, MOVED], conjugate(track.wxyz[first, MOVED])), goal.turn_axis)
    azimuth, _ = azimuth_elevation_from_wxyz(track.wxyz[:, HAND])
    angles = [
        jnp.abs(wrap(turned - goal.turn)) - goal.turn_within,
        jnp.where(valid, jnp.abs(wrap(azimuth - goal.hand)) - goal.hand_within, -1.0),
    ]
    # Beyond each limit by one unit of its scale: a penalty alone stops just short of it.
    too_short = [_beyond(value / s.contact_m, value > 0.5 * NOTHING_M) for value in lengths]
    too_far = [_beyond(value / s.hand_turned_rad, value > -np.pi) for value in angles]
    return sum((jnp.mean(value) for value in [*too_short, *too_far]), jnp.zeros(()))


def _outside_sector(track: CuboidTrack, goal: Goal, centre: Array, last: Array) -> list[Array]:
    """How far (m) a centre is outside each of the three sides of the sector beside the anchor."""
    ahead, aside = goal.beside, jnp.stack([-goal.beside[1], goal.beside[0]])
    corners = rotate(track.wxyz[last, ANCHOR][None], CORNER_SIGNS * track.half_extents[ANCHOR])
    footprint = (corners + track.position[last, ANCHOR])[:, :2]
    left, right = (footprint[jnp.argmax(footprint @ (ahead + sign * aside))] for sign in (1.0, -1.0))
    cosine, sine = jnp.cos(goal.edge), jnp.sin(goal.edge)
    from_left, from_right = centre - left, centre - right
    beyond_left = cosine * (from_left @ aside) - sine * (from_left @ ahead)
    beyond_right = -cosine * (from_right @ aside) - sine * (from_right @ ahead)
    short = -jnp.maximum(from_left @ ahead, from_right @ ahead)
    asked = jnp.any(goal.beside != 0.0)
    return [jnp.where(asked, value, NOTHING_M) for value in (beyond_left, beyond_right, short)]


def _beyond(units: Array, asked: Array) -> Array:
    return jnp.where(asked, jnp.maximum(units + 1.0, 0.0) ** 2, 0.0)


def _unit(angle: float) -> np.ndarray:
    return np.asarray([np.cos(angle), np.sin(angle)], np.float32)


def _radians(angle: float) -> np.floating:
    return np.float32(np.deg2rad(angle))
