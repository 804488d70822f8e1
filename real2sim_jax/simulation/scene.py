"""The MuJoCo scene: a free-flying parallel gripper, one or two cylinders and the table.

Gripper frame: approach along +z, fingers open along y; the origin lies between the fingers. The base is a free body
so heavy that setting its velocity once per control step makes it a kinematic hand in every physics engine.
Grippers are in core/gripper.py.
"""

from typing import Literal

import mujoco
import numpy as np

from real2sim_jax.config.simulation import FINGER_FORCE_N, FINGER_FRICTION, OBJECT_MASS, TABLE_FRICTION
from real2sim_jax.core.clock import CONTROL_HZ
from real2sim_jax.core.gripper import PUBLISHED, Gripper

Shape = Literal["cylinder", "prism"]

SUBSTEPS = 4
PRISM_SIDES = 12
BASE_MASS = 1000.0
BASE_INERTIA = 20.0
"""kg m^2: much more makes the contact solver lose its grip now and then in float32."""
FINGER_ARMATURE = 4.0
"""kg of the drive: contacts are as stiff as the inertia behind them, and light fingers tunnel at these steps."""
COUPLING = "coupling"
"""Parallel grippers move both fingers by one drive: free fingers let what they hold wander from side to side."""

_CONTACT = 'solref="0.005 1" solimp="0.99 0.999 0.001"'
"""Stiff enough that a cylinder on a cylinder sinks in by less than half a millimetre."""


def scene_xml(objects: int, shape: Shape = "cylinder", gripper: Gripper = PUBLISHED) -> str:
    """Return the MJCF of the scene with one or two objects whose size each environment sets.

    `prism` replaces the cylinders by 12-sided prisms for MJX-JAX, which has no cylinder-box collision.
    """
    names = ["moved", "anchor"][:objects]
    assets = "".join(_prism(name) for name in names) if shape == "prism" else ""
    return f"""
<mujoco model="real2sim">
  <option timestep="{1.0 / CONTROL_HZ / SUBSTEPS}" cone="elliptic" integrator="implicitfast" iterations="20"
    ls_iterations="50" impratio="10"><flag eulerdamp="disable" autoreset="disable"/></option>
  <asset>{assets}</asset>
  <worldbody>
    <geom name="table" type="plane" size="2 2 0.1" contype="0" conaffinity="0"/>
    <body name="gripper" gravcomp="1">
      <freejoint name="gripper"/>
      <inertial pos="0 0 0" mass="{BASE_MASS}" diaginertia="{BASE_INERTIA} {BASE_INERTIA} {BASE_INERTIA}"/>
      <geom name="palm" type="box" pos="0 0 {gripper.palm_centre_m}" size="{_join(gripper.palm_half_m)}"
        contype="0" conaffinity="0"/>
      {_finger("left", +1, gripper)}
      {_finger("right", -1, gripper)}
    </body>
    {"".join(_object(name, shape) for name in names)}
  </worldbody>
  <contact>{_pairs(names)}</contact>
  <equality><joint name="{COUPLING}" joint1="left" joint2="right" {_CONTACT}/></equality>
  <actuator>{_actuator("left", gripper)}{_actuator("right", gripper)}</actuator>
</mujoco>"""


def build_model(objects: int, shape: Shape = "cylinder", gripper: Gripper = PUBLISHED) -> mujoco.MjModel:
    """Compile the scene."""
    return mujoco.MjModel.from_xml_string(scene_xml(objects, shape, gripper))


def _finger(name: str, side: int, gripper: Gripper) -> str:
    center = side * gripper.finger_half_m[1]
    return f"""<body name="{name}" gravcomp="1">
        <joint name="{name}" type="slide" axis="0 {side} 0" range="0 {gripper.max_opening_m}" limited="true"
          armature="{FINGER_ARMATURE}"/>
        <geom name="{name}" type="box" pos="0 {center} {gripper.finger_centre_m}" size="{_join(gripper.finger_half_m)}"
          mass="0.1" contype="0" conaffinity="0"/>
      </body>"""


def _object(name: str, shape: Shape) -> str:
    geometry = 'type="cylinder" size="0.045 0.035"' if shape == "cylinder" else f'type="mesh" mesh="{name}"'
    return f"""<body name="{name}" pos="0 0 0.035"><freejoint name="{name}"/>
      <inertial pos="0 0 0" mass="{OBJECT_MASS}" diaginertia="0.001 0.001 0.001"/>
      <geom name="{name}" {geometry} contype="0" conaffinity="0"/></body>"""


def _pairs(names: list[str]) -> str:
    lines = []
    for name in names:
        lines.append(_pair(name, "table", TABLE_FRICTION))
        lines += [_pair(part, name, FINGER_FRICTION) for part in ("left", "right", "palm")]
    if len(names) == 2:
        lines.append(_pair("moved", "anchor", FINGER_FRICTION))
    return "".join(lines)


def _pair(a: str, b: str, friction: float) -> str:
    # Torsional and rolling friction: a flat contact resists twisting; 5 mm is the scale of the contact patch.
    return f'<pair geom1="{a}" geom2="{b}" condim="4" friction="{friction} {friction} 0.005 0.0001 0.0001" {_CONTACT}/>'


def _actuator(joint: str, gripper: Gripper) -> str:
    return (
        f'<general name="{joint}" joint="{joint}" biastype="affine" gainprm="1000" biasprm="0 -1000 -200" '
        f'forcelimited="true" forcerange="{-FINGER_FORCE_N} {FINGER_FORCE_N}" ctrlrange="0 {gripper.max_opening_m}"/>'
    )


def _prism(name: str) -> str:
    angles = np.linspace(0.0, 2.0 * np.pi, PRISM_SIDES, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    vertices = np.concatenate([np.c_[ring, np.full(PRISM_SIDES, z)] for z in (-1.0, 1.0)])
    # Of unit radius and half height: the MJX back end scales the vertices to each environment's size.
    return f'<mesh name="{name}" vertex="{_join(vertices.ravel())}"/>'


def _join(values: object) -> str:
    return " ".join(f"{value:.6g}" for value in np.asarray(values))
