"""Physics back ends: one stateless step of the scene, as a jittable and vmappable function.

`batch` runs MuJoCo's C engine on all cores (CPU default), `mjx` MuJoCo's JAX engine (GPU, TPU), `warp` its Warp engine
(NVIDIA GPU).
"""

import atexit
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from flax import struct
from jax.experimental import io_callback
from mujoco.batch import Batch, SimulationError

from real2sim_jax.errors import UserError
from real2sim_jax.simulation.scene import SUBSTEPS, build_model
from real2sim_jax.simulation.types import Properties
from real2sim_jax.types import Array

BACKENDS = ("batch", "mjx", "warp")
OBJECT_NAMES = ("moved", "anchor")
EXPANDED = (
    "geom_size",
    "geom_rbound",
    "geom_aabb",
    "body_inertia",
    "body_mass",
    "body_subtreemass",
    "pair_friction",
    "actuator_forcerange",
)
"""Fields of the model that each simulation has for itself."""


@struct.dataclass
class PhysicsState:
    """Everything that a step depends on besides the controls and the objects' sizes."""

    qpos: Array
    """(16 or 23,) gripper xyz wxyz, two fingers, then xyz wxyz of each object."""
    qvel: Array
    """(14 or 20,) linear in world axes, angular in body axes."""
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


def make_physics(name: str, objects: int) -> Physics:
    """Return a back end by name for one or two objects; UserError as from `check_physics`."""
    check_physics(name)
    if name == "batch":
        return BatchPhysics(objects)
    from real2sim_jax.simulation import mjx_physics

    return mjx_physics.MjxPhysics(objects) if name == "mjx" else mjx_physics.WarpPhysics(objects)


def check_physics(name: str) -> None:
    """Raise UserError when there is no back end of that name here."""
    if name not in BACKENDS:
        raise UserError(f"unknown physics {name!r}: expected one of {', '.join(BACKENDS)}")
    if name != "warp":
        return
    if find_spec("warp") is None:
        raise UserError("physics 'warp' needs the package warp-lang: pip install 'real2sim-jax[warp]'")
    if jax.default_backend() not in ("gpu", "cpu"):
        raise UserError(f"physics 'warp' needs an NVIDIA GPU, not a {jax.default_backend()}: use 'mjx'")
    if jax.device_count() > 1:
        # All worlds go into one call, so that each device would compute all.
        raise UserError(f"physics 'warp' uses one of {jax.device_count()} devices: choose it by CUDA_VISIBLE_DEVICES")


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


@atexit.register
def _wait_for_programs() -> None:
    """Wait until no program can call the C engine any more: XLA's threads must not call into an ending interpreter.

    jax waits too, but only after it has taken its devices apart; hooks run from the last registered to the first.
    """
    jax.effects_barrier()


class BatchPhysics(Physics):
    """MuJoCo's C engine through `mujoco.batch`, called back from the jitted program once per control step."""

    name = "batch"

    def __init__(self, objects: int):
        super().__init__(objects, build_model(objects, "cylinder"))
        self._batches: dict[int, Batch] = {}
        self._lock = threading.Lock()
        self._step_many = flattened(self._step_many_worlds)
        self.clock: Clock = Clock()

    def step(self, state: PhysicsState, ctrl: Array, properties: Properties) -> PhysicsState:
        """See Physics.step."""
        return one_of_many(self._step_many, state, ctrl, properties)

    def _step_many_worlds(self, state: PhysicsState, ctrl: Array, properties: Properties) -> PhysicsState:
        shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.float32), state)
        inertia = cylinder_inertia(properties.mass, properties.radii, properties.heights)
        # Called so, a program counts as one with effects: jax keeps its token, which `_wait_for_programs` waits for.
        return io_callback(self._host_step, shapes, state, ctrl, properties, inertia)

    def _host_step(self, *inputs: Any) -> PhysicsState:
        worlds = jax.tree.map(np.asarray, inputs)
        with self._lock:
            started = time.perf_counter()
            result = self._run(self._batch(len(worlds[0].qpos)), *worlds)
            self.clock.count(started)
        return PhysicsState(*(x.astype(np.float32) for x in result))

    def _batch(self, count: int) -> Batch:
        if count not in self._batches:
            batch = Batch(self.model, count)
            for name in EXPANDED:
                batch.expand(name)
            self._batches[count] = batch
        return self._batches[count]

    def _run(
        self, batch: Batch, state: PhysicsState, ctrl: np.ndarray, properties: Properties, inertia: np.ndarray
    ) -> list[np.ndarray]:
        names = ("qpos", "qvel", "qacc_warmstart", "ctrl")
        lost = np.array(~np.isfinite(np.concatenate([state.qpos, state.qvel], axis=-1)).all(axis=-1))
        qpos, qvel = np.where(lost[:, None], self.model.qpos0, state.qpos), np.where(lost[:, None], 0.0, state.qvel)
        for name, value in zip(names, (qpos, qvel, state.warmstart, ctrl), strict=True):
            batch.bind(name)[:] = value
        self._set_properties(batch, properties, inertia)
        try:
            batch.step(nstep=SUBSTEPS)
        except SimulationError as error:
            lost[error.ids] = True
        return [np.where(lost[:, None], np.nan, batch.bind(name)) for name in names[:3]]

    def _set_properties(self, batch: Batch, properties: Properties, inertia: np.ndarray) -> None:
        radii, halves = np.asarray(properties.radii), np.asarray(properties.heights) / 2.0
        batch.expand("geom_size")[:, self._geoms, :2] = np.stack([radii, halves], axis=-1)
        batch.expand("geom_rbound")[:, self._geoms] = np.hypot(radii, halves)
        batch.expand("geom_aabb")[:, self._geoms, 3:] = np.stack([radii, radii, halves], axis=-1)
        batch.expand("body_inertia")[:, self._bodies] = inertia
        for name in ("body_mass", "body_subtreemass"):
            batch.expand(name)[:, self._bodies] = properties.mass
        frictions = np.asarray(properties.finger_friction), np.asarray(properties.table_friction)
        for pairs, friction in zip((~self._on_table, self._on_table), frictions, strict=True):
            batch.expand("pair_friction")[:, pairs, :2] = friction[:, None, None]
        limits = np.asarray(properties.grip_force)[:, None] * np.array([-1.0, 1.0])
        batch.expand("actuator_forcerange")[:] = limits[:, None]
