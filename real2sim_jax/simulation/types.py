"""Where an episode starts and what happened in it; object axis O: moved object 0, anchor 1 (two-object actions)."""

from flax import struct

from real2sim_jax.data.types import Array


@struct.dataclass
class StartState:
    """One start of an episode, in the task frame (world axes, origin on the table below the standing object).

    The standing object is the moved one in one-object actions and the anchor in two-object actions; there the moved
    object starts between the fingers, its axis turned by Ry(pi/2) in the gripper's frame, or is fetched from the table.
    """

    gripper_position: Array
    """(3,) m."""
    azimuth: Array
    """() rad of the gripper's approach axis."""
    elevation: Array
    """() rad, positive points down."""
    heights: Array
    """(O,) m of the cylinders."""
    radii: Array
    """(O,) m."""
    moved_place: Array | None = None
    """(2,) m where the moved object stands on the table, if it is fetched from there."""


@struct.dataclass
class Properties:
    """What the physics of an episode depends on besides its state."""

    radii: Array
    """(O,) m."""
    heights: Array
    """(O,) m."""
    mass: Array
    """(O,) kg."""
    table_friction: Array
    """() of each object with the table."""
    finger_friction: Array
    """() of the gripper with each object, and of the objects with each other."""
    grip_force: Array
    """() N at most, of each finger."""


@struct.dataclass
class Trajectory:
    """An episode: sample 0 is the start, sample k the state after k control steps (T = steps + 1)."""

    gripper_position: Array
    """(T, 3) m."""
    gripper_wxyz: Array
    """(T, 4)."""
    opening: Array
    """(T,) m of one finger from the middle (mean of both)."""
    object_position: Array
    """(T, O, 3) m, centres."""
    object_wxyz: Array
    """(T, O, 4); the cylinder's axis is its local z."""
    heights: Array
    """(O,) m."""
    radii: Array
    """(O,) m."""
    dt: Array
    """() s."""
