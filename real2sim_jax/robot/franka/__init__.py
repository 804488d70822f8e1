"""A Franka arm: kinematics, postures, tracking and its back end."""
