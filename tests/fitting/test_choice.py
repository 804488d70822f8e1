"""The action's name decides where boxes do not, and only there."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from real2sim_jax.benchmarks.reconstruction import failures_of
from real2sim_jax.config.fitting import FitConfig, Scales
from real2sim_jax.core.actions import ACTIONS, action_named
from real2sim_jax.data.types import BoxTrack
from real2sim_jax.fitting.choice import Explanation, _taken, under_name
from real2sim_jax.fitting.fit import fit_tracks
from real2sim_jax.fitting.goal import goal_term, goals_of, no_goal
from real2sim_jax.fitting.search import problems_of
from real2sim_jax.synthetic.scenes import Noise, synthetic_scenes, synthetic_tracks

QUICK = FitConfig(rounds=((1000, 60), (2, 300)), elevations_deg=(35.0,), hand_turns_deg=(0.0,), batch=12)
TURN = """
name = "turn_left"
success = [{ rule = "turned_by", angle_deg = 90 }]
"""


def missed(track, action):
    """The penalty of a scene for an action: of the goal that it is nearest to."""
    valid = np.asarray(track.valid, bool)
    return min(float(jax.jit(goal_term)(track, goal, valid, Scales())) for goal in goals_of(action))


@pytest.mark.parametrize("name", ACTIONS)
def test_the_penalty_agrees_with_the_judge(name):
    """Far from the limits that the penalty keeps clear of, a scene breaks a rule where it misses the goal."""
    for truth in synthetic_scenes(ACTIONS[name], 6, seed=5):
        for other in ACTIONS.values():
            if other.bodies != ACTIONS[name].bodies or "put_onto" in (name, other.name):
                continue
            broken = set(failures_of(truth, other)) & {"moved", "hand side", "lifted", "in the sector"}
            penalty = missed(truth, other)
            assert penalty > 0.9 if broken else penalty < 25.0, (other.name, broken, penalty)


def test_nothing_is_asked_of_a_fit_to_evidence_alone():
    truth = synthetic_scenes(ACTIONS["pick_up"], 1, seed=5)[0]
    assert float(jax.jit(goal_term)(truth, no_goal(), np.asarray(truth.valid, bool), Scales())) == 0.0


def test_a_name_with_two_sides_has_a_goal_for_each_and_keeps_off_the_anchor():
    action = ACTIONS["put_next_to"]
    boxes = synthetic_tracks(action, 1, seed=1)[0][0]
    pool = problems_of([(action, boxes)], QUICK)[0]
    asked = under_name(pool, action)
    assert {tuple(p.goal.beside.round(6)) for p in asked} == {(1.0, 0.0), (-1.0, 0.0)}
    assert not any(bool(p.on_anchor) for p in asked)
    assert all(bool(p.on_anchor) for p in under_name(pool, ACTIONS["put_onto"]))


def choice(evidence, shows, airborne=True, asked=False):
    action = ACTIONS["pick_up"]
    problem = problems_of([(action, synthetic_tracks(action, 1, seed=1)[0][0])], QUICK)[0][0]
    rules = problem.rules.replace(airborne=np.full_like(problem.rules.airborne, airborne))
    goal = goals_of(action)[0] if asked else no_goal()
    return Explanation(problem.replace(rules=rules, goal=goal), evidence, shows)


def test_the_one_that_shows_the_action_is_taken_within_the_tolerance_alone():
    best, shown = choice(10.0, False), choice(10.0 + 0.9 * QUICK.name_tolerance, True)
    assert _taken([best, shown], QUICK) is shown
    assert _taken([best, shown], replace(QUICK, action_prior="off")) is best
    assert _taken([best, shown], replace(QUICK, name_tolerance=0.5 * QUICK.name_tolerance)) is best


def test_a_lift_that_nothing_asked_for_has_to_be_better_than_none():
    table, lifted = choice(10.0, False, airborne=False), choice(9.9, True)
    assert _taken([table, lifted], QUICK) is lifted
    assert _taken([table, lifted._replace(evidence=10.1)], QUICK) is table


def test_a_lift_that_was_asked_for_needs_evidence():
    """What stays on the table can be imitated in the air: the lifted scene has to explain more."""
    table, lifted = choice(10.0, False, airborne=False), choice(9.5, True, asked=True)
    assert _taken([table, lifted], QUICK) is table
    assert _taken([table, lifted._replace(evidence=8.5)], QUICK).shows


@pytest.mark.long
def test_boxes_of_things_that_are_picked_up_are_not_fitted_as_drawn_along_the_table():
    action = ACTIONS["pick_up"]
    tracks = {str(i): (action, boxes) for i, (boxes, _) in enumerate(synthetic_tracks(action, 8, seed=7))}
    fitted = fit_tracks(tracks, QUICK).tracks.values()
    assert sum(failures_of(track, action) == [] for track in fitted) >= 6


@pytest.mark.long
def test_boxes_that_hide_a_turn_are_fitted_with_it_and_never_as_the_other_side(tmp_path):
    (tmp_path / "turn.toml").write_text(TURN)
    turn, slide = action_named(str(tmp_path / "turn.toml")), ACTIONS["push_left_to_right"]
    turned: BoxTrack = synthetic_tracks(turn, 1, seed=3, noise=Noise(side_px=1.0))[0][0]
    pushed = synthetic_tracks(slide, 1, seed=11)[0][0]
    asked = {"turn": (turn, turned), "left": (ACTIONS["pull_right_to_left"], pushed), "right": (slide, pushed)}
    tracks = fit_tracks(asked, QUICK).tracks
    assert failures_of(tracks["turn"], turn) == [] and failures_of(tracks["right"], slide) == []
    assert "moved" in failures_of(tracks["left"], ACTIONS["pull_right_to_left"])
    assert 0.0 < tracks["turn"].quality["evidence_gap"] < QUICK.name_tolerance
    alone = fit_tracks({"turn": (turn, turned)}, replace(QUICK, action_prior="off")).tracks["turn"]
    assert "turned" in failures_of(alone, turn)
