"""Settings of demonstrations and of the learner."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from real2sim_jax.config.simulation import PUBLISHED, EnvConfig
from real2sim_jax.core.clock import ACTING_S, EPISODE_STEPS
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.settings import Checked, Count, Length, Metres, Positive, Range, Seconds, Seed, Share, Weight

Sigma = Annotated[float, Range(0, 10, above=True)]


@dataclass(frozen=True)
class DemonstrationConfig(Checked):
    """How a video becomes a demonstration."""

    scale: Annotated[float, Range(0.01, 100)] = 1.5
    """Positions and sizes are multiplied by this: the gripper is larger than a hand."""
    window_s: tuple[Seconds, Seconds] = ACTING_S
    """The video is stretched onto this part of the episode; before and after, values are held."""
    retreat_m: Metres = 0.2
    """How far the hand is above the moved object after the window, unless it keeps holding it."""
    anchor_radius_m: Annotated[float, Range(0.001, 10)] = 0.045
    """Of the robot's anchor: what is put onto a larger one is put as far from its centre in proportion."""


@dataclass(frozen=True)
class NetworkConfig(Checked):
    """Sizes and the first exploration noise."""

    hidden: Annotated[tuple[Annotated[int, Range(1, 8192)], ...], Length(1, 16)] = (128, 128, 128)
    sigma_translation: Sigma = 0.25
    """Standard deviations of the output."""
    sigma_rotation: Sigma = 0.15
    sigma_grip: Sigma = 0.6


@dataclass(frozen=True)
class TrackingConfig(Checked):
    """How a controller follows the demonstrated hand, and how far the network can move its target."""

    position_gain: Weight = 4.0
    """1/s."""
    orientation_gain: Weight = 3.0
    """1/s."""
    position_reach_m: Metres = 0.2
    """Largest shift of the target along each axis."""
    orientation_reach_deg: Annotated[float, Range(0, 180)] = 86.0
    """Largest turn of the target about each axis."""
    grip: Annotated[float, Range(0, 100)] = 1.2
    """The demonstrated grip before the tanh: minus this inside the contact, plus this outside."""


@dataclass(frozen=True)
class PPOConfig(Checked):
    """Settings of the learner."""

    envs: Annotated[int, Range(1, 1 << 20)] = 512
    """Environments stepped in parallel; an iteration takes envs x 120 control steps."""
    steps: Annotated[int, Range(1, 10**12)] = 6_000_000
    """Control steps in all."""
    epochs: Annotated[int, Range(1, 1000)] = 4
    minibatches: Annotated[int, Range(1, 1 << 20)] = 16
    learning_rate: Annotated[float, Range(0, 100, above=True)] = 1e-3
    """At the start; falls linearly to a tenth."""
    clip: Annotated[float, Range(0, 1, above=True)] = 0.2
    discount: Share = 1.0
    gae_lambda: Share = 0.95
    entropy_cost: Weight = 1e-4
    value_cost: Weight = 0.5
    max_gradient_norm: Positive = 0.5
    ramp: Share = 0.0
    """Fraction of the training after which starts have their full width."""
    replay: Share = 0.5
    """Share of the episodes that begin as one of the last iteration whose outcome the critic expected least."""
    networks: NetworkConfig = field(default_factory=NetworkConfig)
    reference: Literal["tracking", "none"] = "tracking"
    """The network moves the target of a controller that follows the demonstrated hand, or its output is the twist."""
    tracking: TrackingConfig = field(default_factory=TrackingConfig)

    def __post_init__(self) -> None:
        """UserError where a minibatch would be empty, or as in `Checked`."""
        super().__post_init__()
        if self.minibatches > self.envs * EPISODE_STEPS:
            most = f"{self.envs * EPISODE_STEPS}, the steps of an iteration with envs = {self.envs}"
            raise UserError(f"minibatches: expected at most {most}, got {self.minibatches}")

    @property
    def iterations(self) -> int:
        """Iterations in all."""
        return max(1, round(self.steps / (self.envs * EPISODE_STEPS)))


@dataclass(frozen=True)
class TrainConfig(Checked):
    """Everything that a training run depends on besides its demonstrations."""

    seed: Seed = 0
    physics: str = "batch"
    """Physics back end: batch, mjx or warp."""
    ppo: PPOConfig = field(default_factory=PPOConfig)
    env: EnvConfig = field(default_factory=EnvConfig)
    checkpoint_every: Count = 5
    """Iterations between checkpoints."""


PRESETS: dict[str, TrainConfig] = {
    "default": TrainConfig(),
    "published": TrainConfig(
        ppo=PPOConfig(
            envs=70,
            steps=1000 * 70 * EPISODE_STEPS,
            minibatches=4,
            ramp=0.5,
            replay=0.0,
            reference="none",
            networks=NetworkConfig(sigma_translation=0.2, sigma_rotation=0.2, sigma_grip=0.2),
        ),
        env=EnvConfig(reward=PUBLISHED, end_on_violation=True),
    ),
}
"""`published` is the learner of CoRL 2020 (arXiv 2011.06813) as far as the paper says: 1000 iterations of 70
environments, no reference, its reward, starts that widen, and episodes that end when the gripper is where it must not
be. The starts widen at one rate, where the paper has one for angles and a later one for positions."""
