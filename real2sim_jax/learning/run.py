"""The files that a training run leaves and goes on from, and where its seconds go."""

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp

from real2sim_jax.core.actions import Action
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.policy import Policy, save_policy
from real2sim_jax.data.artefacts import read_json, write_csv, write_json
from real2sim_jax.learning.loggers import Logger, check_loggers, make_loggers
from real2sim_jax.learning.networks import Networks
from real2sim_jax.learning.ppo import TrainState
from real2sim_jax.simulation.physics.interface import Physics

Evaluate = Callable[[Policy, Path], Mapping[str, float]]
"""From the policy so far and the folder of its run to scalars by name; may leave pictures in the folder."""


A_RUN = ("config.json", "policy.npz", "checkpoints")
"""A folder with one of these is a run's."""


def _coming(folder: Path) -> Path:
    """Where a run prepares to take its folder."""
    return folder.with_name(f".{folder.name}.coming")


def _take(folder: Path) -> Path | None:
    """Let what was prepared take its folder; return where an earlier run is kept, if there was one.

    A process that is killed between the two renames leaves both runs whole, and `_finish_taking` does the rest.
    """
    previous = folder.with_name(f"{folder.name}.previous")
    kept = folder.is_dir() and any(folder.iterdir())
    if kept:
        shutil.rmtree(previous, ignore_errors=True)
        folder.rename(previous)
    elif folder.is_dir():
        folder.rmdir()
    _coming(folder).rename(folder)
    return previous if kept else None


def _finish_taking(folder: Path, resume: bool) -> None:
    """Do what a killed process has left to do: its policy, which is written last, says that it was ready."""
    coming = _coming(folder)
    if (coming / "policy.npz").is_file() and (resume or not folder.exists()):
        _take(folder)
    shutil.rmtree(coming, ignore_errors=True)


class WallClock:
    """Where the seconds of an iteration go, as far as the physics keeps a clock of its own."""

    def __init__(self, physics: Physics | None):
        self._clock = None if physics is None else physics.clock
        self._busy = self._clock.busy_s if self._clock else 0.0
        self._started = time.perf_counter()

    def seconds(self) -> dict[str, float]:
        """Return the seconds since the start by what they went to."""
        now = time.perf_counter()
        if self._clock is None:
            return {"time/iteration_s": now - self._started}
        physics, update = self._clock.busy_s - self._busy, now - self._clock.last
        networks = now - self._started - physics - update
        return {"time/physics_s": physics, "time/networks_s": networks, "time/update_s": update}


