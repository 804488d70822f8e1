"""Each rule on an episode that passes and on ones that fail, and against a plain reading of the rules."""

import math
from dataclasses import replace

import jax
import numpy as np
import pytest

from real2sim_jax.benchmarks.success import judge
from real2sim_jax.core.actions import ACTIONS, Action
from real2sim_jax.core.predicates import HandPoints, MovedBy, PoseWithin, TurnedBy
from real2sim_jax.core.rotations import wxyz_from_azimuth_elevation, wxyz_from_rotvec
from real2sim_jax.data.types import stack
from real2sim_jax.simulation.types import Trajectory

judge_once = jax.jit(judge, static_argnums=0)
STEPS = 12
HEIGHT, RADIUS = 0.08, 0.04
SLIDES = {name: 1 if name.endswith("to_right") else -1 for name in ACTIONS if name.startswith(("pull", "push"))}
"""And the sign of their motion along x."""
BESIDES = {"put_behind": (90,), "put_in_front_of": (-90,), "put_next_to": (0, 180)}
"""And the bearings from the anchor."""


def episode(
    action, moved_end, azimuth_deg=0.0, elevation_deg=0.0, moved_rotvec=(0, 0, 0), anchor_end=(0, 0, HEIGHT / 2)
):
    """An episode in which everything moves evenly from the origin to its end while the hand's direction is constant."""
    count = 2 if action.has_anchor else 1
    share = np.linspace(0, 1, STEPS + 1)[:, None, None]
    start = np.array([[0, 0, HEIGHT / 2]] * count)
    end = np.array([moved_end, anchor_end][:count], float)
    wxyz = np.zeros((STEPS + 1, count, 4))
    wxyz[..., 0] = 1.0
    wxyz[:, 0] = wxyz_from_rotvec(np.array(moved_rotvec, float))
    hand = wxyz_from_azimuth_elevation(np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg))
    return Trajectory(
        gripper_position=np.zeros((STEPS + 1, 3)),
        gripper_wxyz=np.tile(hand, (STEPS + 1, 1)),
        opening=np.full(STEPS + 1, 0.04),
        object_position=start + share * (end - start),
        object_wxyz=wxyz,
        heights=np.full(count, HEIGHT),
        radii=np.full(count, RADIUS),
        dt=np.array(1 / 12),
    )


def flags(action, trajectory):
    found = judge_once(action, trajectory)
    return [bool(x) for x in (found.hand_ok, found.object_ok, found.published_hand_ok, found.published_object_ok)]


@pytest.mark.parametrize("name", SLIDES)
def test_slide(name):
    action = ACTIONS[name]
    x, azimuth = SLIDES[name] * 0.06, action.hand_azimuth_deg
    good = dict(moved_end=(x, 0, 0.04), azimuth_deg=azimuth)
    assert flags(action, episode(action, **good)) == [True] * 4
    assert flags(action, episode(action, **good | dict(moved_end=(-x, 0, 0.04))))[1] is False
    assert flags(action, episode(action, **good | dict(moved_end=(0.8 * x, 0, 0.04))))[1] is False
    assert flags(action, episode(action, **good, moved_rotvec=(1.2, 0, 0)))[1] is False
    assert flags(action, episode(action, **good, elevation_deg=82))[::2] == [False, False]
    assert flags(action, episode(action, **good, elevation_deg=-78))[::2] == [True, True]
    assert flags(action, episode(action, **good | dict(azimuth_deg=azimuth + 120)))[::2] == [False, False]


@pytest.mark.parametrize("name", SLIDES)
def test_published_hand_rule_accepts_270_degrees(name):
    action = ACTIONS[name]
    errors = np.arange(-175, 180, 10)
    hands = [
        flags(action, episode(action, (SLIDES[name] * 0.06, 0, 0.04), action.hand_azimuth_deg + error))[::2]
        for error in errors
    ]
    np.testing.assert_array_equal(np.array(hands), np.stack([abs(errors) < 90, errors < 90], axis=-1))


