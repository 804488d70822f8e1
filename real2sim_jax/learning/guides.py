"""The guide of a policy: the most typical demonstrated hand as a table that a gripper can follow.

A demonstration shows what happens to the object. It does not show how a gripper gets there from anywhere without
touching what it is to grasp, nor what suits objects of other sizes: that is added here, by rules of thumb.
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from real2sim_jax.core.actions import Action
from real2sim_jax.core.clock import CONTROL_HZ
from real2sim_jax.core.gripper import MAX_OPENING_M
from real2sim_jax.core.observation import FORCED_AFTER_S
from real2sim_jax.core.reference import Reference
from real2sim_jax.core.rotations import rotate, wxyz_from_azimuth_elevation
from real2sim_jax.core.settings import Checked, Metres, Range, Seconds, Weight
from real2sim_jax.data.types import Demonstration
from real2sim_jax.simulation.initial_states import lowest_point
from real2sim_jax.simulation.reward import RewardConfig, RewardTarget, reward_targets

CERTAIN = 20.0
"""Before the tanh: no correction of the network changes this."""
UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class GuideConfig(Checked):
    """How the demonstrations guide the policy before it has learnt anything."""

    grip: Annotated[float, Range(0, 100)] = 1.2
    """Added to the grip before the tanh: minus inside the demonstrated contact, plus outside."""
    grip_lead_s: Seconds = 0.4
    """The fingers start to close this long before the demonstrated contact: they need the time."""
    position_gain: Weight = 3.0
    """1/s."""
    orientation_gain: Weight = 2.0
    """1/s."""
    grasp_height_m: Metres = 0.036
    """Where the guide grasps objects that stand on the table: low enough for the flattest, high enough for a level
    gripper to clear the table."""
    clearance_m: Metres = 0.004
    """Least height of the gripper's lowest point, and of a held object's over what it is put down on."""
    steepest_deg: Annotated[float, Range(0, 90)] = 75.0
    """Largest elevation; beyond 85 deg nothing is paid."""
    approach_m: Metres = 0.14
    """The hand waits this far behind the grasp, along its own axis, ..."""
    approach_s: Annotated[float, Range(0, 60, above=True)] = 0.9
    """... and goes in during this time before the action begins, fingers first."""
    approach_rise_m: Metres = 0.3
    """Before that it comes from this much higher, ..."""
    approach_descent_s: Annotated[float, Range(0, 60, above=True)] = 1.2
    """... in this time: on its way it passes above what stands there."""
    leave_rise_m: Metres = 2.0
    """At first it aims this much higher still, straight up: wherever it starts, something may stand beside it, ..."""
    leave_s: Seconds = 0.5
    """... for this long."""
    held_half_height_m: Metres = 0.05
    """Half the height of the tallest object that starts in the hand, ..."""
    anchor_height_m: Metres = 0.1
    """... and height of the tallest that things are put onto."""
    let_go_s: Seconds = 0.4
    """After the action the hand stays this long where it is, while the fingers open."""


class _Path(NamedTuple):
    """A hand over the K samples of an episode."""

    position: np.ndarray
    """(K, 3) m."""
    wxyz: np.ndarray
    """(K, 4)."""


def reference_from(action: Action, demos: Demonstration, config: GuideConfig) -> Reference:
    """Return the most typical demonstrated hand as a guide; demos stacked on a leading axis D."""
    all_references = reward_targets(demos)
    typical = most_typical(all_references)
    chosen = jax.tree.map(lambda leaf: np.asarray(leaf)[typical], all_references)
    acting = np.asarray(demos.acting)[typical]
    start, end = np.flatnonzero(acting)[[0, -1]]
    height = _carrying_height(action, chosen, config) if action.has_anchor else _grasp_height(chosen, config)
    hand = np.concatenate([chosen.gripper_position[:, :2], height[:, None]], axis=-1)
    path = _clear_of_table(_Path(hand, _orientation(chosen, config)), config)
    hand = _approach(action, path, int(start), config)
    stay = round(config.let_go_s * CONTROL_HZ)
    if not action.ends_holding:
        hand[end + 1 : end + 1 + stay] = hand[end]
    velocity = np.zeros_like(hand)
    velocity[:end] = np.diff(hand[: end + 1], axis=0) * CONTROL_HZ
    tables = {
        "position": hand,
        "wxyz": path.wxyz,
        "velocity": velocity,
        "grip": _grip(action, chosen.grip > 0.5, config),
        "gains": np.asarray([config.position_gain, config.orientation_gain]),
    }
    return Reference(**{name: np.asarray(table, np.float32) for name, table in tables.items()})


def most_typical(all_references: RewardTarget) -> int:
    """Return the index of the demonstration (of D, K samples each) that the reward of all likes best.

    The mean of several demonstrations may be none of them: halfway between two ways to go, or above the object.
    """
    object_path = np.asarray(all_references.object_bottom)[:, :, 0]
    squared = ((object_path[:, None] - object_path[None]) ** 2).sum(axis=-1)
    score = np.exp(-0.5 * RewardConfig.position_sharpness * squared).mean(axis=(1, 2))
    return int(np.argmax(score))


def _grasp_height(chosen: RewardTarget, config: GuideConfig) -> np.ndarray:
    """Heights (K,): the hand holds the demonstrated object's centre, ours is usually lower."""
    lowered = chosen.gripper_position[:, 2] + config.grasp_height_m - chosen.object_half_height[:, 0]
    return np.maximum(lowered, config.grasp_height_m)


