"""The files that a training run leaves and goes on from, and where its seconds go."""

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp

from real2sim_jax.errors import UserError
from real2sim_jax.files import read_json, write_csv, write_json
from real2sim_jax.learning.loggers import make_loggers
from real2sim_jax.learning.networks import Networks
from real2sim_jax.learning.ppo import TrainState
from real2sim_jax.robot.policy import Policy, save_policy
from real2sim_jax.simulation.physics import Physics

Evaluate = Callable[[Policy, Path], Mapping[str, float]]
"""From the policy so far and the folder of its run to scalars by name; may leave pictures in the folder."""


def _remove_earlier(folder: Path) -> None:
    """Remove what an earlier run left: it must not lie beside this one's configuration."""
    for name in ("checkpoints", "tensorboard", "wandb", "guide"):
        shutil.rmtree(folder / name, ignore_errors=True)
    files = ("policy.npz", "metrics.csv", "history.json", "curves.png", "rollout.gif", "report_*", "success_*.png")
    for path in [path for pattern in files for path in folder.glob(pattern)]:
        path.unlink()


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


class Run:
    """The files of one training run."""

    def __init__(
        self,
        folder: Path,
        networks: Networks,
        action: str,
        provenance: dict[str, Any],
        resume: bool,
        evaluate: Evaluate | None,
        wandb_project: str | None = None,
    ):
        self.folder, self.networks, self.action, self.provenance = folder, networks, action, provenance
        self._evaluate = evaluate
        self.history: list[dict[str, float]] = []
        checkpoints = folder.absolute() / "checkpoints"
        if not resume:
            _remove_earlier(folder)
        elif not checkpoints.is_dir():
            raise UserError(f"{folder}: nothing to resume; train without --resume first")
        else:
            self._check_same(provenance)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", provenance)
        self._loggers = make_loggers(folder, provenance["config"], wandb_project)
        self.manager = ocp.CheckpointManager(checkpoints, options=ocp.CheckpointManagerOptions(max_to_keep=2))

    def restored(self, state: TrainState) -> TrainState:
        """The last checkpoint, or the given first state where there is none."""
        step = self.manager.latest_step()
        if step is None:
            return state
        self.history = read_json(self.folder / "history.json")[:step]
        restored: Any = self.manager.restore(step, args=ocp.args.StandardRestore(state))
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
        """Write policy, numbers and checkpoint of a state."""
        step = int(state.iteration)
        write_json(self.folder / "history.json", self.history)
        # Numbers of every iteration only: a table has no holes.
        write_csv(self.folder / "metrics.csv", {n: c for n, c in self.columns().items() if not np.isnan(c).any()})
        save_policy(self.folder / "policy.npz", self.policy(state))
        if step not in self.manager.all_steps():
            self.manager.save(step, args=ocp.args.StandardSave(state))
            self.manager.wait_until_finished()

    def close(self) -> None:
        """Close the files that are kept open."""
        for logger in self._loggers:
            logger.close()
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
        for name, what in (("config", "with another configuration"), ("parents", "on other demonstrations")):
            if known.get(name) != provenance[name]:
                raise UserError(f"{self.folder}: was trained {what}; resume with the same or start anew")
