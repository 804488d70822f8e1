from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from real2sim_jax.config.simulation import EnvConfig, RandomizationConfig
from real2sim_jax.core.actions import action_named
from real2sim_jax.core.clock import EPISODE_STEPS
from real2sim_jax.core.observation import LAYOUTS, observation
from real2sim_jax.core.rotations import rotate, wxyz_from_azimuth_elevation
from real2sim_jax.data.types import stack
from real2sim_jax.learning.demonstrations import demonstrate
from real2sim_jax.learning.imitation import as_demonstrated
from real2sim_jax.simulation.env import ManipulationEnv
from real2sim_jax.simulation.initial_states import nominal_start
from real2sim_jax.simulation.physics.backends import make_physics
from real2sim_jax.simulation.types import StartState
from real2sim_jax.synthetic.scenes import synthetic_scenes
from tests.demos import PICK_UP, lifts
from tests.simulation.conftest import rollout, scripted_grasp

pytestmark = pytest.mark.long


def one(start):
    return jax.tree.map(lambda leaf: leaf[None], start)


def level_start(z=0.05):
    start = nominal_start(PICK_UP, jnp.asarray([0.08]), jnp.asarray([0.045]), jnp.zeros(3))
    return start.replace(gripper_position=jnp.asarray([0.0, 0.0, z]))


def test_observation_is_what_the_robot_would_compute(env):
    states = rollout(env, one(level_start()), scripted_grasp())
    qpos = np.asarray(states.pipeline_state.qpos)[:, 0]
    seen = observation(np.arange(1, 121) / 12, qpos[:, :3], qpos[:, 3:7], qpos[:, 7:9].mean(axis=1))
    np.testing.assert_allclose(states.obs["policy"][:, 0], seen, atol=1e-5)
    assert states.obs["critic"].shape[-1] == env.observation_size["critic"]


def test_a_policy_may_see_the_object(env):
    sighted = ManipulationEnv(PICK_UP, None, env.physics, EnvConfig(observe_object=True))
    states = rollout(sighted, one(level_start()), scripted_grasp())
    assert states.obs["policy"].shape[-1] == sighted.observation_size["policy"] == len(LAYOUTS[1])
    seen, qpos = np.asarray(states.obs["policy"])[:, 0, 8:], np.asarray(states.pipeline_state.qpos)[:, 0, 9:]
    np.testing.assert_allclose(seen[:, :3], qpos[:, :3], atol=1e-6)
    np.testing.assert_allclose(seen[:, 3:], rotate(qpos[:, 3:], np.array([0.0, 0.0, 1.0])), atol=1e-5)
    assert seen[-1, 2] > seen[0, 2] + 0.05


@pytest.fixture(scope="module")
def fetch():
    """An action whose object is fetched, and its demonstrations."""
    own = action_named(str(Path(__file__).parents[2] / "examples" / "fetch.toml"))
    demos = stack([demonstrate(scene, own) for scene in synthetic_scenes(own, 2, 0)])
    return as_demonstrated(own, demos), demos


def test_demonstrations_go_with_what_is_fetched_until_it_is_put_down(fetch):
    action, demos = fetch
    env = ManipulationEnv(action, demos, make_physics("batch", 2))
    start = env.sample_start(jax.random.PRNGKey(0), jnp.zeros(()))
    aside = start.replace(moved_place=start.moved_place + 0.15, gripper_position=jnp.asarray([0.5, 0.5, 0.5]))
    wait = jnp.zeros((120, 7)).at[:, 6].set(1.0)
    states = rollout(env, one(aside), wait)
    np.testing.assert_allclose(states.obs["policy"][:, 0, 8:], np.tile(aside.moved_place, (120, 1)), atol=1e-6)
    assert states.obs["policy"].shape[-1] == env.observation_size["policy"] == 10
    # Where it stands is where both demonstrations have it at first, and not where they have it at last.
    paid = np.asarray(states.metrics["object_position"])[:, 0]
    assert paid[:30].min() > 0.98 and paid[-1] < 0.6


