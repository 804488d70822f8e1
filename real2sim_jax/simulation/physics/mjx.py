"""Physics back ends of MuJoCo's JAX package: its own engine, and MuJoCo Warp behind the same calls."""

from typing import Any

import jax
import jax.numpy as jnp
import mujoco
from mujoco import mjx

from real2sim_jax.core.gripper import PUBLISHED, Gripper
from real2sim_jax.core.rotations import matrix_from_wxyz
from real2sim_jax.data.types import Array
from real2sim_jax.simulation.physics.interface import Physics, PhysicsState, cylinder_inertia, flattened, one_of_many
from real2sim_jax.simulation.physics.mjx_solver import check_solver, mended_line_search
from real2sim_jax.simulation.scene import SUBSTEPS, build_model
from real2sim_jax.simulation.types import Properties

CONTACTS_PER_OBJECT = 24
"""Room for an object's contacts in Warp's arrays: table and palm four each, each finger five, another object five."""


class _MjxModel(Physics):
    """What both engines have in common: the model's fields that each simulation has for itself."""

    _system: Any

    def _changed(self, properties: Properties) -> dict[str, Array]:
        system, bodies = self._system, self._bodies
        inertia = cylinder_inertia(properties.mass, properties.radii, properties.heights)
        friction = jnp.where(self._on_table, properties.table_friction, properties.finger_friction)
        return {
            "body_inertia": system.body_inertia.at[bodies].set(inertia),
            "body_mass": system.body_mass.at[bodies].set(properties.mass),
            "body_subtreemass": system.body_subtreemass.at[bodies].set(properties.mass),
            "pair_friction": system.pair_friction.at[:, :2].set(friction[:, None]),
            "actuator_forcerange": jnp.tile(properties.grip_force * jnp.array([-1.0, 1.0]), (2, 1)),
        }

    def _stepped(self, system: Any, data: Any, state: PhysicsState, ctrl: Array) -> PhysicsState:
        data = data.replace(qpos=state.qpos, qvel=state.qvel, qacc_warmstart=state.warmstart, ctrl=ctrl)
        data, _ = jax.lax.scan(lambda d, _: (mjx.step(system, d), None), data, length=SUBSTEPS)
        return PhysicsState(qpos=data.qpos, qvel=data.qvel, warmstart=data.qacc_warmstart)


class MjxPhysics(_MjxModel):
    """MuJoCo's JAX engine; cylinders are 12-sided prisms there."""

    name = "mjx"

    def __init__(self, objects: int, gripper: Gripper = PUBLISHED):
        check_solver()
        super().__init__(objects, build_model(objects, "prism", gripper))
        self._system = mjx.put_model(self.model, impl="jax")
        # MuJoCo turns a mesh into its principal axes and the geom back; scaling happens in the body's axes.
        self._mesh_axes = [matrix_from_wxyz(self.model.geom_quat[geom]) for geom in self._geoms]

    def step(self, state: PhysicsState, ctrl: Array, properties: Properties) -> PhysicsState:
        """See Physics.step."""
        system = self._with(properties)
        with mended_line_search():
            return self._stepped(system, mjx.make_data(system), state, ctrl)

    def _with(self, properties: Properties) -> Any:
        meshes = {"_impl.mesh_convex": self._meshes(properties.radii, properties.heights)}
        return self._system.tree_replace(self._changed(properties) | meshes)

    def _meshes(self, radii: Array, heights: Array) -> tuple[Any, ...]:
        meshes = []
        for i, mesh in enumerate(self._system._impl.mesh_convex):
            scale = jnp.stack([radii[i], radii[i], heights[i] / 2.0])
            axes = jnp.asarray(self._mesh_axes[i], jnp.float32)
            transform = axes.T @ (scale[:, None] * axes)
            meshes.append(mesh.replace(vert=mesh.vert @ transform.T, face=mesh.face @ transform.T))
        return tuple(meshes)


class WarpPhysics(_MjxModel):
    """MuJoCo Warp, written for NVIDIA GPUs (on a CPU one core computes, for tests); cylinders are cylinders there."""

    name = "warp"

    def __init__(self, objects: int, gripper: Gripper = PUBLISHED):
        import warp

        warp.config.log_level = warp.LOG_WARNING
        model = build_model(objects, "cylinder", gripper)
        # It never resets by itself, and refuses to be told not to.
        model.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
        super().__init__(objects, model)
        self._system = mjx.put_model(model, impl="warp")
        self._step_many = flattened(self._step_many_worlds)

    def step(self, state: PhysicsState, ctrl: Array, properties: Properties) -> PhysicsState:
        """See Physics.step."""
        return one_of_many(self._step_many, state, ctrl, properties)

    def _step_many_worlds(self, state: PhysicsState, ctrl: Array, properties: Properties) -> PhysicsState:
        # All worlds share one array of contacts, so that its length must be known here.
        contacts = CONTACTS_PER_OBJECT * len(self._geoms)
        data = mjx.make_data(self.model, impl="warp", naconmax=contacts * len(ctrl), njmax=4 * contacts + 4)

        def step(state: PhysicsState, ctrl: Array, properties: Properties) -> PhysicsState:
            return self._stepped(self._with(properties), data, state, ctrl)

        return jax.vmap(step)(state, ctrl, properties)

    def _with(self, properties: Properties) -> Any:
        radii, halves, geoms = properties.radii, properties.heights / 2.0, self._geoms
        size = jnp.stack([radii, halves], axis=-1)
        box = jnp.stack([radii, radii, halves], axis=-1)
        system = self._system
        sizes = {
            "geom_size": system.geom_size.at[geoms, :2].set(size),
            "geom_rbound": system.geom_rbound.at[geoms].set(jnp.hypot(radii, halves)),
            "geom_aabb": system.geom_aabb.at[geoms, 1].set(box),
        }
        return system.tree_replace(self._changed(properties) | sizes)
