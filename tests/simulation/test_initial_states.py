from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from real2sim_jax.config.simulation import StartConfig
from real2sim_jax.core.actions import action_named
from real2sim_jax.simulation.initial_states import nominal_start, overlaps, sample_start, start_qpos
from real2sim_jax.simulation.scene import build_model

pytestmark = pytest.mark.long


FETCH = replace(action_named(str(Path(__file__).parents[2] / "examples" / "fetch.toml")), moved_from=(0.25, -0.2))


def contact_depth(action, start):
    """Deepest penetration between gripper, held object and standing object, by MuJoCo's own collision detection, m."""
    model = build_model(action.bodies - 1)
    names = ("moved", "anchor")[: action.bodies - 1]
    for i, name in enumerate(names):
        geom = model.geom(name).id
        radius, half = float(start.radii[i]), float(start.heights[i]) / 2
        model.geom_size[geom, :2] = radius, half
        model.geom_rbound[geom] = np.hypot(radius, half)
        model.geom_aabb[geom, 3:] = radius, radius, half
    data = mujoco.MjData(model)
    data.qpos[:] = np.asarray(start_qpos(action, start))
    mujoco.mj_forward(model, data)
    standing = {model.geom(name).id for name in (names if action.is_fetched else names[-1:])}
    table = model.geom("table").id
    pairs = [({c.geom1, c.geom2}, c.dist) for c in data.contact]
    return min([distance for pair, distance in pairs if pair & standing and table not in pair], default=1.0)


@pytest.mark.parametrize("action", [action_named("pick_up"), action_named("put_onto"), FETCH], ids=lambda a: a.name)
def test_sampled_starts_are_free_and_refused_ones_are_not(action):
    keys = jax.random.split(jax.random.PRNGKey(1), 200)
    offset = jnp.asarray([0.2, 0.1, 0.15])
    sample = jax.jit(jax.vmap(lambda key: sample_start(key, action, jnp.ones(()), offset, StartConfig())))
    starts = sample(keys)
    hit = np.asarray(jax.jit(jax.vmap(lambda start: overlaps(action, start)))(starts))
    assert hit.mean() < 0.05
    for i in np.flatnonzero(~hit)[:40]:
        assert contact_depth(action, jax.tree.map(lambda leaf, i=i: leaf[i], starts)) > -1e-3


def test_a_gripper_in_the_object_or_in_the_table_overlaps():
    action = action_named("pick_up")
    start = nominal_start(action, jnp.asarray([0.08]), jnp.asarray([0.045]), jnp.zeros(3))
    assert not overlaps(action, start)
    beside = start.replace(gripper_position=start.gripper_position + jnp.asarray([0.05, 0.0, 0.0]))
    assert overlaps(action, beside) and contact_depth(action, beside) < 0.0
    assert overlaps(action, start.replace(elevation=jnp.asarray(0.8), gripper_position=jnp.asarray([0.3, 0.0, 0.02])))


def test_what_is_fetched_stands_around_its_place_with_room_for_the_gripper_beside_the_anchor():
    keys = jax.random.split(jax.random.PRNGKey(2), 300)
    sample = jax.jit(jax.vmap(lambda key: sample_start(key, FETCH, jnp.ones(()), jnp.zeros(3), StartConfig())))
    starts = sample(keys)
    away = np.asarray(starts.moved_place) - FETCH.moved_from
    assert np.abs(away).max() <= 0.15 and np.abs(away).max(axis=0).min() > 0.14
    assert np.linalg.norm(starts.moved_place, axis=1).min() > 0.135
    # The hand is around it, as it is around the only object of other actions.
    hand = np.asarray(starts.gripper_position)[:, :2] - starts.moved_place
    assert np.abs(hand.mean(axis=0)).max() < 0.04 and np.abs(hand).max() <= 0.2501
    qpos = np.asarray(start_qpos(FETCH, jax.tree.map(lambda leaf: leaf[0], starts)))
    np.testing.assert_allclose(qpos[9:12], [*starts.moved_place[0], starts.heights[0, 0] / 2], atol=1e-6)
    np.testing.assert_allclose(qpos[16:19], [0.0, 0.0, starts.heights[0, 1] / 2], atol=1e-6)


def test_no_difficulty_is_the_nominal_start():
    action = action_named("pick_up")
    start = sample_start(jax.random.PRNGKey(0), action, jnp.zeros(()), jnp.zeros(3), StartConfig())
    np.testing.assert_allclose(start.azimuth, np.pi / 2, atol=1e-6)
    np.testing.assert_allclose(start.gripper_position[:2], 0.0, atol=1e-7)


def test_difficulty_widens_the_starts():
    action = action_named("pick_up")
    keys = jax.random.split(jax.random.PRNGKey(0), 300)
    sample = jax.vmap(lambda k, d: sample_start(k, action, d, jnp.zeros(3), StartConfig()), (0, None))
    narrow, wide = (np.asarray(jax.jit(sample)(keys, jnp.asarray(d)).azimuth).std() for d in (0.1, 1.0))
    assert wide > 5 * narrow
