from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from real2sim_jax.config.simulation import (
    FINGER_FORCE_N,
    FINGER_FRICTION,
    OBJECT_MASS,
    TABLE_FRICTION,
    EnvConfig,
    RandomizationConfig,
)
from real2sim_jax.core.errors import UserError
from real2sim_jax.simulation.env import ManipulationEnv
from real2sim_jax.simulation.initial_states import nominal_start
from real2sim_jax.simulation.randomization import sample_draw
from tests.demos import PICK_UP, lifts
from tests.simulation.conftest import scripted_grasp

pytestmark = pytest.mark.long

HOLD = jnp.zeros(7)
START = nominal_start(PICK_UP, jnp.asarray([0.08]), jnp.asarray([0.045]), jnp.zeros(3))
KEYS = jax.random.split(jax.random.PRNGKey(0), 64)


def draws(**ranges):
    return jax.vmap(lambda key: sample_draw(key, START, HOLD, RandomizationConfig(**ranges)))(KEYS)


def lifted(env, **changes):
    """How high one object gets in the scripted grasp when a property of its episode is changed."""

    def run(value):
        state = env.reset_from(START)
        episode = state.info["episode"]
        properties = episode.draw.properties.replace(**{name: value[name] for name in changes})
        changed = episode.replace(draw=episode.draw.replace(properties=properties))
        state = state.replace(info={"episode": changed})
        return jax.lax.scan(lambda s, a: (env.step(s, a), None), state, scripted_grasp())[0].pipeline_state.qpos[11]

    return np.asarray(jax.jit(jax.vmap(run))({name: jnp.asarray(values) for name, values in changes.items()}))


def test_nothing_varies_by_default():
    properties = draws().properties
    for name, value in (
        ("mass", OBJECT_MASS),
        ("table_friction", TABLE_FRICTION),
        ("finger_friction", FINGER_FRICTION),
    ):
        assert (getattr(properties, name) == np.float32(value)).all()
    assert (properties.grip_force == FINGER_FORCE_N).all()


def test_draws_fill_their_ranges():
    found = draws(mass_kg=(0.5, 2.0), table_friction=(0.2, 0.8), delay_steps=(0, 2))
    for values, (low, high) in ((found.properties.mass, (0.5, 2.0)), (found.properties.table_friction, (0.2, 0.8))):
        assert values.min() >= low and values.max() <= high and np.ptp(values) > 0.8 * (high - low)
    assert set(np.asarray(found.delay).tolist()) == {0, 1, 2}


def test_slippery_and_weak_fingers_do_not_lift(env):
    # A grip of 20 N on both sides bears 40 N times the friction; an object of 1 kg weighs 9.8 N.
    slippery = lifted(env, finger_friction=[0.1, 1.0])
    weak = lifted(env, grip_force=[2.0, 20.0])
    heavy = lifted(env, mass=[[8.0], [1.0]])
    for fails, lifts_it in (slippery, weak, heavy):
        assert fails < 0.1 < 0.3 < lifts_it


def test_a_delayed_action_takes_effect_later(env):
    config = EnvConfig(randomization=RandomizationConfig(delay_steps=(2, 2)))
    late = ManipulationEnv(PICK_UP, lifts(), env.physics, config)
    up = jnp.zeros(7).at[2].set(1.0).at[6].set(1.0)
    state, step = late.reset_from(START, KEYS[0]), jax.jit(late.step)
    heights = []
    for _ in range(4):
        state = step(state, up)
        heights.append(float(state.pipeline_state.qpos[2]))
    # 0.3 m/s for a twelfth of a second.
    np.testing.assert_allclose(np.diff(heights), [0.0, 0.025, 0.025], atol=1e-3)


def test_noise_is_on_what_the_policy_sees_alone(env):
    noise = RandomizationConfig(position_noise_m=0.01, rotation_noise_deg=2.0, opening_noise_m=0.001)
    sighted = replace(env.config, observe_object=True)
    noisy = ManipulationEnv(PICK_UP, lifts(), env.physics, replace(sighted, randomization=noise))
    seen = jax.vmap(lambda key: noisy.reset_from(START, key).obs)(KEYS)
    exact = ManipulationEnv(PICK_UP, lifts(), env.physics, sighted).reset_from(START).obs
    error = np.asarray(seen["policy"] - exact["policy"]).std(axis=0)
    expected = [0.0, *3 * [0.01], *3 * [np.deg2rad(2.0)], 0.001, *3 * [0.01], *3 * [0.0]]
    np.testing.assert_allclose(error, expected, rtol=0.4)
    np.testing.assert_array_equal(seen["critic"], np.tile(exact["critic"], (64, 1)))


