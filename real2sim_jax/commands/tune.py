"""`real2sim tune-env`: how many environments train fastest on this machine."""

from dataclasses import dataclass

from real2sim_jax.commands.options import at_least_one
from real2sim_jax.core.actions import action_named
from real2sim_jax.core.errors import UserError


@dataclass(frozen=True)
class TuneEnv:
    """Time training with several numbers of environments and keep the best for `train --envs auto`."""

    action: str = "pick_up"
    """Whose simulation to time: one of one object, or of two."""
    physics: str = "batch"
    """Physics back end: batch or mjx."""
    candidates: str | None = None
    """Numbers of environments to try, separated by commas; 128 to 1024 when absent."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax.learning.tuning import CANDIDATES, tune
        from real2sim_jax.simulation.physics.backends import check_physics
        from real2sim_jax.stages.console import Console

        console, action = Console(), action_named(self.action)
        check_physics(self.physics)
        candidates = CANDIDATES if self.candidates is None else _numbers(self.candidates)
        with console.status("timing") as update:
            choice = tune(action, self.physics, candidates, update)
        rows = [
            (str(envs), f"{rate:,.0f}", "chosen" if envs == choice.envs else "") for envs, rate in choice.rates.items()
        ]
        console.table(f"{self.physics}: control steps per second", ("environments", "steps/s", ""), rows)
        console.say("`real2sim train --envs auto` uses it; without that option nothing changes")
        return 0


def _numbers(text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"--candidates {text}: expected whole numbers separated by commas, such as 128,256") from None
    for number in numbers:
        at_least_one("--candidates", number)
    return numbers
