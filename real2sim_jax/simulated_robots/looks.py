"""How simulated robots look in a film: geoms as solids, and an arm's own shapes from a model on the user's disk."""

from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from real2sim_jax.core.errors import UserError
from real2sim_jax.robot.franka.kinematics import wxyz_from_matrix
from real2sim_jax.simulated_robots.panda import JOINTS
from real2sim_jax.viewers.canvas import Colour, Solid, box, cylinder, placed
from real2sim_jax.viewers.rollout import FINGER, OBJECTS, PALM

COLOURS: dict[str, Colour] = {"palm": PALM, "left": FINGER, "right": FINGER, "moved": OBJECTS[0], "anchor": OBJECTS[1]}
CAP_SHARE = 0.6
"""A capsule is drawn as a cylinder that is longer by this share of its round ends."""
GRAIN_M = 0.015
"""Corners of a mesh that are closer together are drawn as one: scanned shapes have far more than a picture shows."""
MODELS = ("panda_nohand.xml", "fr3.xml")
"""Arms without a hand in the folders franka_emika_panda and franka_fr3 of MuJoCo Menagerie."""
SHOWN_GROUPS = 3
"""Geoms of the groups below are what MuJoCo's viewers show; shapes for collisions come after them."""


class ArmLooks:
    """The shapes of an arm's model, moved as the simulated arm's joints are."""

    def __init__(self, folder: Path):
        """Read panda_nohand.xml or fr3.xml of a folder; UserError, in one line, where there is no usable arm."""
        self._model = _load(folder)
        self._data = mujoco.MjData(self._model)
        self._joints = [_joint_address(self._model, name, folder) for name in JOINTS]
        shown = [i for i in range(self._model.ngeom) if self._model.geom_group[i] < SHOWN_GROUPS]
        self._solids = {i: solid for i in shown if (solid := solid_of(self._model, i)) is not None}
        if not self._solids:
            raise UserError(f"--arm-model {folder}: nothing to be seen in its model; expected geoms of groups 0 to 2")

    def solids(self, q: np.ndarray, position: np.ndarray, wxyz: np.ndarray) -> list[Solid]:
        """Return the shapes in the world for joints (7,) rad and the base's position (3,) m and orientation (4,)."""
        self._data.qpos[self._joints] = q
        mujoco.mj_kinematics(self._model, self._data)
        local = [placed(solid, *pose_of(self._data, geom)) for geom, solid in self._solids.items()]
        return [placed(solid, position, wxyz) for solid in local]


def solid_of(model: mujoco.MjModel, geom: int) -> Solid | None:
    """Return the solid that stands for a geom in its own frame; None for planes and what is not drawn."""
    kind, size, colour = model.geom_type[geom], model.geom_size[geom], _colour(model, geom)
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        return box(tuple(size), (0.0, 0.0, 0.0), colour)
    if kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        return cylinder(2.0 * size[1], size[0], colour)
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        return cylinder(2.0 * (size[1] + CAP_SHARE * size[0]), size[0], colour, sides=20)
    if kind == mujoco.mjtGeom.mjGEOM_MESH:
        return _mesh(model.mesh(model.geom_dataid[geom]), model, colour)
    return None


def pose_of(data: mujoco.MjData, geom: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a geom's position (3,) m and orientation (4,) in the world."""
    return data.geom_xpos[geom], wxyz_from_matrix(data.geom_xmat[geom].reshape(3, 3))


def _mesh(mesh: Any, model: mujoco.MjModel, colour: Colour) -> Solid | None:
    vertices = model.mesh_vert[mesh.vertadr[0] : mesh.vertadr[0] + mesh.vertnum[0]]
    faces = model.mesh_face[mesh.faceadr[0] : mesh.faceadr[0] + mesh.facenum[0]]
    _, first, cell = np.unique(np.round(vertices / GRAIN_M), axis=0, return_index=True, return_inverse=True)
    corners = cell.reshape(-1)[faces]
    is_face = (corners != np.roll(corners, 1, axis=1)).all(axis=1)
    triangles = vertices[first][np.unique(corners[is_face], axis=0)].astype(float)
    return Solid(tuple(triangles), (False,) * len(triangles), colour) if len(triangles) else None


def _colour(model: mujoco.MjModel, geom: int) -> Colour:
    material = model.geom_matid[geom]
    red, green, blue = (model.mat_rgba[material] if material >= 0 else model.geom_rgba[geom])[:3]
    return COLOURS.get(model.geom(geom).name, (round(255 * red), round(255 * green), round(255 * blue)))


def _load(folder: Path) -> mujoco.MjModel:
    found = [folder / name for name in MODELS if (folder / name).is_file()]
    if not found:
        raise UserError(f"--arm-model {folder}: expected a folder with {' or '.join(MODELS)}, as in MuJoCo Menagerie")
    try:
        return mujoco.MjModel.from_xml_path(str(found[0]))
    except ValueError as error:
        raise UserError(f"--arm-model {found[0]}: no model ({' '.join(str(error).split())})") from error


def _joint_address(model: mujoco.MjModel, name: str, folder: Path) -> int:
    """Where a joint's angle is; Panda and FR3 differ in a prefix."""
    for full_name in (name, f"fr3_{name}"):
        joint = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, full_name)
        if joint >= 0:
            return int(model.jnt_qposadr[joint])
    raise UserError(f"--arm-model {folder}: its model has no {name}; expected a Franka arm's joint1 to joint7")
