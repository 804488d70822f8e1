"""From video or annotation to tracks."""
