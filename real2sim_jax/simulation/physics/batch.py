"""MuJoCo's C engine, many environments in the threads of one process."""

import atexit
import threading
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import io_callback
from mujoco.batch import Batch, SimulationError

from real2sim_jax.core.gripper import PUBLISHED, Gripper
from real2sim_jax.data.types import Array
from real2sim_jax.simulation.physics.interface import (
    Clock,
    Physics,
    PhysicsState,
    cylinder_inertia,
    flattened,
    one_of_many,
)
from real2sim_jax.simulation.scene import SUBSTEPS, build_model
from real2sim_jax.simulation.types import Properties

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


@atexit.register
def _wait_for_programs() -> None:
    """Wait until no program can call the C engine any more: XLA's threads must not call into an ending interpreter.

    jax waits too, but only after it has taken its devices apart; hooks run from the last registered to the first.
    """
    jax.effects_barrier()


class BatchPhysics(Physics):
    """MuJoCo's C engine through `mujoco.batch`, called back from the jitted program once per control step."""

    name = "batch"

    def __init__(self, objects: int, gripper: Gripper = PUBLISHED):
        super().__init__(objects, build_model(objects, "cylinder", gripper))
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
