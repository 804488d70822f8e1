import jax
import jax.numpy as jnp
import numpy as np
import pytest

from real2sim_jax.errors import UserError
from real2sim_jax.simulation.env import ManipulationEnv
from real2sim_jax.simulation.physics import cylinder_inertia, make_physics
from real2sim_jax.simulation.starts import nominal_start
from tests.demos import PICK_UP, lifts
from tests.simulation.conftest import rollout, scripted_grasp


def nominal(sizes):
    heights, radii = (jnp.asarray(values)[:, None] for values in zip(*sizes, strict=True))
    return jax.vmap(lambda h, r: nominal_start(PICK_UP, h, r, jnp.zeros(3)))(heights, radii)


def test_inertia_of_a_cylinder_against_the_textbook():
    # Solid cylinder of 1 kg, r = 0.05 m, h = 0.1 m: m r^2 / 2 and m (3 r^2 + h^2) / 12.
    np.testing.assert_allclose(cylinder_inertia(0.05, 0.1), [0.0175 / 12, 0.0175 / 12, 0.00125], rtol=1e-5)


def test_a_held_object_rises_with_the_gripper_and_hardly_creeps(env):
    states = rollout(env, nominal([(0.065, 0.04), (0.1, 0.05), (0.08, 0.045)]), scripted_grasp())
    qpos = np.asarray(states.pipeline_state.qpos)
    assert (qpos[-1, :, 11] > 0.3).all()
    offset = qpos[:, :, 9:12] - qpos[:, :, :3]
    # From a firm hold (3 s) on for 7 s.
    assert np.abs(offset[-1] - offset[40]).max() < 0.005


def test_an_object_at_rest_stays_at_rest(env):
    states = rollout(env, nominal([(0.065, 0.04), (0.1, 0.05)]), jnp.zeros((120, 7)).at[:, 6].set(1.0))
    qpos = np.asarray(states.pipeline_state.qpos)[..., 9:12]
    assert np.ptp(qpos[20:], axis=0).max() < 1e-3
    np.testing.assert_allclose(qpos[-1, :, 2], [0.0325, 0.05], atol=1e-3)


def test_same_actions_give_the_same_bits(env):
    starts = nominal([(0.07, 0.042)] * 3)
    first, second = (np.asarray(rollout(env, starts, scripted_grasp()).pipeline_state.qpos) for _ in range(2))
    assert (first == second).all()
    # Nor does it matter which of several simulations one is.
    assert (first[:, 0] == first[:, 2]).all()


def test_mjx_agrees_with_the_c_engine(env):
    sizes = [(0.07, 0.045), (0.09, 0.042)]
    other = ManipulationEnv(PICK_UP, lifts(), make_physics("mjx", 1))
    ours, theirs = (np.asarray(rollout(e, nominal(sizes), scripted_grasp()).pipeline_state.qpos) for e in (env, other))
    # The gripper moves freely: the first second to 1e-4 m. There the object is a 12-sided prism: 1 cm at the end.
    np.testing.assert_allclose(ours[:12, :, :3], theirs[:12, :, :3], atol=1e-4)
    np.testing.assert_allclose(ours[-1, :, 9:12], theirs[-1, :, 9:12], atol=0.01)


def test_a_diverged_simulation_is_frozen_and_does_not_harm_its_neighbours(env):
    starts = nominal([(0.07, 0.045)] * 2)
    state = jax.vmap(env.reset_from)(starts)
    broken = state.pipeline_state.replace(qvel=state.pipeline_state.qvel.at[0, 8].set(jnp.nan))
    after = jax.jit(jax.vmap(env.step, (0, None)))(state.replace(pipeline_state=broken), jnp.zeros(7))
    np.testing.assert_array_equal(after.info["episode"].alive, [0.0, 1.0])
    assert np.isfinite(after.pipeline_state.qpos).all()
    assert np.isfinite(after.reward).all() and after.reward[0] == 0.0


def test_unknown_back_end():
    with pytest.raises(UserError, match="expected one of batch, mjx, warp"):
        make_physics("bullet", 1)