def _carrying_height(action: Action, chosen: RewardTarget, config: GuideConfig) -> np.ndarray:
    """Heights (K,) at which the tallest object is carried as far above the table, or the anchor, as was shown."""
    bottom = chosen.object_bottom[:, 0, 2]
    shown = 2.0 * chosen.object_half_height[:, 1] if action.kind == "onto" else 0.0
    support = config.anchor_height_m if action.kind == "onto" else 0.0
    above = np.maximum(bottom - shown, config.clearance_m)
    centre = bottom + chosen.object_half_height[:, 0]
    return np.asarray(chosen.gripper_position[:, 2] - centre + support + above + config.held_half_height_m)


def _orientation(chosen: RewardTarget, config: GuideConfig) -> np.ndarray:
    """Orientations (K, 4) that point at the table at most as steeply as is paid for, and never up."""
    elevation = np.clip(chosen.elevation, 0.0, np.deg2rad(config.steepest_deg))
    return np.asarray(wxyz_from_azimuth_elevation(chosen.azimuth, elevation))


def _clear_of_table(path: _Path, config: GuideConfig) -> _Path:
    """Raise the path until the gripper clears the table: a forearm may be thinner than the palm."""
    lowest = jax.vmap(lowest_point, (0, 0, None))(path.position, path.wxyz, jnp.asarray(MAX_OPENING_M))
    rise = np.maximum(0.0, config.clearance_m - np.asarray(lowest))
    return path._replace(position=path.position + rise[:, None] * UP)


def _approach(action: Action, path: _Path, start: int, config: GuideConfig) -> np.ndarray:
    """Return positions (K, 3) that go up, come from above, then along the fingers to what is grasped at sample `start`.

    What starts in the hand comes from above only.
    """
    before = (start - np.arange(len(path.position))) / CONTROL_HZ
    outside = np.clip(before / config.approach_s, 0.0, 1.0) * (not action.has_anchor)
    raised = np.clip((before - config.approach_s) / config.approach_descent_s, 0.0, 1.0)
    back = -config.approach_m * rotate(path.wxyz, UP)
    moved = np.asarray(outside[:, None] * back + raised[:, None] * config.approach_rise_m * UP)
    moved[: round(config.leave_s * CONTROL_HZ)] += config.leave_rise_m * UP
    return path.position + moved


def _grip(action: Action, touching: np.ndarray, config: GuideConfig) -> np.ndarray:
    """Grip (K,) before the tanh: closed from a little before the demonstrated contact."""
    lead = round(config.grip_lead_s * CONTROL_HZ)
    closed = np.array([touching[k : k + lead + 1].any() for k in range(len(touching))])
    if action.has_anchor:
        # The object starts in the hand: hold it until the demonstrated release.
        closed[: int(np.argmax(touching)) if touching.any() else len(touching)] = True
    grip = np.where(closed, -config.grip, config.grip)
    # When the action is over the simulator decides for the fingers; the robot must do the same by itself.
    grip[round(FORCED_AFTER_S * CONTROL_HZ) :] = -CERTAIN if action.ends_holding else CERTAIN
    return grip
