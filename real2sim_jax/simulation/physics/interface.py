"""Physics back ends: one stateless step of the scene, as a jittable and vmappable function.

`batch` runs MuJoCo's C engine on all cores (CPU default), `mjx` MuJoCo's JAX engine (GPU, TPU), `warp` its Warp engine
(NVIDIA GPU).
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from flax import struct

from real2sim_jax.data.types import Array
from real2sim_jax.simulation.joints import OBJECT_NAMES, Joints
from real2sim_jax.simulation.types import Properties


@struct.dataclass
class PhysicsState:
    """Everything that a step depends on besides the controls and the objects' sizes."""

    qpos: Array
    """(nq,) of the model: what lies where is said by `Physics.joints`."""
    qvel: Array
    """(nv,) linear in world axes, angular in body axes."""
    warmstart: Array
    """Like qvel: the constraint solver's first guess."""


@dataclass
class Clock:
    """How long an engine that is called on the host has worked."""

    busy_s: float = 0.0
    last: float = 0.0
    """Of time.perf_counter, when it last finished."""

    def count(self, started: float) -> None:
        """Count the time from then to now."""
        self.last = time.perf_counter()
        self.busy_s += self.last - started


class Physics(ABC):
    """A physics engine with the scene of one action in it."""

    name: str
    clock: Clock | None = None
    """None where steps are part of the device's program."""

    def __init__(self, objects: int, model: mujoco.MjModel):
        self.model = model
        self.joints = Joints(model, objects)
        self._geoms = np.array([model.geom(name).id for name in OBJECT_NAMES[:objects]])
        self._bodies = np.array([model.body(name).id for name in OBJECT_NAMES[:objects]])
        self._on_table = (np.stack([model.pair_geom1, model.pair_geom2]) == model.geom("table").id).any(axis=0)

    @abstractmethod
    def step(self, state: PhysicsState, ctrl: Array, properties: Properties) -> PhysicsState:
        """Advance one control step (SUBSTEPS engine steps).

        ctrl (2,) m, the fingers' targets. A simulation that diverges returns NaN.
        """

    def initial(self, qpos: Array) -> PhysicsState:
        """Return a state at rest."""
        zeros = jnp.zeros((*qpos.shape[:-1], self.model.nv))
        return PhysicsState(qpos=qpos, qvel=zeros, warmstart=zeros)


def one_of_many(step_many: Callable[..., PhysicsState], *inputs: Any) -> PhysicsState:
    """Return what a function of stacks makes of a single world."""
    stacked = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], inputs)
    return jax.tree.map(lambda leaf: leaf[0], step_many(*stacked))


def flattened(function: Callable[..., PhysicsState]) -> Callable[..., PhysicsState]:
    """Let a function of stacks be mapped over further axes by making them one with the stacks' own."""
    mapped = jax.custom_batching.custom_vmap(function)

    @mapped.def_vmap
    def _rule(size: int, is_mapped: Any, *inputs: Any) -> tuple[PhysicsState, Any]:
        full = jax.tree.map(lambda x, m: x if m else jnp.broadcast_to(x, (size, *x.shape)), inputs, tuple(is_mapped))
        out = mapped(*jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), full))
        out = jax.tree.map(lambda x: x.reshape(size, -1, *x.shape[1:]), out)
        return out, jax.tree.map(lambda _: True, out)

    return mapped


def cylinder_inertia(mass: Array, radii: Array, heights: Array) -> Array:
    """Principal moments (..., 3) kg m^2 of solid cylinders of mass kg about their centres."""
    side = mass * (3.0 * radii**2 + heights**2) / 12.0
    return jnp.stack([side, side, mass * radii**2 / 2.0], axis=-1)
