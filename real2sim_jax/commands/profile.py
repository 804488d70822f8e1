"""`real2sim profile`: where the time of training goes, as a trace."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from real2sim_jax.commands.options import at_least_one
from real2sim_jax.core.actions import action_named


@dataclass(frozen=True)
class Profile:
    """Trace a few iterations of training on made-up demonstrations, after the one that compiles."""

    action: str = "pick_up"
    """Whose simulation to train in."""
    physics: str = "batch"
    """Physics back end: batch or mjx."""
    envs: int | None = None
    """Environments stepped in parallel; the default of training when absent."""
    iterations: int = 2
    """Iterations to trace: a trace of many is too large for its viewers."""
    runs: Path = Path("runs")
    """Folder of all results: the trace lies in RUNS/profile."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax.config.learning import TrainConfig
        from real2sim_jax.learning.training_benchmark import TrainingBenchmark
        from real2sim_jax.simulation.physics.backends import check_physics
        from real2sim_jax.stages.console import Console

        console, action = Console(), action_named(self.action)
        check_physics(self.physics)
        at_least_one("--iterations", self.iterations)
        config = TrainConfig(physics=self.physics)
        envs = config.ppo.envs if self.envs is None else self.envs
        at_least_one("--envs", envs)
        trial = TrainingBenchmark(action, replace(config, ppo=replace(config.ppo, envs=envs)))
        with console.status("compiling"):
            trial.iterate()
        with console.status(f"tracing {self.iterations} iterations"):
            traced = trace(trial, self.iterations, self.runs / "profile")
        console.say(f"written to {traced}")
        console.say(
            "open perfetto_trace.json.gz in https://ui.perfetto.dev (it stays in the browser), or all of it with"
        )
        console.say(f"  pip install xprof tensorboard && tensorboard --logdir {self.runs / 'profile'}")
        return 0


def trace(trial: Any, iterations: int, folder: Path) -> Path:
    """Trace iterations of a `learning.trial.Trial`; return the folder of this trace, one of its own for each call."""
    import jax

    with jax.profiler.trace(folder, create_perfetto_trace=True):
        for number in range(iterations):
            with jax.profiler.StepTraceAnnotation("iteration", step_num=number):
                trial.iterate()
    return max((folder / "plugins" / "profile").iterdir())
