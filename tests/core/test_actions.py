"""The table of actions."""

import pytest

from real2sim_jax.core.actions import ACTIONS, ACTIONS_BY_CLASS, action_named
from real2sim_jax.core.errors import UserError


def test_nine_actions_with_their_class_ids():
    ids = {name: action.class_id for name, action in ACTIONS.items()}
    assert ids == {
        "pull_left_to_right": 86,
        "pull_right_to_left": 87,
        "push_left_to_right": 93,
        "push_right_to_left": 94,
        "pick_up": 47,
        "put_behind": 104,
        "put_in_front_of": 105,
        "put_next_to": 107,
        "put_onto": 112,
    }
    assert {action.name for action in ACTIONS_BY_CLASS.values()} == set(ACTIONS)


@pytest.mark.parametrize("action", ACTIONS.values(), ids=lambda action: action.name)
def test_records_agree_with_their_names(action):
    assert action.has_anchor == action.name.startswith("put_")
    assert action.bodies == (3 if action.has_anchor else 2)
    assert action.ends_holding == (action.name == "pick_up")
    assert action.stays_on_table == action.name.startswith(("pull", "push"))
    assert bool(action.bearings_deg) == (action.kind == "beside")
    if action.kind == "slide":
        assert action.direction == (1 if action.name.endswith("to_right") else -1)
        # One pushes with the hand pointing along the way, and pulls with it pointing back.
        along = 0.0 if action.direction > 0 else 180.0
        assert action.hand_azimuth_deg == (along if action.name.startswith("push") else 180.0 - along)
    else:
        assert action.direction == 0 and action.hand_azimuth_deg is None


def test_unknown_action_names_the_nine():
    with pytest.raises(UserError, match=r"'pickup'.*pick_up") as caught:
        action_named("pickup")
    assert all(name in str(caught.value) for name in ACTIONS)
    assert action_named("pick_up") is ACTIONS["pick_up"]
