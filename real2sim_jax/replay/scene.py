"""The MuJoCo scene of a replay: a table, cuboids of fitted sizes, and two finger pads in the place of a hand.

Gripper frame: approach along +z, pads close along y; the origin is in the middle between the pads. A human hand is
wider than a robot's gripper: the pads' range follows the object. Pads touch the moved object only, because a fitted
trajectory does not say where between table, anchor and object the fingers are.
"""

from collections.abc import Sequence

import mujoco
import numpy as np

from real2sim_jax.config.simulation import FINGER_FRICTION, TABLE_FRICTION

TIMESTEP_S = 0.002
DENSITY = 300.0
"""kg/m^3 of the objects: a filled box or a plastic bottle half empty."""
MASS_RANGE = (0.05, 0.5)
"""kg of the moved object."""
ANCHOR_MASS = 5.0
"""kg: heavy enough to stay where a hand puts something on it or beside it."""
PAD_HALF = (0.02, 0.005, 0.02)
PAD_MASS = 0.2
PAD_RANGE_M = 1.0
"""How far each pad opens: it passes the object on its side, wherever the fitted hand comes from."""
GRIP_FORCE = 20.0
"""N of each pad, as of the robot's fingers."""
GRIP_STIFFNESS, GRIP_DAMPING = 4000.0, 100.0
"""N/m and N s/m of both pads together: the force is at its limit from 1 cm on."""
GRIPPER_MASS, GRIPPER_INERTIA = 2.0, 0.02
"""kg and kg m^2, of a hand with a part of its arm."""
OBJECTS = ("moved", "anchor")

_CONTACT = 'solref="0.005 1" solimp="0.95 0.99 0.001"'
_COUPLED = 'solref="0.01 1" solimp="0.95 0.99 0.001"'


def build_replay_model(half_extents: np.ndarray) -> mujoco.MjModel:
    """Compile the scene for objects of half extents (O, 3) m: the moved one and, if there is one, the anchor."""
    return mujoco.MjModel.from_xml_string(_xml(half_extents))


def _xml(half_extents: np.ndarray) -> str:
    names = OBJECTS[: len(half_extents)]
    return f"""
<mujoco model="replay">
  <option timestep="{TIMESTEP_S}" cone="elliptic" integrator="implicitfast" impratio="10" noslip_iterations="3">
    <flag autoreset="disable"/></option>
  <default><geom contype="0" conaffinity="0"/></default>
  <worldbody>
    <geom name="table" type="plane" size="3 3 0.1"/>
    <body name="gripper" gravcomp="1">
      <freejoint name="gripper"/>
      <inertial pos="0 0 0" mass="{GRIPPER_MASS}" diaginertia="{_join([GRIPPER_INERTIA] * 3)}"/>
      {_pad("left", +1)}{_pad("right", -1)}
    </body>
    {"".join(_object(name, half) for name, half in zip(names, half_extents, strict=True))}
  </worldbody>
  <equality>
    <joint joint1="left" joint2="right" {_COUPLED}/>
  </equality>
  <contact>{_pairs(names)}</contact>
  <tendon><fixed name="grip"><joint joint="left" coef="0.5"/><joint joint="right" coef="0.5"/></fixed></tendon>
  <actuator>
    <general name="grip" tendon="grip" biastype="affine" gainprm="{GRIP_STIFFNESS}"
      biasprm="0 {-GRIP_STIFFNESS} {-GRIP_DAMPING}" forcelimited="true"
      forcerange="{-2 * GRIP_FORCE} {2 * GRIP_FORCE}"/>
  </actuator>
</mujoco>"""


def _pad(name: str, side: int) -> str:
    return f"""<body name="{name}" gravcomp="1">
        <joint name="{name}" type="slide" axis="0 {side} 0" range="0 {PAD_RANGE_M}" limited="true"/>
        <geom name="{name}" type="box" pos="0 {side * PAD_HALF[1]} 0" size="{_join(PAD_HALF)}" mass="{PAD_MASS}"/>
      </body>"""


def _object(name: str, half: np.ndarray) -> str:
    mass = ANCHOR_MASS if name == "anchor" else np.clip(DENSITY * 8.0 * half.prod(), *MASS_RANGE)
    return f"""<body name="{name}"><freejoint name="{name}"/>
      <geom name="{name}" type="box" size="{_join(half)}" mass="{mass:.6g}"/></body>"""


def _pairs(names: Sequence[str]) -> str:
    lines = [_pair(name, "table", TABLE_FRICTION) for name in names]
    lines += [_pair(pad, "moved", FINGER_FRICTION) for pad in ("left", "right")]
    if len(names) == 2:
        lines.append(_pair("moved", "anchor", TABLE_FRICTION))
    return "".join(lines)


def _pair(a: str, b: str, friction: float) -> str:
    return f'<pair geom1="{a}" geom2="{b}" condim="4" friction="{friction} {friction} 0.005 0.0001 0.0001" {_CONTACT}/>'


def _join(values: object) -> str:
    return " ".join(f"{value:.6g}" for value in np.asarray(values))
