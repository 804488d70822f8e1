"""Where objects stand when a policy is judged: on their place, off it, or elsewhere with the policy given where."""

from dataclasses import dataclass
from functools import cache

import jax

from real2sim_jax.benchmarks.specs import Overlaps, displaced
from real2sim_jax.config.simulation import RandomizationConfig
from real2sim_jax.core.actions import Action
from real2sim_jax.simulation.initial_states import overlaps
from real2sim_jax.simulation.types import StartState

PLACE_NOISE_M, TURN_NOISE_DEG = 0.005, 5.0
"""Standard deviations of an object's pose as a camera above a table measures it."""


@dataclass(frozen=True)
class Placing:
    """How far objects stand off their place, and whether the policy is given where they stand."""

    off_m: float = 0.0
    """Along the table, in another direction in each row."""
    given: bool = False
    """Whether the policy's frame goes with the objects, but for the noise of a measurement; the hand starts where it
    would without."""

    @property
    def suffix(self) -> str:
        """What the names of reports end with."""
        distance = f"_off_{1000 * self.off_m:.0f}mm" if self.off_m or self.given else ""
        return distance + ("_given" if self.given else "")

    @property
    def randomization(self) -> RandomizationConfig:
        """What varies between the episodes."""
        if self.given:
            return RandomizationConfig(place_noise_m=PLACE_NOISE_M, turn_noise_deg=TURN_NOISE_DEG)
        return RandomizationConfig(calibration_m=(self.off_m, self.off_m))

    def starts(self, states: StartState, action: Action, seed: int) -> StartState:
        """Return start states (N rows) in the objects' frame."""
        return displaced(states, self.off_m, seed, overlapping(action)) if self.given and self.off_m else states


ON_PLACE = Placing()


@cache
def overlapping(action: Action) -> Overlaps:
    """Return what says of start states (N rows) which overlap (N,) bool; compiled once."""
    return jax.jit(jax.vmap(lambda start: overlaps(action, start)))
