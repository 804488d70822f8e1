"""What differs between simulation and a robot, drawn anew for each episode: domain randomisation (arXiv 1710.06537)."""

import math

import jax
import jax.numpy as jnp
from flax import struct

from real2sim_jax.config.simulation import RandomizationConfig
from real2sim_jax.core.arrays import flat
from real2sim_jax.core.observation import LAYOUT_OF, OBJECT_FIELDS, PLACE_FIELDS, POLICY_FIELDS, place_of
from real2sim_jax.core.rotations import multiply, rotate, rotvec_from_wxyz, wxyz_from_rotvec
from real2sim_jax.data.types import Array
from real2sim_jax.simulation.types import Properties, StartState

CALIBRATION, MEASURED = 1 << 20, 1 << 21
"""Numbers of draws that are none of a step's."""


@struct.dataclass
class Draw:
    """What one episode has drawn."""

    properties: Properties
    delay: Array
    """() int, control steps."""
    pending: Array
    """(longest delay, 7) the last actions, newest first."""
    misplaced: Array
    """(2,) m along the table, from where the policy takes the objects to be to where they stand."""
    turned: Array
    """() rad, by which the policy's frame is turned around the objects' place."""
    key: Array
    """Of the observation's noise."""
    moved_place: Array | None
    """(2,) m where what is fetched stood at the start; None where nothing is."""
    place_error: Array
    """(2,) m by which it was measured elsewhere."""


def sample_draw(key: Array, start: StartState, hold: Array, config: RandomizationConfig) -> Draw:
    """Draw what varies in an episode that begins with `start`; `hold` (7,) is the action that changes nothing there."""
    key_mass, key_table, key_finger, key_force, key_delay, key_noise = jax.random.split(key, 6)
    properties = Properties(
        radii=start.radii,
        heights=start.heights,
        mass=_uniform(key_mass, config.mass_kg, start.radii.shape),
        table_friction=_uniform(key_table, config.table_friction),
        finger_friction=_uniform(key_finger, config.finger_friction),
        grip_force=_uniform(key_force, config.grip_force_n),
    )
    delay = jax.random.randint(key_delay, (), config.delay_steps[0], config.delay_steps[1] + 1)
    key_far, key_where = jax.random.split(jax.random.fold_in(key_noise, CALIBRATION))
    far, angle = _uniform(key_far, config.calibration_m), _uniform(key_where, (-math.pi, math.pi))
    measured = jax.random.normal(jax.random.fold_in(key_noise, MEASURED), (5,))
    misplaced = far * jnp.stack([jnp.cos(angle), jnp.sin(angle)]) + config.place_noise_m * measured[:2]
    turned = math.radians(config.turn_noise_deg) * measured[2]
    pending, error = jnp.tile(hold, (config.delay_steps[1], 1)), config.place_noise_m * measured[3:]
    return Draw(properties, delay, pending, misplaced, turned, key_noise, start.moved_place, error)


def as_meant(draw: Draw, action: Array, config: RandomizationConfig) -> Array:
    """Return an action (7,) of the policy's frame in the task frame."""
    if not config.turn_noise_deg:
        return action
    turn = _turn(draw.turned)
    return jnp.concatenate([rotate(turn, action[:3]), rotate(turn, action[3:6]), action[6:]])


def _turn(angle: Array) -> Array:
    """The quaternion (4,) of a turn around the table's normal, rad."""
    return wxyz_from_rotvec(angle * jnp.asarray([0.0, 0.0, 1.0]))


def delayed(draw: Draw, action: Array) -> tuple[Draw, Array]:
    """Return the draw after an action (7,) was given, and the action that takes effect now."""
    given = jnp.concatenate([action[None], draw.pending])
    return draw.replace(pending=given[: len(draw.pending)]), given[draw.delay]  # type: ignore[attr-defined]


def noisy(draw: Draw, step: Array, observation: Array, config: RandomizationConfig) -> Array:
    """Return the policy's observation with the noise of a step; time and the axis of an object are exact.

    To a policy that takes the objects to be elsewhere or turned, it is the gripper that is.
    """
    layout = LAYOUT_OF[observation.shape[-1]]
    if config.calibration_m[1] or config.place_noise_m:
        sides = jnp.asarray([[name == "gripper_x", name == "gripper_y"] for name in layout], jnp.float32)
        observation -= sides @ draw.misplaced
        measured = jnp.asarray([[name == field for field in PLACE_FIELDS] for name in layout], jnp.float32)
        observation += measured @ (draw.place_error - draw.misplaced)
    if config.turn_noise_deg:
        observation = _turned_back(observation, _turn(-draw.turned))
    if not (config.position_noise_m or config.rotation_noise_deg or config.opening_noise_m):
        return observation
    groups = {"gripper_rotvec": math.radians(config.rotation_noise_deg), "gripper": config.position_noise_m}
    groups |= {
        "opening": config.opening_noise_m,
        "time": 0.0,
        "moved": 0.0,
        "object_axis": 0.0,
        "object": config.position_noise_m,
    }
    sigma = jnp.asarray([next(s for g, s in groups.items() if name.startswith(g)) for name in layout])
    return observation + sigma * jax.random.normal(jax.random.fold_in(draw.key, step), observation.shape)


def _turned_back(observation: Array, turn: Array) -> Array:
    """An observation in a frame from which a turn (4,) leads to the task frame's."""
    wxyz = multiply(turn, wxyz_from_rotvec(observation[4:7]))
    layout, first = LAYOUT_OF[observation.shape[-1]], len(POLICY_FIELDS)
    seen = [observation[:1], rotate(turn, observation[1:4]), rotvec_from_wxyz(wxyz), observation[7:first]]
    if PLACE_FIELDS[0] in layout:
        seen.append(rotate(turn, flat(place_of(observation)))[:2])
    if OBJECT_FIELDS[0] in layout:
        seen += [rotate(turn, vector) for vector in observation[-6:].reshape(-1, 3)]
    return jnp.concatenate(seen)


def _uniform(key: Array, limits: tuple[float, float], shape: tuple[int, ...] = ()) -> Array:
    return jax.random.uniform(key, shape, minval=limits[0], maxval=limits[1])
