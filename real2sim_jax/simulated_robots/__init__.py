"""Simulated robots for the robot's controller."""
