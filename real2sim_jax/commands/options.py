"""Checks and conversions that several commands share."""

from real2sim_jax.errors import UserError


def ids(videos: str | None) -> list[str] | None:
    """Return the ids of a list separated by commas."""
    return None if videos is None else [part.strip() for part in videos.split(",") if part.strip()]


def not_negative(seed: int) -> None:
    """UserError unless a seed is 0 or more."""
    if seed < 0:
        raise UserError(f"--seed {seed}: expected 0 or more")


def at_least_one(name: str, value: int) -> None:
    """UserError unless the value of an option is 1 or more."""
    if value < 1:
        raise UserError(f"{name} {value}: expected at least 1")
