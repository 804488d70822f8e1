"""Can physics repeat a fitted trajectory? Pads that stand for the hand carry the object by friction alone.

What physics can repeat, a policy can learn. The scene is in `replay_scene`, what the pads do in `replay_plan`.
"""

from dataclasses import dataclass

import mujoco
import numpy as np

from real2sim_jax.benchmarks.reconstruction import failures_of
from real2sim_jax.core.actions import Action
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.rotations import conjugate, matrix_from_wxyz, multiply, rotate, rotvec_from_wxyz
from real2sim_jax.data.types import ANCHOR, HAND, MOVED, CuboidTrack
from real2sim_jax.geometry.cuboids import vertical_half_extent
from real2sim_jax.replay.plan import Node, Plan, ReplayConfig, make_plan
from real2sim_jax.replay.scene import OBJECTS, PAD_RANGE_M, build_replay_model

HELD_SHARE, HELD_M = 0.75, 0.05
"""The object counts as held while a pad touches it and its centre is this close to the pads' middle; it must be in
this share of the frames in which the fitted hand touches."""
ANCHOR_M = 0.01
"""How far the anchor may end from where it stood, as in the policy benchmark."""
STIFFNESS, DAMPING, MAX_FORCE = 3000.0, 170.0, 100.0
"""N/m, N s/m, N: how the arm pulls the pads along; it yields where the path leads through something."""
TURN_STIFFNESS, TURN_DAMPING, MAX_TORQUE = 30.0, 1.7, 10.0
"""N m/rad, N m s/rad, N m: the same for turns."""
LIFT_RATE_S, MAX_LIFT = 4.0, 10.0
"""1/s and N: how soon, and how much at most, the arm bears the weight that it feels drawing the pads down."""
STEPS_PER_PULL = 4
MAX_SIZE_M, MAX_REACH_M, MAX_FRAMES = 1.0, 10.0, 10_000
MAX_SPEED = 100.0
"""m/s or rad/s: faster means that the simulation has diverged."""


@dataclass(frozen=True)
class ReplayResult:
    """What became of a trajectory in the simulator; frames T as in the fitted track."""

    track: CuboidTrack
    """As simulated: `touching` where a pad touches the object; frames that were left out are not valid."""
    gripper_wxyz: np.ndarray
    """(T, 4)."""
    opening: np.ndarray
    """(T,) m of each pad's face from the middle."""
    failures: list[str]
    """Rules of the action that the simulated track breaks; "held" when the pads lost the object, "anchor stays" when
    the anchor was pushed away."""
    deviation_m: float
    """Largest distance of the simulated from the fitted moved object, from the first touch on, m."""
    duration_s: float
    """Of the simulation without the pauses at its start and end."""


def replay(track: CuboidTrack, action: Action, config: ReplayConfig | None = None) -> ReplayResult:
    """Simulate a fitted track and judge the simulated one by the rules of its action.

    UserError when the track is no trajectory of the action's bodies, or when the simulation diverges.
    """
    config = config or ReplayConfig()
    check_track(track, action)
    plan = make_plan(track, action, config)
    simulation = _Simulation(track, plan)
    previous = plan.nodes[0]
    for node in plan.nodes:
        simulation.go(previous, node)
        previous = node
    return _result(simulation, track, plan, action)