def test_a_place_is_seen_with_the_error_of_its_measurement(fetch):
    action, _ = fetch
    noise = EnvConfig(randomization=RandomizationConfig(place_noise_m=0.01))
    env = ManipulationEnv(action, None, make_physics("batch", 2), noise)
    start = env.sample_start(jax.random.PRNGKey(0), jnp.zeros(()))
    keys = jax.random.split(jax.random.PRNGKey(1), 500)
    seen = np.asarray(jax.vmap(lambda key: env.reset_from(start, key).obs["policy"])(keys))
    frame = np.asarray(start.gripper_position)[:2] - seen[:, 1:3]
    place = np.asarray(start.moved_place) - seen[:, 8:]
    # The frame's error is in both, that of the place in one alone.
    for error in (frame, place - frame):
        np.testing.assert_allclose(error.std(axis=0), 0.01, rtol=0.15)
    assert abs(np.corrcoef(frame[:, 0], (place - frame)[:, 0])[0, 1]) < 0.15


def test_commands_move_the_gripper_along_world_axes(env):
    turned = level_start(0.3).replace(azimuth=jnp.asarray(0.4), elevation=jnp.asarray(0.7))
    actions = jnp.zeros((12, 7)).at[:, 0].set(1.0).at[:, 5].set(0.5)
    qpos = np.asarray(rollout(env, one(turned), actions).pipeline_state.qpos)[-1, 0]
    np.testing.assert_allclose(qpos[:3], [0.3, 0.0, 0.3], atol=2e-3)
    # Half of pi rad/s about the vertical for a second.
    expected = wxyz_from_azimuth_elevation(np.array(0.4 + np.pi / 2), np.array(0.7))
    assert abs(expected @ qpos[3:7]) > 0.9999


def test_a_scripted_grasp_is_paid_much_better_than_standing_still(env):
    good = rollout(env, one(level_start()), scripted_grasp(0.05)).reward.sum()
    still = rollout(env, one(level_start()), jnp.zeros((120, 7)).at[:, 6].set(1.0)).reward.sum()
    assert good > still + 0.2
    assert good < 1.1


def test_reward_is_zero_through_the_table_and_the_episode_may_end(env):
    down = jnp.zeros((12, 7)).at[:, 2].set(-1.0)
    states = rollout(env, one(level_start(0.1)), down)
    assert states.reward[0] > 0.0 and states.reward[-1] == 0.0
    assert states.info["episode"].alive[-1] == 1.0
    strict = ManipulationEnv(PICK_UP, lifts(), env.physics, EnvConfig(end_on_violation=True))
    assert rollout(strict, one(level_start(0.1)), down).done[-1] == 1.0


def test_episode_ends_after_ten_seconds_and_the_fingers_are_forced_at_seven(env):
    opens = jnp.zeros((120, 7)).at[:, 2].set(0.2).at[:, 6].set(1.0)
    states = rollout(env, one(level_start()), opens)
    np.testing.assert_array_equal(np.flatnonzero(states.done[:, 0]), [EPISODE_STEPS - 1])
    opening = np.asarray(states.pipeline_state.qpos)[:, 0, 7]
    assert opening[80] > 0.07 and opening[-1] < 0.005


def test_env_without_demonstrations_judges_but_does_not_pay(env):
    blind = ManipulationEnv(PICK_UP, None, env.physics)
    ours, theirs = (rollout(e, one(level_start()), scripted_grasp()) for e in (blind, env))
    assert (ours.reward == 0.0).all()
    np.testing.assert_array_equal(ours.pipeline_state.qpos, theirs.pipeline_state.qpos)


def test_reset_and_step_are_traced_once(env):
    traces = []

    @jax.jit
    def step(state, action):
        traces.append(1)
        return env.step(state, action)

    state = jax.jit(env.reset)(jax.random.PRNGKey(0))
    for _ in range(3):
        state = step(state, jnp.zeros(7))
    assert len(traces) == 1
    assert isinstance(env.sample_start(jax.random.PRNGKey(0), jnp.ones(())), StartState)
