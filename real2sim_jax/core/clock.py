"""The one clock: of videos, demonstrations, episodes and the robot."""

CONTROL_HZ = 12.0
"""Control steps, and frames of videos, a second: the rate of the published annotations."""
EPISODE_S = 10.0
"""Length of an episode, s; observed time is a fraction of it."""
EPISODE_STEPS = round(EPISODE_S * CONTROL_HZ)
ACTING_S = (3.0, 7.0)
"""The part of an episode, s, in which the demonstrated action happens."""
