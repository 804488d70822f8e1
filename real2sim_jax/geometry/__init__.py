"""Cameras and cuboids: the geometry that rendering, fitting and simulation share."""