class RunFolder:
    """The files of one training run.

    A new run writes nothing before it has its first policy. Then it takes the folder, and an earlier run that lay there
    is kept beside it as FOLDER.previous.
    """

    manager: ocp.CheckpointManager | None = None
    """None before the first policy."""

    def __init__(
        self,
        folder: Path,
        networks: Networks,
        action: Action,
        provenance: dict[str, Any],
        resume: bool,
        evaluate: Evaluate | None,
        wandb_project: str | None = None,
    ):
        self.folder, self.networks, self.action, self.provenance = folder, networks, action, provenance
        self._evaluate, self._wandb_project = evaluate, wandb_project
        self._loggers: list[Logger] = []
        self.history: list[dict[str, float]] = []
        _finish_taking(folder.absolute(), resume)
        check_loggers(wandb_project)
        if resume:
            self._go_on()
        elif folder.is_dir() and any(folder.iterdir()) and not any((folder / name).exists() for name in A_RUN):
            raise UserError(f"{folder}: expected an empty folder or that of a run; other files lie there")

    def _go_on(self) -> None:
        if not (self.folder / "checkpoints").is_dir():
            raise UserError(f"{self.folder}: nothing to resume; train without --resume first")
        self._check_same(self.provenance)
        write_json(self.folder / "config.json", self.provenance)
        self._open()

    def _open(self) -> None:
        self.manager = _checkpoints(self.folder)
        self._loggers = make_loggers(self.folder, self.provenance["config"], self._wandb_project)

    def begin(self, state: TrainState, say: Callable[[str], None]) -> None:
        """Take the folder with the first policy, unless that is done; an earlier run that is kept is said in a line."""
        if self.manager is not None:
            return
        folder = self.folder.absolute()
        coming = _coming(folder)
        write_json(coming / "config.json", self.provenance)
        with _checkpoints(coming) as manager:
            self._write(coming, manager, state)
        previous = _take(folder)
        if previous:
            say(f"{self.folder}: the earlier run is kept as {previous.name}, until the next one begins")
        self._open()
        self._tell(self.history[-1])

    def restored(self, state: TrainState) -> TrainState:
        """The last checkpoint, or the given first state where there is none."""
        step = None if self.manager is None else self.manager.latest_step()
        if self.manager is None or step is None:
            return state
        self.history = _read_history(self.folder / "history.json")[:step]
        try:
            restored: Any = self.manager.restore(step, args=ocp.args.StandardRestore(state))
        except Exception as error:
            # Whatever orbax and what it stands on raise for a damaged file means the same to the user.
            what = f"checkpoint {step} is damaged ({type(error).__name__})"
            raise UserError(f"{self.folder}: {what}; remove checkpoints/{step} to go on from the one before") from error
        return restored

    def log(self, steps: int, values: dict[str, float]) -> None:
        """Add the numbers of an iteration."""
        self.history.append({"steps": float(steps), **values})
        self._tell(values)

    def judge(self, state: TrainState) -> None:
        """Add what `evaluate` says of the policy so far to the last iteration's numbers, once."""
        if self._evaluate is None or not self.history or any(name.startswith("eval/") for name in self.history[-1]):
            return
        found = self._evaluate(self.policy(state), self.folder)
        values = {f"eval/{name}": float(value) for name, value in found.items()}
        self.history[-1] |= values
        self._tell(values)

    def save(self, state: TrainState) -> None:
        """Write numbers, checkpoint and policy of a state, once the run has begun."""
        if self.manager is not None:
            self._write(self.folder, self.manager, state)

    def _write(self, folder: Path, manager: ocp.CheckpointManager, state: TrainState) -> None:
        step = int(state.iteration)
        write_json(folder / "history.json", self.history)
        # Numbers of every iteration only: a table has no holes.
        write_csv(folder / "metrics.csv", {n: c for n, c in self.columns().items() if not np.isnan(c).any()})
        if step not in manager.all_steps():
            manager.save(step, args=ocp.args.StandardSave(state))
            manager.wait_until_finished()
        save_policy(folder / "policy.npz", self.policy(state))

    def close(self) -> None:
        """Close the files that are kept open."""
        for logger in self._loggers:
            logger.close()
        if self.manager is not None:
            self.manager.close()

    def policy(self, state: TrainState) -> Policy:
        """Return the policy of a state."""
        provenance = self.provenance | {"iteration": int(state.iteration)}
        return self.networks.export(state.parameters, state.statistics, self.action, provenance)

    def columns(self) -> dict[str, np.ndarray]:
        """Numbers by name, (iterations,) each; NaN where there is none."""
        names = dict.fromkeys(name for row in self.history for name in row)
        return {name: np.array([row.get(name, np.nan) for row in self.history]) for name in names}

    def _tell(self, values: Mapping[str, float]) -> None:
        """Tell the loggers numbers of the last iteration."""
        for logger in self._loggers:
            logger.log(int(self.history[-1]["steps"]), values)

    def _check_same(self, provenance: dict[str, Any]) -> None:
        known = read_json(self.folder / "config.json")
        if not isinstance(known, dict):
            raise UserError(f"{self.folder / 'config.json'}: expected a table, got something else; start anew")
        for name, what in (("config", "with another configuration"), ("parents", "on other demonstrations")):
            if known.get(name) != provenance[name]:
                raise UserError(f"{self.folder}: was trained {what}; resume with the same or start anew")


def _read_history(path: Path) -> list[dict[str, float]]:
    """The numbers of each iteration; UserError where the file says something else."""
    rows = read_json(path)
    numbers = isinstance(rows, list) and all(
        isinstance(row, dict) and "steps" in row and all(type(value) in (int, float) for value in row.values())
        for row in rows
    )
    if not numbers:
        raise UserError(f"{path}: expected the numbers of each iteration by name, got something else; start anew")
    return rows


def _checkpoints(folder: Path) -> ocp.CheckpointManager:
    options = ocp.CheckpointManagerOptions(max_to_keep=2)
    return ocp.CheckpointManager(folder.absolute() / "checkpoints", options=options)
