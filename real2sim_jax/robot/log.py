"""What a run saw, wanted and sent, as one table: .npz to replay, .csv to read."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from real2sim_jax.core.observation import POLICY_FIELDS
from real2sim_jax.core.storage import replacing
from real2sim_jax.robot.controller import Step

_TWIST = tuple(f"{kind}_{axis}" for kind in ("linear", "angular") for axis in "xyz")
WANTED_FIELDS = (*(f"wanted_{name}" for name in _TWIST), "wanted_opening")
COMMAND_FIELDS = (*_TWIST, "opening_command")
STATE_FIELDS = ("state_time", *(f"state_{name}" for name in ("x", "y", "z", "qw", "qx", "qy", "qz", "opening")))
FIELDS = (*POLICY_FIELDS, *STATE_FIELDS, *WANTED_FIELDS, *COMMAND_FIELDS, "policy_s", "was_limited")
"""Columns of a log, in order: s, m, quaternions wxyz, m/s, rad/s; NaN where there was nothing."""


def save_log(path: str | Path, history: Sequence[Step]) -> None:
    """Write every step of a run, whole or not at all.

    .csv: a column for each of FIELDS and `fault`. .npz: observations (N, 8) that `--stream` plays back, states (N, 9),
    wanted (N, 7), commands (N, 7), policy_s, was_limited and fault (N,).
    """
    path = Path(path)
    with replacing(path) as temporary:
        (_write_csv if path.suffix == ".csv" else _write_npz)(temporary, history)


def _write_csv(path: Path, history: Sequence[Step]) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*FIELDS, "fault"])
        for step in history:
            numbers = [*step.observation, *_state(step), *_wanted(step), *_sent(step)]
            writer.writerow([*numbers, step.policy_s, int(step.was_limited), step.fault])


def _write_npz(path: Path, history: Sequence[Step]) -> None:
    table = {
        "observations": np.array([step.observation for step in history]),
        "states": np.array([_state(step) for step in history]),
        "wanted": np.array([_wanted(step) for step in history]),
        "commands": np.array([_sent(step) for step in history]),
        "policy_s": np.array([step.policy_s for step in history]),
        "was_limited": np.array([step.was_limited for step in history]),
        "fault": np.array([step.fault for step in history], dtype=np.str_),
    }
    with open(path, "wb") as file:
        np.savez(file, **table)  # type: ignore[arg-type]


def _state(step: Step) -> list[float]:
    state = step.state
    if state is None:
        return [np.nan] * len(STATE_FIELDS)
    return [float(state.time), *state.position, *state.wxyz, float(state.opening)]


def _wanted(step: Step) -> list[float]:
    wanted = step.wanted
    if wanted is None:
        return [np.nan] * len(WANTED_FIELDS)
    return [*wanted.linear, *wanted.angular, float(wanted.opening)]


def _sent(step: Step) -> list[float]:
    return [*step.command.linear, *step.command.angular, float(step.command.opening)]
