"""A Franka arm without meshes, built in code, with the scene's gripper at its flange and the scene's table and objects.

Link frames, masses, centres of mass and inertias are those that Franka publishes for the FR3 (franka_description);
capsules stand for the links' shapes. The arm carries the gripper that a policy was trained with: Franka's own hand
opens 8 cm, too little for the benchmark's cylinders of 8 to 10 cm.
"""

import mujoco
import numpy as np

from real2sim_jax.core.gripper import PUBLISHED, Gripper
from real2sim_jax.robot.franka.kinematics import A_M, ALPHA_RAD, D_M, FLANGE_M, HAND_TURN_RAD, TaskFrame
from real2sim_jax.robot.limits import JointLimits
from real2sim_jax.simulation.scene import scene_xml

JOINTS = tuple(f"joint{i}" for i in range(1, 8))
LINKS = tuple(f"link{i}" for i in range(1, 8))
STIFFNESS = np.array([4500.0, 4500.0, 3500.0, 3500.0, 2000.0, 2000.0, 2000.0])
"""Nm/rad of the position servos."""
DAMPING = STIFFNESS / 10.0
TORQUE_NM = (87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0)
ARMATURE = 0.1
GRIPPER_MASS, GRIPPER_INERTIA = 0.73, 0.002
"""kg and kg m^2 of the palm: that of Franka's hand, as the published gripper is no real device."""

# Mass, centre of mass, and xx yy zz xy xz yz of the inertia of links 1 to 7, each in its joint's frame.
_INERTIALS = (
    (2.9275, (0.0, -0.0181, -0.0386), (0.02393, 0.02248, 0.00635, 1.3e-5, -1.14e-4, -1.995e-3)),
    (2.9355, (0.0032, -0.0743, 0.0088), (0.04194, 0.02515, 0.06170, 2.0e-4, 4.08e-3, -4.23e-3)),
    (2.2449, (0.0407, -0.0048, -0.0290), (0.02410, 0.01974, 0.01904, 2.40e-3, -2.86e-3, -2.10e-3)),
    (2.6156, (-0.0459, 0.0630, -0.0085), (0.03453, 0.02888, 0.04125, 1.323e-2, 1.015e-2, -9.8e-4)),
    (2.3271, (-0.0016, 0.0293, -0.0973), (0.05161, 0.04788, 0.01642, -5.72e-3, -3.57e-3, 1.067e-2)),
    (1.8170, (0.0597, -0.0410, -0.0102), (0.005412, 0.01406, 0.01608, 6.193e-3, 1.42e-3, -1.31e-3)),
    (0.6271, (0.0045, 0.0086, -0.0162), (2.109e-4, 1.772e-4, 5.99e-5, -2.43e-5, 4.56e-5, 8.74e-5)),
)
# Capsules: from, to and radius in the joint's frame, m.
_SHAPES = (
    ((0.0, 0.0, -0.19), (0.0, 0.0, 0.0), 0.06),
    ((0.0, 0.0, 0.0), (0.0, -0.2, 0.0), 0.06),
    ((0.0, 0.0, -0.12), (0.0825, 0.0, 0.0), 0.055),
    ((0.0, 0.0, 0.0), (-0.0825, 0.1, 0.0), 0.055),
    ((0.0, 0.0, -0.26), (0.0, 0.05, 0.0), 0.05),
    ((0.0, 0.0, 0.0), (0.088, 0.0, 0.0), 0.05),
    ((0.0, 0.0, -0.02), (0.0, 0.0, FLANGE_M - 0.02), 0.045),
)
_PREFIX = "hand/"
_NEAR_THE_TABLE = LINKS[4:]
_WHITE, _GREY = (0.92, 0.93, 0.95, 1.0), (0.75, 0.77, 0.8, 1.0)


def panda_spec(objects: int, frame: TaskFrame, timestep: float, gripper: Gripper = PUBLISHED) -> mujoco.MjSpec:
    """Return the scene with one or two objects and the arm, in the task frame; timestep in s."""
    scene = scene_xml(objects, gripper=gripper)
    spec = mujoco.MjSpec.from_string(scene)
    spec.delete(spec.body("gripper"))
    pairs = {(pair.geomname1, pair.geomname2) for pair in spec.pairs}
    spec.option.timestep = timestep
    spec.compiler.degree = False
    # The published inertia of the last link is rounded: it misses the triangle inequality by a little.
    spec.compiler.balanceinertia = True
    flange = _add_arm(spec, frame)
    _add_gripper(spec, flange, mujoco.MjSpec.from_string(scene), gripper.mount_m, pairs)
    _add_servos(spec)
    _add_link_contacts(spec, objects)
    # Gravity compensation counts only when it is set before compiling.
    for name in (*LINKS, "gripper", "left", "right"):
        spec.body(name).gravcomp = 1.0
    return spec


