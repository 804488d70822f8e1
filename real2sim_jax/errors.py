"""The one exception that is a message to the user."""

LONGEST = 1000
"""Characters of a message; what users give may be much longer, and their terminals show less."""


class UserError(ValueError):
    """Wrong input: one line that says what was expected, what came, and what to do.

    The command line prints it without a traceback and exits with code 2. Whatever text it quotes, it stays one line.
    """

    def __init__(self, message: str):
        super().__init__(one_line(message))


def one_line(text: str) -> str:
    """Return text with control characters and line ends spelt out as in Python, and cut in its middle where long."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST // 2]} ... {shown[5 - LONGEST // 2 :]}"
