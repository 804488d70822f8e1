"""Simulated robots: the training scene moves as in training, and the arm goes where its twist says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from real2sim_jax.core.actions import action_named
from real2sim_jax.core.observation import MAX_ANGULAR_RAD_S, MAX_LINEAR_M_S
from real2sim_jax.robot.franka.kinematics import HOME_RAD, Chain, TaskFrame, wxyz_from_matrix
from real2sim_jax.robot.interface import ArmError, Command
from real2sim_jax.robot.limits import JointLimits, Limits
from real2sim_jax.simulated_robots.episodes import Setup, judge_all, make_arm, play
from real2sim_jax.simulated_robots.panda import JOINTS, panda_spec
from real2sim_jax.simulated_robots.world import GripperArm, PandaArm, pose_at
from real2sim_jax.simulation.env import ManipulationEnv
from real2sim_jax.simulation.physics.backends import make_physics
from real2sim_jax.simulation.types import StartState
from tests.policies import random_policy

pytestmark = pytest.mark.long

DT = 1.0 / 12.0
PICK_UP, ONTO = action_named("pick_up"), action_named("put_onto")
FRAME, CHAIN = TaskFrame(), Chain()


def start_for(action, position=(0.0, -0.05, 0.15)):
    sizes = np.full((2, action.bodies - 1), [[0.07], [0.045]])
    return StartState(np.array(position), np.array(np.pi / 2), np.array(0.3), *sizes)


def panda_at_home(action=PICK_UP):
    pose = CHAIN.frames(HOME_RAD)[7]
    position, _ = FRAME.from_base(pose[:3, 3], wxyz_from_matrix(pose[:3, :3]))
    return PandaArm(action, start_for(action, position), DT, FRAME, CHAIN, HOME_RAD, JointLimits())


@pytest.mark.parametrize("action", [PICK_UP, ONTO], ids=lambda action: action.name)
def test_the_gripper_moves_as_in_training(action):
    """The same actions in the environment and on the back end; single precision against double."""
    rng = np.random.default_rng(0)
    actions = np.clip(rng.normal(0, 0.3, (12, 7)), -1, 1)
    env, start = ManipulationEnv(action, None, make_physics("batch", action.bodies - 1)), start_for(action)
    state, step = env.reset_from(jax.tree.map(jnp.asarray, start)), jax.jit(env.step)
    arm = GripperArm(action, start, DT)
    for a in actions:
        state = step(state, jnp.asarray(a, jnp.float32))
        arm.send(Command(MAX_LINEAR_M_S * a[:3], MAX_ANGULAR_RAD_S * a[3:6], 0.0375 * (a[6] + 1.0)))
    np.testing.assert_allclose(arm.samples[-1].gripper_position, state.pipeline_state.qpos[:3], atol=1e-4)
    np.testing.assert_allclose(arm.read().opening, state.obs["policy"][7], atol=1e-4)
    objects = env.joints.objects(state.pipeline_state.qpos)
    np.testing.assert_allclose(arm.samples[-1].object_position, objects.position, atol=2e-3)


def test_the_arm_is_where_its_kinematics_say():
    arm = panda_at_home()
    position, wxyz = arm.read().position, arm.read().wxyz
    np.testing.assert_allclose(arm.data.body("gripper").xpos, position, atol=1e-5)
    assert abs(arm.data.body("gripper").xquat @ wxyz) > 1.0 - 1e-8


def test_the_arm_follows_a_twist_to_a_millimetre():
    arm = panda_at_home()
    for k in range(60):
        phase = 2 * np.pi * k / 60
        linear = 0.15 * np.array([np.sin(phase), np.cos(phase), 0.5 * np.cos(phase)])
        arm.send(Command(linear, 0.5 * np.array([np.sin(phase), 0.0, np.cos(phase)]), 0.05))
    assert max(arm.tracking_m) < 0.002 and arm.data.ncon <= 4


def test_the_arm_holds_still_against_gravity():
    arm = panda_at_home()
    for _ in range(12):
        arm.send(Command(np.zeros(3), np.zeros(3), 0.075))
    assert max(arm.tracking_m) < 0.0005


def test_the_scene_around_the_arm_is_the_training_scene():
    model = panda_spec(2, FRAME, 0.001).compile()
    names = {(model.geom(a).name, model.geom(b).name) for a, b in zip(model.pair_geom1, model.pair_geom2, strict=True)}
    assert {("moved", "table"), ("left", "moved"), ("palm", "anchor")} <= names | {(b, a) for a, b in names}
    assert model.npair == len(names) and model.nu == 9
    coupled = [model.joint(joint).name for joint in (model.eq_obj1id[0], model.eq_obj2id[0])]
    assert model.neq == 1 and coupled == ["left", "right"]
    masses = [model.body(f"link{i}").mass[0] for i in range(1, 8)]
    np.testing.assert_allclose(sum(masses), 15.49, atol=0.01)
    # Beyond the joint limits of the controller, so that these act first.
    low = [model.joint(name).range[0] for name in JOINTS]
    np.testing.assert_allclose(low, np.array(JointLimits().low_rad) - 0.05, atol=1e-9)


def test_an_episode_is_judged():
    policy, setup = random_policy(scale=0.01), Setup()
    arm = make_arm(policy, PICK_UP, start_for(PICK_UP), setup)
    trajectory = play(policy, arm, setup.limits)
    assert trajectory.gripper_position.shape == (121, 3)
    assert judge_all(PICK_UP, [trajectory]).ok.shape == (1,)


def test_a_start_out_of_reach_is_one_line():
    setup = Setup("mujoco-panda", (1.2, 0.0, 0.0), Limits())
    with pytest.raises(ArmError, match="cannot reach the start pose"):
        make_arm(random_policy(), PICK_UP, start_for(PICK_UP), setup)


def test_pose_at_points_where_the_start_says():
    position, wxyz = pose_at(start_for(PICK_UP))
    np.testing.assert_allclose(position, (0.0, -0.05, 0.15))
    assert wxyz.shape == (4,)
