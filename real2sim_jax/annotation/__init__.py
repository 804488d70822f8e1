"""Boxes and contact drawn by hand on a local page."""
