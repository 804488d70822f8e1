"""Readers of arrays: boxes, masks, tracks, demonstrations, policies and recorded streams."""

import contextlib
import io
import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from real2sim_jax.config.learning import TrackingConfig
from real2sim_jax.core.actions import ACTIONS, action_named
from real2sim_jax.core.policy import Policy, load_policy, save_policy
from real2sim_jax.data.artefacts import load, load_header, save
from real2sim_jax.data.types import BoxTrack, CuboidTrack, Demonstration, MaskTrack, stack
from real2sim_jax.learning.demonstrations import demonstrate
from real2sim_jax.learning.references import references_of
from real2sim_jax.robot.controller import Controller, Step, run
from real2sim_jax.robot.interface import SimulatedArm, load_stream
from real2sim_jax.robot.limits import Limits
from real2sim_jax.robot.log import save_log
from real2sim_jax.robot.program import RunSettings, drive
from real2sim_jax.stages.train_and_benchmark import demonstrations_of
from real2sim_jax.synthetic.scenes import observe_masks, synthetic_tracks
from tests.fuzz import mutate_npz, oracles
from tests.fuzz.case import Reader
from tests.policies import random_policy

FILE, POLICY, STREAM = "file.npz", "policy.npz", "stream.npz"
KINDS = {"boxes": BoxTrack, "masks": MaskTrack, "track": CuboidTrack, "demonstrations": Demonstration}
CHECKS = {
    "boxes": oracles.box_track,
    "masks": oracles.mask_track,
    "track": oracles.cuboid_track,
    "demonstrations": oracles.demonstration,
}


def artefact(name: str) -> Any:
    """Return a good artefact of a kind."""
    boxes, truth = synthetic_tracks(action_named("put_onto"), 1, 5)[0]
    if name == "boxes":
        return boxes
    if name == "masks":
        return observe_masks(truth, width=32)
    if name == "track":
        return truth.replace(quality={"total": np.float32(0.1), "iou_hand": np.float32(0.8)})  # type: ignore[attr-defined]
    action = action_named("pick_up")
    tracks = [synthetic_tracks(action, 1, seed)[0][1] for seed in range(2)]
    return stack([demonstrate(track, action) for track in tracks])


def write_artefact(name: str, folder: Path) -> None:
    save(folder / FILE, artefact(name), config={"rate": 0.5}, parents={"101": "ab", "102": "cd"})


def read_artefact(name: str, folder: Path) -> Any:
    assert isinstance(load_header(folder / FILE), dict)
    return load(folder / FILE, KINDS[name])


def read_demonstrations(folder: Path) -> Any:
    """Read, and make of them what training begins with."""
    demos = load(folder / FILE, Demonstration)
    wrong = oracles.demonstration(demos)
    return demos, None if wrong else references_of(demos, TrackingConfig(), ACTIONS["pick_up"])[0]


def wrong_demonstrations(found: Any) -> list[str]:
    demos, reference = found
    lead = np.asarray(demos.position).ndim - 3
    wrong = oracles.demonstration(demos) or ([] if lead == 1 else [f"{lead} leading axes"])
    return wrong or [text for name, value in reference.tables().items() for text in _finite(name, value)]


def _finite(name: str, value: Any) -> list[str]:
    return [] if np.isfinite(np.asarray(value)).all() else [f"reference {name} not finite"]


def damage_npz(name: str, folder: Path, rng: random.Random, seed: int) -> None:
    mutate_npz.damage(folder / name, rng, seed)


def write_policy(folder: Path) -> None:
    save_policy(folder / POLICY, random_policy())


def read_policy(folder: Path) -> Policy:
    """Read, and look for the demonstrations that it says it has learnt from."""
    policy = load_policy(folder / POLICY)
    demonstrations_of(folder / POLICY)
    return policy


def write_stream(folder: Path) -> None:
    """A run's log, as `--log` writes it, and the policy of the run."""
    policy, history = random_policy(), list[Step]()
    write_policy(folder)
    run(Controller(policy, Limits()), SimulatedArm((0.0, -0.05, 0.2), 1.5, 0.5, policy.dt), 20, history.append)
    save_log(folder / STREAM, history)


def play_stream(folder: Path) -> list[Step]:
    """Play a recorded stream back through the controller."""
    steps: list[Step] = []
    with contextlib.redirect_stdout(io.StringIO()):
        policy, arm = load_policy(folder / POLICY), load_stream(folder / STREAM)
        assert drive(policy, arm, RunSettings(steps=min(len(arm), 500)), steps.append) in (0, 1)
    return steps


def wrong_commands(steps: list[Step]) -> list[str]:
    """Whatever was recorded, what is sent is finite and within the limits."""
    linear = np.array([step.command.linear for step in steps])
    angular = np.array([step.command.angular for step in steps])
    opening = np.array([step.command.opening for step in steps])
    return oracles.first(
        oracles.array("linear", linear, (None, 3)), oracles.array("angular", angular, (None, 3)),
        oracles.between("speed", np.linalg.norm(linear, axis=-1), 0.0, Limits().linear_m_s + 1e-6),
        oracles.between("spin", np.linalg.norm(angular, axis=-1), 0.0, Limits().angular_rad_s + 1e-6),
        oracles.array("opening", opening, (None,)), oracles.between("opening", opening, 0.0, 0.075 + 1e-9),
    )  # fmt: skip


def _artefacts(name: str, count: int) -> Reader:
    file = partial(damage_npz, FILE)
    return Reader(
        f"npz of {name}", partial(write_artefact, name), file, partial(read_artefact, name), CHECKS[name], count
    )


READERS = (
    _artefacts("boxes", 200),
    _artefacts("masks", 160),
    _artefacts("track", 240),
    Reader("npz of demonstrations", partial(write_artefact, "demonstrations"), partial(damage_npz, FILE),
           read_demonstrations, wrong_demonstrations, 200),
    Reader("policy file", write_policy, partial(damage_npz, POLICY), read_policy, oracles.policy, 260),
    Reader("recorded stream", write_stream, partial(damage_npz, STREAM), play_stream, wrong_commands, 140),
)  # fmt: skip
