"""The exception of everything but the robot's folder that is a message to the user."""

from real2sim_jax.robot.errors import InputError


class UserError(InputError):
    """Wrong input, in one line; the command line prints it without a traceback and exits with code 2."""
