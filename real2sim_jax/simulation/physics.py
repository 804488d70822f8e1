"""Physics back ends: one stateless step of the scene, as a jittable and vmappable function.

`batch` runs MuJoCo's C engine on all cores (CPU default), `mjx` MuJoCo's JAX engine (GPU, TPU).
"""

import threading
from abc import ABC, abstractmethod
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from flax import struct
from mujoco.batch import Batch, SimulationError

from real2sim_jax.errors import UserError
from real2sim_jax.robot.rotations import matrix_from_wxyz
from real2sim_jax.simulation.scene import OBJECT_MASS, SUBSTEPS, build_model
from real2sim_jax.types import Array

BACKENDS = ("batch", "mjx", "warp")
OBJECT_NAMES = ("moved", "anchor")


@struct.dataclass
class PhysicsState:
    """Everything that a step depends on besides the controls and the objects' sizes."""

    qpos: Array
    """(16 or 23,) gripper xyz wxyz, two fingers, then xyz wxyz of each object."""
    qvel: Array
    """(14 or 20,) linear in world axes, angular in body axes."""
    warmstart: Array
    """Like qvel: the constraint solver's first guess."""


class Physics(ABC):
    """A physics engine with the scene of one action in it."""

    name: str

    def __init__(self, objects: int, model: mujoco.MjModel):
        self.objects = objects
        self.model = model

    @abstractmethod
    def step(self, state: PhysicsState, ctrl: Array, radii: Array, heights: Array) -> PhysicsState:
        """Advance one control step (SUBSTEPS engine steps).

        ctrl (2,) m, the fingers' targets; radii, heights (O,) m. A simulation that diverges returns NaN.
        """

    def initial(self, qpos: Array) -> PhysicsState:
        """Return a state at rest."""
        zeros = jnp.zeros((*qpos.shape[:-1], self.model.nv))
        return PhysicsState(qpos=qpos, qvel=zeros, warmstart=zeros)


def make_physics(name: str, objects: int) -> Physics:
    """Return a back end by name for one or two objects; UserError as from `check_physics`."""
    check_physics(name)
    return BatchPhysics(objects) if name == "batch" else MjxPhysics(objects)


def check_physics(name: str) -> None:
    """Raise UserError when there is no back end of that name here."""
    if name == "warp":
        raise UserError("physics 'warp' is not available in this version; use 'mjx' on an accelerator or 'batch'")
    if name not in BACKENDS:
        raise UserError(f"unknown physics {name!r}: expected one of {', '.join(BACKENDS)}")


def cylinder_inertia(radii: Array, heights: Array) -> Array:
    """Principal moments (..., 3) kg m^2 of solid cylinders of OBJECT_MASS about their centres."""
    side = OBJECT_MASS * (3.0 * radii**2 + heights**2) / 12.0
    return jnp.stack([side, side, OBJECT_MASS * radii**2 / 2.0], axis=-1)


