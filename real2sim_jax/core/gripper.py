"""The gripper's dimensions in its frame: approach along +z, fingers open along y, the origin between the fingers.

Those of the published simulator (arXiv 2011.06813).
"""

MAX_OPENING_M = 0.075
"""Largest distance of one finger's inner face from the middle, m."""
PALM_HALF_M = (0.0315, 0.102, 0.046)
FINGER_HALF_M = (0.01, 0.01, 0.06)
GRIPPER_REACH_M = MAX_OPENING_M + 2.0 * FINGER_HALF_M[1]
"""From the middle of the open gripper to a finger's outer face."""
FINGER_TIP_M = 0.0384
"""Distance from the frame's origin to the fingers' ends along the approach axis, m."""
FINGER_CENTRE_M = FINGER_TIP_M - FINGER_HALF_M[2]
"""Along the approach axis, as the palm's."""
PALM_CENTRE_M = FINGER_TIP_M - 2 * FINGER_HALF_M[2] - PALM_HALF_M[2]
