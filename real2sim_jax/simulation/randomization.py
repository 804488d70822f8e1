"""What differs between simulation and a robot, drawn anew for each episode: domain randomisation (arXiv 1710.06537)."""

import math

import jax
import jax.numpy as jnp
from flax import struct

from real2sim_jax.config.simulation import RandomizationConfig
from real2sim_jax.core.observation import LAYOUTS, POLICY_FIELDS
from real2sim_jax.data.types import Array
from real2sim_jax.simulation.types import Properties, StartState

CALIBRATION = 1 << 20
"""Number of a draw that is none of a step's."""


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
    key: Array
    """Of the observation's noise."""


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
    misplaced = far * jnp.stack([jnp.cos(angle), jnp.sin(angle)])
    return Draw(properties, delay, jnp.tile(hold, (config.delay_steps[1], 1)), misplaced, key_noise)


def delayed(draw: Draw, action: Array) -> tuple[Draw, Array]:
    """Return the draw after an action (7,) was given, and the action that takes effect now."""
    given = jnp.concatenate([action[None], draw.pending])
    return draw.replace(pending=given[: len(draw.pending)]), given[draw.delay]  # type: ignore[attr-defined]


def noisy(draw: Draw, step: Array, observation: Array, config: RandomizationConfig) -> Array:
    """Return the policy's observation with the noise of a step; time and the axis of an object are exact.

    To a policy that takes the objects to be elsewhere, it is the gripper that is elsewhere.
    """
    layout = LAYOUTS[observation.shape[-1] > len(POLICY_FIELDS)]
    if config.calibration_m[1]:
        sides = jnp.asarray([[name == "gripper_x", name == "gripper_y"] for name in layout], jnp.float32)
        observation -= sides @ draw.misplaced
    if not (config.position_noise_m or config.rotation_noise_deg or config.opening_noise_m):
        return observation
    groups = {"gripper_rotvec": math.radians(config.rotation_noise_deg), "gripper": config.position_noise_m}
    groups |= {"opening": config.opening_noise_m, "time": 0.0, "object_axis": 0.0, "object": config.position_noise_m}
    sigma = jnp.asarray([next(s for g, s in groups.items() if name.startswith(g)) for name in layout])
    return observation + sigma * jax.random.normal(jax.random.fold_in(draw.key, step), observation.shape)


def _uniform(key: Array, limits: tuple[float, float], shape: tuple[int, ...] = ()) -> Array:
    return jax.random.uniform(key, shape, minval=limits[0], maxval=limits[1])
