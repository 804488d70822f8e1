import jax
import jax.numpy as jnp
import numpy as np
import pytest

from real2sim_jax.config.simulation import PUBLISHED, RewardConfig
from real2sim_jax.simulation.reward import ObservedScene, reward, reward_targets, reward_terms
from tests.demos import lift

AT = 60


def scene_of(reference, **changes):
    """The scene that repeats a reference exactly."""
    values = {
        "object_bottom": reference.object_bottom,
        "object_axis": reference.object_axis,
        "object_half_height": reference.object_half_height,
        "gripper_position": reference.gripper_position,
        "azimuth": reference.azimuth,
        "elevation": reference.elevation,
        "opening": jnp.asarray(0.04),
        "gap_radius": jnp.asarray(0.045),
        "reach": jnp.asarray(0.0),
    }
    return ObservedScene(**(values | changes))


@pytest.fixture
def reference():
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[AT], reward_targets(lift()))


def test_a_perfect_scene_earns_every_term(reference):
    terms = reward_terms(scene_of(reference), reference, RewardConfig())
    # The object's angle is not squared, so its guarded square root costs 1e-6 of the term.
    assert {name: round(float(value), 4) for name, value in terms.items()} == dict.fromkeys(terms, 1.0)


@pytest.mark.parametrize(
    ("term", "change", "expected"),
    [
        # Each expected value is exp(-sharpness / 2 error) by hand.
        ("object_position", {"object_bottom": [[0.0, 0.1, 0.0]]}, np.exp(-0.5 * 100 * 0.01)),
        ("gripper_position", {"gripper_position": [0.0, 0.0, 0.1]}, np.exp(-0.5 * 100 * 0.01)),
        ("gripper_orientation", {"azimuth": 2 * np.pi + 0.2}, np.exp(-0.5 * 10 * 0.04)),
        ("finger_gap", {"opening": 0.01}, np.exp(-0.5 * 10000 * 0.0001)),
    ],
)
def test_each_term_falls_as_its_formula_says(reference, term, change, expected):
    moved = {name: getattr(scene_of(reference), name) + jnp.asarray(value) for name, value in change.items()}
    terms = reward_terms(scene_of(reference, **moved), reference, RewardConfig())
    np.testing.assert_allclose(terms.pop(term), expected, rtol=1e-3)
    assert all(value > 0.999 for value in terms.values())


def test_the_gap_pays_only_near_the_object_and_while_the_demonstration_touches(reference):
    far = scene_of(reference, reach=jnp.asarray(0.2))
    assert reward_terms(far, reference, RewardConfig())["finger_gap"] == 0.0
    assert reward_terms(far, reference, PUBLISHED)["finger_gap"] == 1.0
    open_hand = reference.replace(grip=jnp.asarray(0.0))
    assert reward_terms(scene_of(reference), open_hand, RewardConfig())["finger_gap"] == 0.0


def test_the_hand_is_asked_for_at_the_simulated_objects_height(reference):
    taller = scene_of(
        reference,
        object_half_height=reference.object_half_height + 0.015,
        gripper_position=reference.gripper_position + jnp.asarray([0.0, 0.0, 0.015]),
    )
    np.testing.assert_allclose(reward_terms(taller, reference, RewardConfig())["gripper_position"], 1.0, atol=1e-6)
    assert reward_terms(taller, reference, PUBLISHED)["gripper_position"] < 0.999


@pytest.mark.parametrize(
    ("over_demos", "share"),
    # The second demonstration's object is 10 cm off: its reward is less by 0.5 (1 - exp(-0.5)) = 0.197.
    [("mean", 0.5), ("max", 1.0), ("softmax", 1 / (1 + np.exp(-0.5 * (1 - np.exp(-0.5)) / 0.1)))],
)
def test_the_reward_is_the_weighted_sum_over_demonstrations(reference, over_demos, share):
    other = reference.replace(object_bottom=reference.object_bottom + jnp.asarray([0.1, 0.0, 0.0]))
    both = jax.tree.map(lambda a, b: jnp.stack([a, b]), reference, other)
    total, terms = reward(scene_of(reference), both, RewardConfig(over_demos=over_demos))
    np.testing.assert_allclose(terms["object_position"], share + (1.0 - share) * np.exp(-0.5), rtol=1e-4)
    np.testing.assert_allclose(total, 1.1 - 0.5 * (1.0 - share) * (1.0 - np.exp(-0.5)), rtol=1e-3)


def test_the_anchor_is_to_stand_still_to_a_centimetre(reference):
    two = reference.replace(
        object_bottom=jnp.zeros((2, 3)), object_axis=jnp.tile(jnp.asarray([0.0, 0.0, 1.0]), (2, 1)),
        object_half_height=jnp.full(2, 0.04),
    )  # fmt: skip
    pushed = scene_of(two, object_bottom=jnp.asarray([[0.0, 0.0, 0.0], [0.01, 0.0, 0.0]]))
    # Half of the objects lose exp(-0.5 1e4 0.01^2), or with the published sharpness exp(-0.5 100 0.01^2).
    for config, lost in ((RewardConfig(), np.exp(-0.5)), (PUBLISHED, np.exp(-0.005))):
        np.testing.assert_allclose(reward_terms(pushed, two, config)["object_position"], 0.5 + 0.5 * lost, rtol=1e-4)


def test_a_cylinder_has_no_top_and_no_direction_around(reference):
    upside_down = scene_of(reference, object_axis=-reference.object_axis)
    assert reward_terms(upside_down, reference, RewardConfig())["object_rotation"] > 0.999
    tilted = scene_of(reference, object_axis=jnp.asarray([[np.sin(0.2), 0.0, np.cos(0.2)]]))
    expected = np.exp(-0.5 * 10 * 0.2)
    np.testing.assert_allclose(reward_terms(tilted, reference, RewardConfig())["object_rotation"], expected, rtol=1e-4)