def check_track(track: CuboidTrack, action: Action) -> None:
    """Raise UserError unless a track has the action's bodies, possible sizes, and positions within reach."""
    bodies, frames = np.asarray(track.position).shape[1], int(np.asarray(track.valid).sum())
    if bodies != action.bodies:
        raise UserError(f"expected {action.bodies} bodies for {action.name}, got {bodies}; check the video's action")
    if not 2 <= frames <= MAX_FRAMES:
        raise UserError(f"expected 2 to {MAX_FRAMES} frames, got {frames}")
    valid = np.asarray(track.valid, bool)
    values = np.asarray(track.position)[valid], np.asarray(track.wxyz)[valid], track.half_extents, track.dt
    if not all(np.isfinite(np.asarray(value, float)).all() for value in values):
        raise UserError("expected finite positions, orientations and sizes, got NaN or infinity; fit the video again")
    sizes, reach = 2.0 * np.asarray(track.half_extents)[MOVED:], np.abs(values[0]).max()
    if not (sizes.min() > 0.0 and sizes.max() <= MAX_SIZE_M):
        raise UserError(f"expected sides of 0 to {MAX_SIZE_M:g} m, got {sizes.min():.3g} to {sizes.max():.3g} m")
    if reach > MAX_REACH_M or not 0.0 < float(track.dt) <= 1.0:
        raise UserError(f"expected places within {MAX_REACH_M:g} m and frames at most 1 s apart, got {reach:.3g} m")
    if np.abs(np.linalg.norm(values[1], axis=-1) - 1.0).max() > 0.01:
        raise UserError("expected unit quaternions, got another length; fit the video again")


class _Simulation:
    """The scene of one track, and what was seen in it at the track's frames."""

    def __init__(self, track: CuboidTrack, plan: Plan):
        half = np.asarray(track.half_extents, float)[MOVED:]
        self.model = build_replay_model(half)
        self.data = mujoco.MjData(self.model)
        self.frames = np.flatnonzero(np.asarray(track.valid, bool))
        self.position, self.wxyz = np.array(track.position, float), np.array(track.wxyz, float)
        self.gripper_wxyz = np.array(self.wxyz[:, HAND])
        self.opening, self.touching = np.zeros(len(self.position)), np.zeros(len(self.position), bool)
        self._bodies = {name: body for body, name in enumerate(("gripper", *OBJECTS)[: len(half) + 1])}
        self._pads = {self.model.geom(name).id for name in ("left", "right")}
        self._lift = 0.0
        self._place(plan, half)

    def go(self, before: Node, after: Node) -> None:
        """Pull the pads evenly from one moment of the plan to the next; the first one is where they wait."""
        span = after.time - before.time if after is not before else after.time
        pulls = max(1, round(span / self.model.opt.timestep / STEPS_PER_PULL))
        velocity = (after.position - before.position) / span
        turning = rotvec_from_wxyz(multiply(after.wxyz, conjugate(before.wxyz))) / span
        for share in np.arange(1, pulls + 1) / pulls:
            position = before.position + share * (after.position - before.position)
            wxyz = before.wxyz + share * (after.wxyz - before.wxyz)
            self._pull(position, wxyz / np.linalg.norm(wxyz), velocity, turning)
            self.data.ctrl[0] = min(before.opening + share * (after.opening - before.opening), PAD_RANGE_M)
            mujoco.mj_step(self.model, self.data, STEPS_PER_PULL)
        if not (np.isfinite(self.data.qpos).all() and np.abs(self.data.qvel).max() < MAX_SPEED):
            raise UserError(f"the simulation diverged after {after.time:.1f} s; the fitted bodies may overlap")
        if after.frame >= 0:
            self._record(self.frames[after.frame], after.wrist)

    def _pull(self, position: np.ndarray, wxyz: np.ndarray, velocity: np.ndarray, turning: np.ndarray) -> None:
        joint = self.data.joint("gripper")
        # A free joint's angular quantities are in the body's axes.
        inverse = conjugate(joint.qpos[3:])
        error = rotvec_from_wxyz(multiply(inverse, wxyz))
        force = STIFFNESS * (position - joint.qpos[:3]) + DAMPING * (velocity - joint.qvel[:3])
        gain = LIFT_RATE_S * STIFFNESS * STEPS_PER_PULL * self.model.opt.timestep
        self._lift = float(np.clip(self._lift + gain * (position[2] - joint.qpos[2]), 0.0, MAX_LIFT))
        force[2] += self._lift
        torque = TURN_STIFFNESS * error + TURN_DAMPING * (rotate(inverse, turning) - joint.qvel[3:])
        joint.qfrc_applied[:] = np.concatenate([_at_most(force, MAX_FORCE), _at_most(torque, MAX_TORQUE)])

    def _place(self, plan: Plan, half: np.ndarray) -> None:
        first, place = plan.nodes[0], self.frames[plan.place]
        self._pose("gripper", first.position, first.wxyz)
        for body, size in enumerate(half, start=MOVED):
            wxyz = self.wxyz[place, body]
            self._pose(OBJECTS[body - MOVED], _above_table(self.position[place, body], wxyz, size), wxyz)
        closing = matrix_from_wxyz(first.wxyz)[:, 1] @ matrix_from_wxyz(self.wxyz[place, MOVED])
        width = float(np.abs(closing) @ half[0]) if plan.held else min(first.opening, PAD_RANGE_M)
        for pad in ("left", "right"):
            self.data.joint(pad).qpos[0] = width

    def _pose(self, name: str, position: np.ndarray, wxyz: np.ndarray) -> None:
        self.data.joint(name).qpos[:] = np.concatenate([position, wxyz])

    def _record(self, t: int, wrist: np.ndarray) -> None:
        for name, body in self._bodies.items():
            pose = self.data.joint(name).qpos
            self.position[t, body], self.wxyz[t, body] = pose[:3], pose[3:] / np.linalg.norm(pose[3:])
        self.gripper_wxyz[t] = self.wxyz[t, HAND]
        self.wxyz[t, HAND] = multiply(self.wxyz[t, HAND], conjugate(wrist))
        self.opening[t] = 0.5 * (self.data.joint("left").qpos[0] + self.data.joint("right").qpos[0])
        self.touching[t] = bool(self._pads & set(np.ravel(self.data.contact.geom)))


