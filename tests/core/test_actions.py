"""Actions as records."""

import json
from dataclasses import replace

import pytest

from real2sim_jax.core.actions import ACTIONS, ACTIONS_BY_CLASS, IMITATIONS, action_named, action_of_record
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.gripper import FRANKA_HAND, gripper_named
from real2sim_jax.core.predicates import MovedBy, TurnedBy

OWN = replace(FRANKA_HAND, name="own", max_opening_m=0.06, held_radius_m=(0.02, 0.05))


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
    slides = action.name.startswith(("pull", "push"))
    assert action.has_anchor == action.name.startswith("put_")
    assert action.bodies == (3 if action.has_anchor else 2)
    assert action.ends_holding == (action.name == "pick_up")
    assert action.leaves_table != slides and action.goes_onto == (action.name == "put_onto")
    if slides:
        right = action.name.endswith("to_right")
        assert MovedBy("right" if right else "left") in action.success
        # One pushes with the hand pointing along the path, and pulls with it pointing back.
        along = 0.0 if right else 180.0
        assert action.hand_azimuth_deg == (along if action.name.startswith("push") else 180.0 - along)
    else:
        assert action.hand_azimuth_deg is None


OTHERS = [replace(ACTIONS["pick_up"], gripper=FRANKA_HAND), replace(ACTIONS["put_onto"], gripper=OWN)]


@pytest.mark.parametrize("action", [*ACTIONS.values(), *IMITATIONS.values(), *OTHERS], ids=lambda action: action.name)
def test_a_record_reads_back_through_json(action):
    assert action_of_record(json.loads(json.dumps(action.record())), "here") == action


TURN = """
name = "turn_and_push"
leaves_table = true
success = [{ rule = "turned_by", angle_deg = -90 }, { rule = "moved_by", direction = 45, at_least_m = 0.1 }]
"""


def refusal_of(path, text):
    """What is said of a file with this text: one line that names the file."""
    path.write_text(text)
    with pytest.raises(UserError) as refused:
        action_named(str(path))
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)
    return str(refused.value)


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "turn.toml"
    path.write_text(TURN)
    action = action_named(str(path))
    assert action.success == (TurnedBy(-90.0), MovedBy(45.0, 0.1)) and action.bodies == 2
    assert action.seed == action_named(str(path)).seed != 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("turned_by", "spun_by"), "success[0]: rule: expected one of moved_by, lifted, upright"),
        (
            ("angle_deg = -90", "angle = -90"),
            "turned_by: angle: unknown; expected angle_deg, axis, within_deg",
        ),
        ((", angle_deg = -90", ""), "success[0]: turned_by: angle_deg: expected a value, got none"),
        (("angle_deg = -90", "angle_deg = 1e9"), "success[0]: turned_by: angle_deg: expected number from -180 to 180"),
        (
            ("direction = 45", 'direction = "up"'),
            "direction: expected one of right, away, left, towards or number",
        ),
        (("at_least_m = 0.1", "at_least_m = nan"), "success[1]: moved_by: at_least_m: expected number from 0 to 10"),
        (("leaves_table", 'starts = "hand"\nleaves_table'), "starts: expected table with objects = 1, got 'hand'"),
        (("leaves_table", "moved_from = [0.3, 0.1]\nleaves_table"), "moved_from: expected objects = 2 and starts"),
        (("leaves_table", "objects = 2\nmoved_from = [0.3]\nleaves_table"), "moved_from: expected"),
        (("leaves_table", "objects = 3\nleaves_table"), "objects: expected one of 1, 2, got 3"),
        (("leaves_table = true", 'leaves_table = "no"'), "leaves_table: expected true or false, got 'no'"),
        (('{ rule = "turned_by", angle_deg = -90 }', '{ rule = "on_top" }'), "success[0]: on_top needs an anchor"),
        (('{ rule = "turned_by", angle_deg = -90 }', "5"), "success[0]: rule: expected one of"),
        (('"turn_and_push"', '"../up"'), "name: expected letters, digits and '_'"),
        (("name = ", "title = "), "title: unknown; expected name, success, objects"),
        (("success = [", "wanted = ["), "wanted: unknown"),
        ((TURN[TURN.index("success") :], "success = []"), "success: expected a list of rules"),
    ],
)
def test_mistakes_in_a_file_cost_one_line(tmp_path, change, says):
    assert says in refusal_of(tmp_path / "turn.toml", TURN.replace(*change))


GRIPPER = """
[gripper]
name = "own"
max_opening_m = 0.06
palm_half_m = [0.0316, 0.102, 0.0292]
finger_half_m = [0.0105, 0.0076, 0.0269]
finger_tip_m = 0.0088
held_radius_m = [0.02, 0.05]
"""


def test_a_gripper_of_ones_own(tmp_path):
    path = tmp_path / "turn.toml"
    path.write_text(TURN + GRIPPER)
    assert action_named(str(path)).gripper == OWN
    path.write_text(GRIPPER.replace("[gripper]", ""))
    assert gripper_named(str(path)) == OWN
    path.write_text(GRIPPER)
    with pytest.raises(UserError, match=r"turn\.toml: gripper: expected one of published, franka_hand, or a table"):
        gripper_named(str(path))
    path.write_text('gripper = "franka_hand"\n' + TURN)
    assert action_named(str(path)).gripper is FRANKA_HAND


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("max_opening_m = 0.06", "max_opening_m = 6"), "gripper: max_opening_m: expected number from 0.001 to 0.5"),
        (("max_opening_m = 0.06", "max_opening_m = 0.04"), "held_radius_m: expected low <= high < max_opening_m"),
        (
            ("finger_tip_m = 0.0088", "tip_m = 0.0088"),
            "gripper: expected one of published, franka_hand, or a table of name, max",
        ),
        (("[0.0316, 0.102, 0.0292]", "[0.0316, 0.102]"), "gripper: palm_half_m: expected 3 values"),
        (('"own"', '"\\u001b[2J"'), "gripper: name: expected letters"),
    ],
)
def test_mistakes_in_a_gripper_cost_one_line(tmp_path, change, says):
    assert says in refusal_of(tmp_path / "turn.toml", (TURN + GRIPPER).replace(*change))


def test_unknown_action_names_the_nine():
    with pytest.raises(UserError, match=r"'pickup'.*pick_up") as caught:
        action_named("pickup")
    assert all(name in str(caught.value) for name in ACTIONS)
    assert action_named("pick_up") is ACTIONS["pick_up"]
