"""Settings of the fit."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from real2sim_jax.core.settings import Checked, Count, Length, Positive, Range, Weight

Mean = Annotated[float, Range(-20, 20)]
LearningRate = Annotated[float, Range(0, 1, above=True)]
Steps = Annotated[int, Range(0, 1_000_000)]


@dataclass(frozen=True)
class Scales(Checked):
    """What is usual: the unit of each error. A term of the loss is its square, 1 when off by as much as is usual.

    The sum is a negative log likelihood of independent errors, up to its constant.
    """

    side_fraction: Positive = 0.01
    """Error of a box side, of the image width."""
    robust: Positive = 3.0
    """Beyond this many units an error of a box side counts linearly."""
    mask_fraction: Positive = 0.18
    """Area in which a rendered mask differs from the observed one, of the observed one's, under the root."""
    acceleration_m_s2: Positive = 2.0
    """Of hand and moved object."""
    angular_acceleration_rad_s2: Positive = 10.0
    """Of hand and moved object."""
    hand_turned_rad: Positive = 0.2
    """Hand turned away from its mean direction: in one action it hardly turns, and least where nobody sees it."""
    contact_m: Positive = 0.005
    """Things inside one another, a hand in the table, an object beyond the edge of what it stands on."""
    carried_m: tuple[Positive, Positive] = (0.08, 0.08)
    """Height over the table at which a held object travels: mean and deviation."""
    turn_rad: Positive = 0.73
    """Moved object turned or tilted away from the camera's axes."""
    log_half_extent: tuple[Mean, Positive] = (-3.2, 1.28)
    """Sizes of objects, those of things a hand moves: mean, 4 cm, and deviation, a factor of 3.6."""
    log_depth_over_width: Positive = 0.73
    """Objects deeper or flatter, seen from the camera, than they are wide: by a factor of two."""
    log_hand_radius: tuple[Mean, Positive] = (-3.22, 0.18)
    """A forearm's, which gives the scene its scale: mean, 4 cm, and deviation."""
    camera_elevation_rad: tuple[Positive, Positive] = (0.6, 0.2)
    """Mean and deviation."""


@dataclass(frozen=True)
class FitConfig(Checked):
    """How tracks are fitted; one configuration serves all videos and actions."""

    rounds: Annotated[tuple[tuple[Count, Steps], ...], Length(1, 100)] = ((1000, 80), (4, 200), (2, 700))
    """Successive halving: how many of a video's best starts (of each support) go on, for how many steps, by round."""
    learning_rate: LearningRate = 0.05
    mask_steps: Steps = 80
    """Steps on the silhouettes, for tracks of masks, after the fit to the boxes around them."""
    mask_width: Annotated[int, Range(8, 4096)] = 96
    """Masks are averaged down to this many pixels."""
    mask_learning_rate: LearningRate = 0.02
    elevations_deg: Annotated[tuple[Annotated[float, Range(0, 90)], ...], Length(1, 100)] = (25.0, 45.0)
    """Camera elevations to start from."""
    hand_turns_deg: Annotated[tuple[Annotated[float, Range(-180, 180)], ...], Length(1, 100)] = (-50.0, 0.0, 50.0)
    """Hand azimuths to start from, relative to the direction in which the arm enters the image."""
    action_prior: Literal["on", "off"] = "on"
    """The action's name is evidence; off: it tells only whether the object may leave the table, as published."""
    name_tolerance: Weight = 4.0
    """Loss by which a scene that shows the action may be worse than the best: the four sides of a box, each off by one
    unit of `side_fraction` in all frames."""
    lift_evidence: Weight = 1.0
    """Loss by which a lifted object must be better than one that stays on the table: one side of a box by one unit."""
    batch: Annotated[int, Range(1, 4096)] = 16
    """Hypotheses optimised at once on each core of a CPU; fewer are padded to it, so that any number of videos compiles
    once. Accelerators take all at once."""
    frames_multiple: Annotated[int, Range(1, 10000)] = 24
    """Videos are padded to a multiple of this many frames."""
    scales: Scales = field(default_factory=Scales)
