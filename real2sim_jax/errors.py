"""The one exception that is a message to the user."""


class UserError(ValueError):
    """Wrong input: one line that says what was expected, what came, and what to do.

    The command line prints it without a traceback and exits with code 2.
    """