def _add_arm(spec: mujoco.MjSpec, frame: TaskFrame) -> mujoco.MjsBody:
    """Add base and links; return the last link."""
    position, wxyz = frame.from_base(np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))
    body = spec.worldbody.add_body(name="base", pos=position, quat=wxyz)
    _capsule(body, "base", ((0.0, 0.0, 0.02), (0.0, 0.0, 0.1), 0.08), _GREY)
    limits = JointLimits()
    for i in range(7):
        c, s = np.cos(ALPHA_RAD[i]), np.sin(ALPHA_RAD[i])
        half = ALPHA_RAD[i] / 2.0
        place, turn = [A_M[i], -s * D_M[i], c * D_M[i]], [np.cos(half), np.sin(half), 0.0, 0.0]
        body = body.add_body(name=LINKS[i], pos=place, quat=turn)
        body.mass, body.ipos, body.fullinertia = _INERTIALS[i]
        body.explicitinertial = True
        reach = (limits.low_rad[i] - 0.05, limits.high_rad[i] + 0.05)
        joint = body.add_joint(name=JOINTS[i], axis=[0, 0, 1], range=reach, armature=ARMATURE)
        joint.damping[0] = 1.0
        _capsule(body, LINKS[i], _SHAPES[i], _WHITE if i % 2 else _GREY)
    return body


def _capsule(body: mujoco.MjsBody, name: str, shape: tuple, colour: tuple) -> None:
    start, end, radius = shape
    kind = mujoco.mjtGeom.mjGEOM_CAPSULE
    body.add_geom(
        name=name, type=kind, fromto=[*start, *end], size=[radius, 0, 0], rgba=colour, contype=0, conaffinity=0
    )


def _add_gripper(spec: mujoco.MjSpec, flange: mujoco.MjsBody, donor: mujoco.MjSpec, mount_m: float, pairs: set) -> None:
    """Attach the gripper of the donor, the scene, with its drives and contacts."""
    donor.option.timestep, donor.modelname = spec.option.timestep, spec.modelname
    donor.delete(donor.joint("gripper"))
    turn = [np.cos(HAND_TURN_RAD / 2), 0.0, 0.0, np.sin(HAND_TURN_RAD / 2)]
    mount = flange.add_frame(pos=[0.0, 0.0, FLANGE_M + mount_m], quat=turn)
    palm = mount.attach_body(donor.body("gripper"), _PREFIX, "")
    _drop_prefix(spec)
    palm.mass, palm.inertia = GRIPPER_MASS, [GRIPPER_INERTIA] * 3
    palm.ipos = [0.0, 0.0, -mount_m / 2]
    # Contacts that are not the gripper's came along a second time.
    for pair in list(spec.pairs):
        key = (pair.geomname1, pair.geomname2)
        if key in pairs:
            pairs.remove(key)
        elif not {"left", "right", "palm"} & set(key):
            spec.delete(pair)


def _drop_prefix(spec: mujoco.MjSpec) -> None:
    """Give what was attached the names that it has in the training scene."""
    for element in (*spec.bodies, *spec.joints, *spec.geoms, *spec.actuators, *spec.equalities):
        element.name = element.name.removeprefix(_PREFIX)
    for actuator in spec.actuators:
        actuator.target = actuator.target.removeprefix(_PREFIX)
    for equality in spec.equalities:
        equality.name1, equality.name2 = (name.removeprefix(_PREFIX) for name in (equality.name1, equality.name2))
    for pair in spec.pairs:
        pair.geomname1, pair.geomname2 = (name.removeprefix(_PREFIX) for name in (pair.geomname1, pair.geomname2))


def _add_servos(spec: mujoco.MjSpec) -> None:
    for name, stiffness, damping, torque in zip(JOINTS, STIFFNESS, DAMPING, TORQUE_NM, strict=True):
        servo = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        servo.gainprm[0] = stiffness
        servo.biastype = mujoco.mjtBias.mjBIAS_AFFINE
        servo.biasprm[:3] = [0.0, -stiffness, -damping]
        servo.forcelimited, servo.forcerange = True, [-torque, torque]


def _add_link_contacts(spec: mujoco.MjSpec, objects: int) -> None:
    for link in _NEAR_THE_TABLE:
        for target in ("table", *("moved", "anchor")[:objects]):
            spec.add_pair(geomname1=link, geomname2=target, condim=1)