class BatchPhysics(Physics):
    """MuJoCo's C engine through `mujoco.batch`, called back from the jitted program once per control step."""

    name = "batch"

    def __init__(self, objects: int):
        super().__init__(objects, build_model(objects, "cylinder"))
        self._geoms = [self.model.geom(name).id for name in OBJECT_NAMES[:objects]]
        self._bodies = [self.model.body(name).id for name in OBJECT_NAMES[:objects]]
        self._batches: dict[int, Batch] = {}
        self._lock = threading.Lock()

    def step(self, state: PhysicsState, ctrl: Array, radii: Array, heights: Array) -> PhysicsState:
        """See Physics.step."""
        shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.float32), state)
        inputs = (state.qpos, state.qvel, state.warmstart, ctrl, radii, heights, cylinder_inertia(radii, heights))
        return jax.pure_callback(self._host_step, shapes, *inputs, vmap_method="broadcast_all")

    def _host_step(self, *inputs: Any) -> PhysicsState:
        lead = np.shape(inputs[0])[:-1]
        count = int(np.prod(lead))
        flat = [np.asarray(x).reshape(count, *np.shape(x)[len(lead) :]) for x in inputs]
        with self._lock:
            result = self._run(self._batch(count), flat)
        return PhysicsState(*(x.astype(np.float32).reshape(*lead, x.shape[-1]) for x in result))

    def _batch(self, count: int) -> Batch:
        if count not in self._batches:
            batch = Batch(self.model, count)
            for name in ("geom_size", "geom_rbound", "geom_aabb", "body_inertia"):
                batch.expand(name)
            self._batches[count] = batch
        return self._batches[count]

    def _run(self, batch: Batch, inputs: list[np.ndarray]) -> list[np.ndarray]:
        qpos, qvel, warmstart, ctrl, radii, heights, inertia = inputs
        names = ("qpos", "qvel", "qacc_warmstart", "ctrl")
        lost = np.array(~np.isfinite(np.concatenate([qpos, qvel], axis=-1)).all(axis=-1))
        qpos, qvel = np.where(lost[:, None], self.model.qpos0, qpos), np.where(lost[:, None], 0.0, qvel)
        for name, value in zip(names, (qpos, qvel, warmstart, ctrl), strict=True):
            batch.bind(name)[:] = value
        halves = heights / 2.0
        batch.expand("geom_size")[:, self._geoms, :2] = np.stack([radii, halves], axis=-1)
        batch.expand("geom_rbound")[:, self._geoms] = np.hypot(radii, halves)
        batch.expand("geom_aabb")[:, self._geoms, 3:] = np.stack([radii, radii, halves], axis=-1)
        batch.expand("body_inertia")[:, self._bodies] = inertia
        try:
            batch.step(nstep=SUBSTEPS)
        except SimulationError as error:
            lost[error.ids] = True
        return [np.where(lost[:, None], np.nan, batch.bind(name)) for name in names[:3]]


class MjxPhysics(Physics):
    """MuJoCo's JAX engine; cylinders are 12-sided prisms there."""

    name = "mjx"

    def __init__(self, objects: int):
        from mujoco import mjx

        super().__init__(objects, build_model(objects, "prism"))
        self._mjx = mjx
        self._system = mjx.put_model(self.model)
        self._bodies = np.array([self.model.body(name).id for name in OBJECT_NAMES[:objects]])
        geoms = [self.model.geom(name).id for name in OBJECT_NAMES[:objects]]
        # MuJoCo turns a mesh into its principal axes and the geom back; scaling happens in the body's axes.
        self._mesh_axes = [matrix_from_wxyz(self.model.geom_quat[geom]) for geom in geoms]

    def step(self, state: PhysicsState, ctrl: Array, radii: Array, heights: Array) -> PhysicsState:
        """See Physics.step."""
        system = self._sized(radii, heights)
        data = self._mjx.make_data(system)
        data = data.replace(qpos=state.qpos, qvel=state.qvel, qacc_warmstart=state.warmstart, ctrl=ctrl)
        data, _ = jax.lax.scan(lambda d, _: (self._mjx.step(system, d), None), data, length=SUBSTEPS)
        return PhysicsState(qpos=data.qpos, qvel=data.qvel, warmstart=data.qacc_warmstart)

    def _sized(self, radii: Array, heights: Array) -> Any:
        inertia = self._system.body_inertia.at[self._bodies].set(cylinder_inertia(radii, heights))
        meshes = []
        for i, mesh in enumerate(self._system._impl.mesh_convex):
            scale = jnp.stack([radii[i], radii[i], heights[i] / 2.0])
            axes = jnp.asarray(self._mesh_axes[i], jnp.float32)
            transform = axes.T @ (scale[:, None] * axes)
            meshes.append(mesh.replace(vert=mesh.vert @ transform.T, face=mesh.face @ transform.T))
        return self._system.tree_replace({"body_inertia": inertia, "_impl.mesh_convex": tuple(meshes)})  # type: ignore[dict-item]