def test_hand_is_judged_while_the_object_moves():
    action = ACTIONS["push_left_to_right"]
    good = episode(action, (0.06, 0, 0.04))
    turned = wxyz_from_azimuth_elevation(np.array(np.pi), np.array(0.0))
    wxyz, position = good.gripper_wxyz.copy(), good.object_position.copy()
    # Turned in 3 of 12 moving samples: exactly three quarters are right, and more is asked for.
    wxyz[:3] = turned
    assert flags(action, good.replace(gripper_wxyz=wxyz))[0] is False
    # The same hand passes where the object rests during those samples.
    position[:4] = position[0]
    assert flags(action, good.replace(gripper_wxyz=wxyz, object_position=position))[0] is True


def test_an_object_that_never_moves_has_no_right_hand():
    action = ACTIONS["pull_left_to_right"]
    assert flags(action, episode(action, (0, 0, 0.04), 180)) == [False] * 4


def test_pick_up():
    action = ACTIONS["pick_up"]
    assert flags(action, episode(action, (0, 0, 0.06))) == [True] * 4
    assert flags(action, episode(action, (0, 0, 0.048))) == [True, False, True, False]


def test_toppled_flat_cylinder_is_not_picked_up():
    action = ACTIONS["pick_up"]
    flat = episode(action, (0, 0, 0.05), moved_rotvec=(np.pi / 2, 0, 0))
    # On its side on the table: the centre is at the radius, 3 cm above half of its height.
    flat = flat.replace(heights=np.array([0.04]), radii=np.array([0.05]))
    assert flags(action, flat) == [True, False, True, True]


@pytest.mark.parametrize("name", BESIDES)
def test_beside(name):
    action = ACTIONS[name]
    for bearing in BESIDES[name]:
        angle = math.radians(bearing + 55)
        good = (0.2 * math.cos(angle), 0.2 * math.sin(angle), 0.04)
        assert flags(action, episode(action, good)) == [True] * 4
        assert flags(action, episode(action, (*good[:2], 0.06)))[1::2] == [False, False]
        assert flags(action, episode(action, (3 * good[0], 3 * good[1], 0.04)))[1::2] == [False, False]
        assert flags(action, episode(action, good, anchor_end=(0.02, 0, 0.04)))[1::2] == [False, False]
        angle = math.radians(bearing + 65)
        assert flags(action, episode(action, (0.2 * math.cos(angle), 0.2 * math.sin(angle), 0.04)))[1] is False


def test_a_lifted_anchor_passes_only_the_published_rule():
    action = ACTIONS["put_behind"]
    assert flags(action, episode(action, (0, 0.2, 0.04), anchor_end=(0, 0, 0.2)))[1::2] == [False, True]


def test_put_onto():
    action = ACTIONS["put_onto"]
    assert flags(action, episode(action, (0.02, 0.02, 0.12))) == [True] * 4
    assert flags(action, episode(action, (0.02, 0.02, 0.1195)))[1::2] == [True, True]
    assert flags(action, episode(action, (0.02, 0.02, 0.118)))[1::2] == [False, False]
    assert flags(action, episode(action, (0.035, 0.03, 0.12)))[1::2] == [False, False]
    assert flags(action, episode(action, (0.02, 0.02, 0.12), anchor_end=(0, 0.02, 0.04)))[1::2] == [False, False]


def test_held_high_above_passes_only_the_published_onto_rule():
    action = ACTIONS["put_onto"]
    assert flags(action, episode(action, (0, 0, 0.2)))[1::2] == [False, True]


@pytest.mark.parametrize("name", ACTIONS)
def test_not_a_number_fails(name):
    action = ACTIONS[name]
    broken = episode(action, (0.1, 0.1, 0.12))
    broken = broken.replace(object_position=np.full_like(broken.object_position, np.nan))
    assert flags(action, broken)[1::2] == [False, False]


def rotation(wxyz):
    w, x, y, z = wxyz
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def rim(position, wxyz, height, radius):
    """World points of a cylinder's two rims, (720, 3)."""
    angle = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    circle = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    ends = [np.column_stack([circle, np.full(360, s * height / 2)]) for s in (-1, 1)]
    return position + np.concatenate(ends) @ rotation(wxyz).T


