"""Settings of the environment: its reward, where episodes start, what varies between them."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from real2sim_jax.core.errors import UserError
from real2sim_jax.core.settings import Checked, Metres, Positive, Range, Weight

OBJECT_MASS = 1.0
FINGER_FORCE_N = 20.0
FINGER_FRICTION = 1.0
TABLE_FRICTION = 0.5125
"""Middle of the effective 0.50..0.525 of the published simulator's averaged materials."""

Size = Annotated[float, Range(0.001, 1)]
Steps = Annotated[int, Range(0, 120)]
Bounds = tuple[Positive, Positive]


@dataclass(frozen=True)
class RewardWeights(Checked):
    """Weight of each term; the field names are the log keys."""

    object_position: Weight = 0.5
    gripper_position: Weight = 0.2
    gripper_orientation: Weight = 0.2
    object_rotation: Weight = 0.05
    finger_gap: Weight = 0.15


@dataclass(frozen=True)
class RewardConfig(Checked):
    """Weights and sharpness of the terms."""

    weights: RewardWeights = field(default_factory=RewardWeights)
    position_sharpness: Weight = 100.0
    """1/m^2."""
    anchor_sharpness: Weight = 10000.0
    """1/m^2 of the anchor's place: it is to stand still to a centimetre, not to a decimetre as things that move."""
    angle_sharpness: Weight = 10.0
    """1/rad^2 for the gripper, 1/rad for objects."""
    gap_sharpness: Weight = 10000.0
    """1/m^2."""
    gap_inset_m: Metres = 0.005
    """The fingers should press this far into the object."""
    gap_reach_m: Metres = 0.06
    """The gap counts only with the object within this distance of the fingers, so that closing on nothing pays
    nothing; 0 counts it anywhere, as published."""
    own_height: bool = True
    """Ask for the hand where the demonstrated grasp would be on the simulated object, whose height differs from the
    demonstrated one's; otherwise at the demonstrated height, as published."""
    over_demos: Literal["mean", "max", "softmax"] = "mean"
    """Of several demonstrations: their mean reward, that of the best followed one at each moment, or in between."""
    temperature: Positive = 0.1
    """Of softmax, in units of the reward: demonstrations better followed than others by much more count alone."""


PUBLISHED = RewardConfig(
    weights=RewardWeights(finger_gap=0.05), anchor_sharpness=100.0, gap_reach_m=0.0, own_height=False
)


@dataclass(frozen=True)
class StartConfig(Checked):
    """Ranges of random starts at full difficulty; they shrink in proportion to it."""

    height_m: tuple[Size, Size] = (0.04, 0.10)
    radius_m: tuple[Size, Size] = (0.04, 0.05)
    """Of an anchor."""
    moved_radius_m: tuple[Size, Size] | None = None
    """Of the moved object; by default what the gripper holds."""
    azimuth_deg: Annotated[float, Range(0, 180)] = 180.0
    """Around the nominal +90 deg (pointing away from the camera)."""
    elevation_deg: Annotated[float, Range(0, 90)] = 80.0
    position_m: tuple[Metres, Metres, Metres] = (0.25, 0.25, 0.2)
    """x and y to both sides, z upwards."""
    moved_place_m: Metres = 0.15
    """Where what is fetched stands, along x and y to both sides of where it stands in the demonstration."""


@dataclass(frozen=True)
class RandomizationConfig(Checked):
    """Ranges of uniform draws; by default nothing varies, as the benchmark is defined. Sizes vary in the starts."""

    mass_kg: Bounds = (OBJECT_MASS, OBJECT_MASS)
    """Of each object."""
    table_friction: Bounds = (TABLE_FRICTION, TABLE_FRICTION)
    finger_friction: Bounds = (FINGER_FRICTION, FINGER_FRICTION)
    """Of the fingers, and between objects."""
    grip_force_n: Bounds = (FINGER_FORCE_N, FINGER_FORCE_N)
    """At most, of each finger."""
    delay_steps: tuple[Steps, Steps] = (0, 0)
    """Control steps between an action and its effect."""
    position_noise_m: Metres = 0.0
    """Standard deviation of the observed gripper's place, in each step anew."""
    rotation_noise_deg: Annotated[float, Range(0, 180)] = 0.0
    opening_noise_m: Metres = 0.0
    calibration_m: tuple[Metres, Metres] = (0.0, 0.0)
    """How far the objects stand, for a whole episode, from where the policy takes them to be: along the table, in any
    direction."""
    place_noise_m: Metres = 0.0
    """Standard deviation of the same along each axis of the table: the error of who measures where they stand."""
    turn_noise_deg: Annotated[float, Range(0, 180)] = 0.0
    """Standard deviation of how the policy takes the scene to be turned around the objects' place."""

    def __post_init__(self) -> None:
        """UserError when a range is upside down or has values that cannot be."""
        super().__post_init__()
        for name in ("mass_kg", "table_friction", "finger_friction", "grip_force_n", "delay_steps", "calibration_m"):
            low, high = getattr(self, name)
            if low > high:
                raise UserError(f"{name}: expected low <= high, got {low} .. {high}")


@dataclass(frozen=True)
class EnvConfig(Checked):
    """Settings of the environment."""

    reward: RewardConfig = field(default_factory=RewardConfig)
    starts: StartConfig = field(default_factory=StartConfig)
    randomization: RandomizationConfig = field(default_factory=RandomizationConfig)
    end_on_violation: bool = False
    """End the episode when the gripper is through the table or points straight up or down, as published; otherwise
    only the reward of such steps is zero."""
    observe_object: bool = False
    """Show the policy the moved object too, which no robot can without a camera: for comparison in simulation."""
