"""Settings of the fit."""

from dataclasses import dataclass, field
from typing import Annotated

from real2sim_jax.core.settings import Checked, Count, Length, Positive, Range, Weight

Mean = Annotated[float, Range(-20, 20)]
LearningRate = Annotated[float, Range(0, 1, above=True)]
Steps = Annotated[int, Range(0, 1_000_000)]


@dataclass(frozen=True)
class Weights(Checked):
    """Weight of each term of the loss."""

    boxes: Weight = 1.0
    """Sides of the projected boxes against the observed ones."""
    masks: Weight = 30.0
    """Rendered against observed masks, where there are masks."""
    hand_acceleration: Weight = 1.0
    moved_acceleration: Weight = 1.0
    hand_turning: Weight = 1.0
    """Angular acceleration of the hand."""
    hand_turned: Weight = 1.0
    """Hand turned away from its mean direction: in one action it hardly turns, and least where nobody sees it."""
    pan: Weight = 0.3
    """Shift of the image, and its speed."""
    moved_turning: Weight = 1.0
    """Angular acceleration of the moved object."""
    penetration: Weight = 1.0
    """Moved object inside the anchor."""
    support: Weight = 1.0
    """Released onto the anchor: centre beyond the anchor's footprint."""
    hand_above_table: Weight = 1.0
    hand_posture: Weight = 0.1
    """Elevation of the hand away from the usual."""
    moved_posture: Weight = 0.3
    """Moved object turned or tilted away from the camera's axes."""
    carried: Weight = 1.0
    """Height over the table at which a held object travels, away from the usual."""
    sizes: Weight = 0.3
    """Sizes of objects away from those of things a hand moves."""
    depth: Weight = 0.3
    """Objects deeper or flatter, seen from the camera, than they are wide."""
    hand_size: Weight = 0.3
    """Size of the hand away from a forearm's: this gives the scene its scale."""
    camera: Weight = 1.0
    """Elevation and distance away from the usual."""
    on_anchor: Weight = 0.5
    """Released onto the anchor: without evidence things stand on the table."""


@dataclass(frozen=True)
class Scales(Checked):
    """What is usual: the unit of each error."""

    side_fraction: Positive = 0.01
    """Error of a box side, of the image width."""
    robust: Positive = 3.0
    """Beyond this many units an error of a box side counts linearly."""
    acceleration_m_s2: Positive = 2.0
    angular_acceleration_rad_s2: Positive = 10.0
    hand_turned_rad: Positive = 0.2
    pan: tuple[Positive, Positive] = (0.02, 0.1)
    """In image widths, and image widths per second."""
    contact_m: Positive = 0.005
    supporting_fraction: Positive = 0.8
    """Share of the anchor's footprint, about its centre, in which centres of things stand that are put onto it."""
    hand_elevation_rad: tuple[Positive, Positive] = (0.5, 0.5)
    """Mean and deviation."""
    carried_m: tuple[Positive, Positive] = (0.08, 0.08)
    turn_rad: Positive = 0.4
    log_half_extent: tuple[Mean, Positive] = (-3.2, 0.7)
    """Mean and deviation; 4 cm, a factor of two."""
    log_depth_over_width: Positive = 0.4
    log_hand_radius: tuple[Mean, Positive] = (-3.22, 0.1)
    log_hand_half_length: tuple[Mean, Positive] = (-1.61, 0.4)
    camera_elevation_rad: tuple[Positive, Positive] = (0.6, 0.2)
    log_distance: tuple[Mean, Positive] = (-0.1, 0.5)


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
    batch: Annotated[int, Range(1, 4096)] = 16
    """Starts optimised at once; fewer are padded to it, so that any number of videos compiles once."""
    frames_multiple: Annotated[int, Range(1, 10000)] = 24
    """Videos are padded to a multiple of this many frames."""
    weights: Weights = field(default_factory=Weights)
    scales: Scales = field(default_factory=Scales)
