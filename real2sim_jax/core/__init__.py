"""Numpy ground that the robot, the simulator and the files share."""
