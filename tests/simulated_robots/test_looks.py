"""An arm filmed with another model's shapes: they stand where the simulated arm's links stand."""

import mujoco
import numpy as np
import pytest

from real2sim_jax.core.errors import UserError
from real2sim_jax.robot.franka.kinematics import A_M, ALPHA_RAD, D_M, HOME_RAD, TaskFrame
from real2sim_jax.simulated_robots.looks import ArmLooks, solid_of
from real2sim_jax.simulated_robots.panda import JOINTS, LINKS, panda_spec
from real2sim_jax.simulated_robots.video import ARM_VIEW, Recorder

CUBE = " ".join(f"{x} {y} {z}" for x in (-1, 1) for y in (-1, 1) for z in (-1, 1))


def menagerie_like(folder, *, prefix="", name="panda_nohand.xml", group=2):
    """A model with the names of MuJoCo Menagerie's: a scaled cube as a mesh at each link's frame."""
    nested = ""
    for i in reversed(range(7)):
        half = ALPHA_RAD[i] / 2
        place = A_M[i], -np.sin(ALPHA_RAD[i]) * D_M[i], np.cos(ALPHA_RAD[i]) * D_M[i]
        pose = f'pos="{place[0]} {place[1]} {place[2]}" quat="{np.cos(half)} {np.sin(half)} 0 0"'
        shape = f'<geom type="mesh" mesh="cube" material="red" group="{group}"/><geom size="0.2" group="3" mass="1"/>'
        joint = f'<joint name="{prefix}joint{i + 1}" axis="0 0 1"/>'
        nested = f'<body name="{prefix}link{i + 1}" {pose}>{joint}{shape}{nested}</body>'
    (folder / name).write_text(
        f"""<mujoco><asset><material name="red" rgba="1 0 0 1"/><mesh name="cube" vertex="{CUBE}" scale=".03 .03 .03"/>
        </asset><worldbody><body name="{prefix}link0">{nested}</body></worldbody></mujoco>"""
    )
    return folder


def arm_at_home(frame):
    model = panda_spec(1, frame, 0.001).compile()
    data = mujoco.MjData(model)
    for name, angle in zip(JOINTS, HOME_RAD, strict=True):
        data.joint(name).qpos = angle
    mujoco.mj_forward(model, data)
    return model, data


@pytest.mark.parametrize("names", [{}, {"prefix": "fr3_", "name": "fr3.xml"}], ids=["panda", "fr3"])
def test_the_shapes_are_where_the_links_are(tmp_path, names):
    _, data = arm_at_home(TaskFrame(0.4, 0.1, 0.6))
    base = data.body("base")
    solids = ArmLooks(menagerie_like(tmp_path, **names)).solids(HOME_RAD, base.xpos, base.xquat)
    # The spheres of group 3 are for collisions and not shown.
    assert len(solids) == 7 and {solid.colour for solid in solids} == {(255, 0, 0)}
    for solid, link in zip(solids, LINKS, strict=True):
        corners = np.concatenate(solid.faces)
        np.testing.assert_allclose((corners.min(axis=0) + corners.max(axis=0)) / 2, data.body(link).xpos, atol=1e-6)


def test_the_film_shows_them_instead_of_the_plain_arm(tmp_path):
    model, data = arm_at_home(TaskFrame())
    plain, dressed = Recorder(model, ARM_VIEW), Recorder(model, ARM_VIEW, ArmLooks(menagerie_like(tmp_path)))
    for film in (plain, dressed):
        film.take(data)
    red = [(film.frames[0][..., 0].astype(int) - film.frames[0][..., 1] > 100).sum() for film in (plain, dressed)]
    assert red[0] == 0 and red[1] > 500
    assert len(dressed._solids) == len(plain._solids) - 8


def test_a_mesh_is_drawn_whole_and_outwards(tmp_path):
    menagerie_like(tmp_path)
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "panda_nohand.xml"))
    solid = solid_of(model, 0)
    triangles = np.stack(solid.faces)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    assert len(triangles) == 12 and ((normals * triangles.mean(axis=1)).sum(axis=1) > 0).all()
    # Twice the area of a cube of 6 cm.
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1).sum(), 2 * 6 * 0.06**2, rtol=1e-6)


def test_folders_without_a_usable_arm_are_one_line(tmp_path):
    with pytest.raises(UserError, match=r"panda_nohand\.xml or fr3\.xml"):
        ArmLooks(tmp_path)
    (tmp_path / "panda_nohand.xml").write_text("<mujoco>\n<worldbody>")
    with pytest.raises(UserError, match="no model") as caught:
        ArmLooks(tmp_path)
    assert "\n" not in str(caught.value)
    (tmp_path / "panda_nohand.xml").write_text('<mujoco><worldbody><geom size="1"/></worldbody></mujoco>')
    with pytest.raises(UserError, match="no joint1"):
        ArmLooks(tmp_path)
    with pytest.raises(UserError, match="nothing to be seen"):
        ArmLooks(menagerie_like(tmp_path, group=3))