def difference_deg(a, b):
    """a - b in [-180, 180)."""
    d = a - b
    while d >= 180:
        d -= 360
    while d < -180:
        d += 360
    return d


def plain_hand(action, t):
    if action.hand_azimuth_deg is None:
        return True, True
    right, published, moving, flat = 0, 0, 0, True
    for k in range(STEPS):
        if abs(t.object_position[k + 1, 0, 0] - t.object_position[k, 0, 0]) * 12 <= 1e-3:
            continue
        moving += 1
        d = rotation(t.gripper_wxyz[k]) @ [0, 0, 1]
        error = difference_deg(math.degrees(math.atan2(d[1], d[0])), action.hand_azimuth_deg)
        flat &= abs(math.degrees(math.asin(np.clip(d[2], -1, 1)))) < 80
        right += abs(error) < 90
        published += error < 90
    return flat and right > 0.75 * moving, flat and published > 0.75 * moving


def plain_object(action, t):
    last = t.object_position[-1]
    moved = rim(last[0], t.object_wxyz[-1, 0], t.heights[0], t.radii[0])
    if action.name in SLIDES:
        ok = SLIDES[action.name] * last[0, 0] > 0.05 and rotation(t.object_wxyz[-1, 0])[2, 2] > 0.5
        return ok, ok
    if action.name == "pick_up":
        return moved[:, 2].min() > 0.01, last[0, 2] - t.heights[0] / 2 > 0.01
    stayed = np.linalg.norm(last[1] - t.object_position[0, 1]) < 0.01
    published_stayed = math.hypot(*last[1, :2]) < 0.01
    offset = last[0] - last[1]
    if action.name in BESIDES:

        def placed(x, y):
            bearing = math.degrees(math.atan2(y, x))
            near = any(abs(difference_deg(bearing, b)) < 60 for b in BESIDES[action.name])
            return near and math.hypot(x, y) < 0.5 and last[0, 2] < 0.05

        return placed(*offset[:2]) and stayed, placed(*last[0, :2]) and published_stayed
    top = rim(last[1], t.object_wxyz[-1, 1], t.heights[1], t.radii[1])[:, 2].max()
    gap = moved[:, 2].min() - top
    published_gap = last[0, 2] - t.heights[0] / 2 - t.heights[1]
    corrected = -1e-3 < gap < 1e-2 and math.hypot(*offset[:2]) < t.radii[1] and stayed
    return corrected, published_gap > -1e-3 and math.hypot(*last[0, :2]) < t.radii[1] and published_stayed


def random_episode(action, rng):
    """An episode near enough to every bound that each rule says both yes and no."""
    end = rng.normal(0, 0.15, 3) * [1, 1, 0.1] + [0, 0, rng.choice([0.04, 0.06, 0.12])]
    if action.name == "put_onto":
        end[:2] *= 0.2
    anchor = rng.normal((0, 0, HEIGHT / 2), 0.004)
    tilt = rng.choice([0.0, 0.05, 1.0, 1.6])
    t = episode(action, end, rng.uniform(-180, 180), rng.uniform(-85, 85), (tilt, 0, 0), anchor)
    hands = wxyz_from_azimuth_elevation(
        rng.uniform(-180, 180) / 57.3 + rng.normal(0, 0.8, STEPS + 1), rng.normal(0, 0.7, STEPS + 1)
    )
    count = len(t.heights)
    return replace(t, gripper_wxyz=hands, heights=rng.uniform(0.04, 0.1, count), radii=rng.uniform(0.04, 0.05, count))


@pytest.mark.long
@pytest.mark.parametrize("name", ACTIONS)
def test_agrees_with_a_plain_reading(name):
    action = ACTIONS[name]
    rng = np.random.default_rng(action.class_id)
    episodes = [random_episode(action, rng) for _ in range(500)]
    found = jax.jit(jax.vmap(lambda t: judge(action, t)))(stack(episodes))
    hands = np.array([plain_hand(action, t) for t in episodes])
    objects = np.array([plain_object(action, t) for t in episodes])
    np.testing.assert_array_equal(np.stack([found.hand_ok, found.published_hand_ok], axis=-1), hands)
    # The rims are sampled: near a bound the oracle itself is off by micrometres.
    assert (np.stack([found.object_ok, found.published_object_ok], axis=-1) == objects).mean() > 0.99
    assert 0 < objects[:, 0].mean() < 1