def test_a_randomised_environment_needs_a_key(env):
    config = replace(env.config, randomization=RandomizationConfig(mass_kg=(0.5, 2.0)))
    with pytest.raises(ValueError, match="expected a key"):
        ManipulationEnv(PICK_UP, lifts(), env.physics, config).reset_from(START)


def test_impossible_ranges_are_refused():
    for wrong in ({"mass_kg": (2.0, 1.0)}, {"table_friction": (0.0, 1.0)}, {"delay_steps": (-1, 2)}):
        with pytest.raises(UserError, match=f"{next(iter(wrong))}: expected "):
            RandomizationConfig(**wrong)


def test_a_turned_frame_turns_what_a_policy_sees_and_what_it_does(env):
    measured = RandomizationConfig(place_noise_m=0.005, turn_noise_deg=5.0)
    sighted = replace(env.config, observe_object=True)
    exact = ManipulationEnv(PICK_UP, lifts(), env.physics, sighted)
    turned = ManipulationEnv(PICK_UP, lifts(), env.physics, replace(sighted, randomization=measured))
    states = jax.jit(jax.vmap(partial(turned.reset_from, START)))(KEYS)
    draw, seen = states.info["episode"].draw, np.asarray(states.obs["policy"])
    np.testing.assert_allclose(np.std(draw.misplaced, axis=0), 0.005, rtol=0.3)
    np.testing.assert_allclose(np.std(draw.turned), np.deg2rad(5.0), rtol=0.3)
    # Plane geometry: a frame turned to the left sees everything turned to the right.
    truth = np.asarray(exact.reset_from(START).obs["policy"])
    cos, sin = np.cos(draw.turned), np.sin(draw.turned)
    for first in (1, 8):
        x, y = truth[first : first + 2, None] - np.asarray(draw.misplaced).T * (first == 1)
        np.testing.assert_allclose(seen[:, first : first + 2].T, [cos * x + sin * y, cos * y - sin * x], atol=1e-5)
    # Straight ahead in the turned frame is aside in the task frame.
    ahead = jnp.tile(jnp.asarray([1.0, 0, 0, 0, 0, 0, 0]), (len(KEYS), 1))
    after = jax.jit(jax.vmap(turned.step))(states, ahead)
    gone = np.asarray(after.pipeline_state.qpos[:, :2] - states.pipeline_state.qpos[:, :2])
    np.testing.assert_allclose(np.arctan2(gone[:, 1], gone[:, 0]), draw.turned, atol=1e-3)


def test_a_misplaced_object_is_a_misplaced_gripper_to_the_policy(env):
    off = EnvConfig(randomization=RandomizationConfig(calibration_m=(0.03, 0.03)))
    envs = [ManipulationEnv(PICK_UP, lifts(), env.physics, config) for config in (EnvConfig(), off)]
    right, wrong = (jax.jit(jax.vmap(partial(one.reset_from, START)))(KEYS) for one in envs)
    apart = np.asarray(right.obs["policy"] - wrong.obs["policy"])
    np.testing.assert_allclose(np.linalg.norm(apart[:, 1:3], axis=1), 0.03, atol=1e-6)
    assert not np.delete(apart, (1, 2), axis=1).any() and (apart[:, 1:3].min(axis=0) < -0.02).all()
    # All else is as it was, and the error stays the same for an episode.
    np.testing.assert_array_equal(right.obs["critic"], wrong.obs["critic"])
    later = jax.jit(jax.vmap(envs[1].step))(wrong, jnp.zeros((len(KEYS), 7)))
    same = jax.jit(jax.vmap(envs[0].step))(right, jnp.zeros((len(KEYS), 7)))
    np.testing.assert_allclose(same.obs["policy"] - later.obs["policy"], apart, atol=1e-5)
