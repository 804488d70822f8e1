"""Errors that are messages to the user: one line each, whatever they quote."""

LONGEST = 1000
"""Characters of a message; what users give may be much longer, and their terminals show less."""


class InputError(ValueError):
    """Wrong input: one line that says what was expected, what came, and what to do."""

    def __init__(self, message: str):
        super().__init__(one_line(message))


def one_line(text: str) -> str:
    """Return text with control characters and line ends spelt out as in Python, and cut in its middle where long."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST // 2]} ... {shown[5 - LONGEST // 2 :]}"


def refusal(error: InputError | OSError) -> str:
    """Return the one line about wrong input, or about a file that could not be read or written."""
    if isinstance(error, OSError):
        return one_line(f"{error.filename or 'files'}: {error.strerror or error}; check the path")
    return str(error)


class UserError(InputError):
    """Wrong input of the user; the command line prints it without a traceback and exits with code 2."""
