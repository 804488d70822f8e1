"""Policies and episodes in the formats of other tools."""