def _at_most(vector: np.ndarray, length: float) -> np.ndarray:
    return vector * min(1.0, length / max(float(np.linalg.norm(vector)), 1e-9))


def _above_table(position: np.ndarray, wxyz: np.ndarray, half: np.ndarray) -> np.ndarray:
    lowest = position[2] - vertical_half_extent(half, wxyz)
    return position - np.array([0.0, 0.0, min(lowest, 0.0)])


def _result(simulation: _Simulation, fitted: CuboidTrack, plan: Plan, action: Action) -> ReplayResult:
    valid = np.array(fitted.valid, bool)
    valid[simulation.frames[: plan.start]] = False
    track = fitted.replace(  # type: ignore[attr-defined]
        position=simulation.position, wxyz=simulation.wxyz, touching=simulation.touching, valid=valid
    )
    touching = np.asarray(fitted.touching, bool) & valid
    acting = valid & (np.cumsum(touching) > 0) if touching.any() else valid
    apart = np.linalg.norm(simulation.position[:, MOVED] - np.asarray(fitted.position)[:, MOVED], axis=-1)
    rules = {"held": _is_held(simulation, touching), "anchor stays": _anchor_stays(simulation, fitted, plan)}
    failures = failures_of(track, action) + [name for name, holds in rules.items() if not holds]
    times = [node.time for node in plan.nodes if node.frame >= 0]
    return ReplayResult(
        track, simulation.gripper_wxyz, simulation.opening, failures, float(apart[acting].max()), times[-1] - times[0]
    )


def _is_held(simulation: _Simulation, touching: np.ndarray) -> bool:
    slip = np.linalg.norm(simulation.position[:, HAND] - simulation.position[:, MOVED], axis=-1)
    held = simulation.touching & (slip < HELD_M)
    return bool(touching.any() and held[touching].mean() >= HELD_SHARE)


def _anchor_stays(simulation: _Simulation, fitted: CuboidTrack, plan: Plan) -> bool:
    last, place = simulation.frames[-1], simulation.frames[plan.place]
    shift = simulation.position[last, ANCHOR:] - np.asarray(fitted.position)[place, ANCHOR:]
    return bool((np.linalg.norm(shift[:, :2], axis=-1) < ANCHOR_M).all())
