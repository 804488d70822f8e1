"""Simulated robots for the robot's controller: the training scene and a seven-joint arm, in MuJoCo's C engine."""
