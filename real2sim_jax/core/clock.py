"""The one clock: of videos, demonstrations, episodes and the robot."""

import numpy as np

CONTROL_HZ = 12.0
"""Control steps, and frames of videos, a second: the rate of the published annotations."""
EPISODE_S = 10.0
"""Length of an episode, s; observed time is a fraction of it."""
EPISODE_STEPS = round(EPISODE_S * CONTROL_HZ)
EPISODE_TIMES_S = np.arange(EPISODE_STEPS + 1) / CONTROL_HZ
"""Of the samples of an episode, its start and its end among them."""
ACTING_S = (3.0, 7.0)
"""The part of an episode, s, in which the demonstrated action happens."""