def own(*success, objects=1):
    return Action("own", success, objects, "hand" if objects == 2 else "table", leaves_table=True)


def turning(action, end, rotvec):
    """An episode whose moved object begins upright and ends turned."""
    found = episode(action, end, moved_rotvec=rotvec)
    wxyz = found.object_wxyz.copy()
    wxyz[0] = [1.0, 0.0, 0.0, 0.0]
    return found.replace(object_wxyz=wxyz)


@pytest.mark.parametrize(("turned", "ok"), [(80, True), (61, True), (55, False), (125, False), (-90, False)])
def test_turned_by(turned, ok):
    action = own(TurnedBy(90.0))
    assert flags(action, turning(action, (0, 0, 0.04), (0, 0, math.radians(turned))))[1] is ok


def test_a_turn_about_another_axis_is_no_turn():
    action = own(TurnedBy(90.0, "right"))
    assert flags(action, turning(action, (0, 0, 0.04), (0, 0, 1.57)))[1] is False
    assert flags(action, turning(action, (0, 0, 0.04), (1.57, 0, 0)))[1] is True


@pytest.mark.parametrize(
    ("direction", "end"), [("away", (0, 1)), ("towards", (0, -1)), (45.0, (0.7, 0.72)), ("left", (-1, 0))]
)
def test_moved_by_in_any_direction(direction, end):
    action, (x, y) = own(MovedBy(direction, 0.1)), end
    assert flags(action, episode(action, (0.11 * x, 0.11 * y, 0.04)))[1] is True
    assert flags(action, episode(action, (0.09 * x, 0.09 * y, 0.04)))[1] is False
    assert flags(action, episode(action, (0.3 * y, -0.3 * x, 0.04)))[1] is False


def test_the_hand_of_a_motion_away():
    action = own(MovedBy("away"), HandPoints("away", within_deg=30.0))
    assert flags(action, episode(action, (0, 0.1, 0.04), azimuth_deg=70))[0] is True
    assert flags(action, episode(action, (0, 0.1, 0.04), azimuth_deg=55))[0] is False


def test_pose_within_any_of_the_poses():
    poses = (0.1, 0.0, 0.05, 0.0, 0.0, 0.0), (0.0, 0.2, 0.0, 90.0, 0.0, 0.0)
    action = own(PoseWithin(poses))
    assert flags(action, episode(action, (0.12, 0.0, 0.04 + 0.06)))[1] is True
    assert flags(action, episode(action, (0.14, 0.0, 0.04 + 0.05)))[1] is False
    assert flags(action, turning(action, (0.1, 0.0, 0.09), (0.5, 0, 0)))[1] is False
    assert flags(action, turning(action, (0.0, 0.2, 0.04), (1.4, 0, 0)))[1] is True
    # A cylinder that has turned about its own axis looks the same.
    assert flags(action, turning(action, (0.1, 0.0, 0.09), (0, 0, 2.0)))[1] is True


@pytest.mark.parametrize(("side", "bottom"), [("anchor", 0.0), ("anchor_top", HEIGHT)])
def test_pose_within_is_relative_to_the_anchor(side, bottom):
    action = own(PoseWithin(((0.1, 0.0, 0.0, 0.0, 0.0, 0.0),), side), objects=2)
    anchor = (0.05, 0.02, HEIGHT / 2)
    assert flags(action, episode(action, (0.15, 0.02, bottom + 0.04), anchor_end=anchor))[1] is True
    assert flags(action, episode(action, (0.1, 0.0, bottom + 0.04), anchor_end=anchor))[1] is False


def test_without_poses_nothing_is_as_demonstrated():
    action = own(PoseWithin())
    assert flags(action, episode(action, (0.0, 0.0, 0.04)))[1] is False
