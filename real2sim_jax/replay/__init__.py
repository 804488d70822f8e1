"""Fitted trajectories repeated by physics."""
