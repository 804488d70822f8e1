"""Values that readers do not expect."""

import random
import string
from typing import Any

DIGITS = "9" * 5000
DEEP = "[" * 200_000
LONG = "x" * 200_000
TEXTS = (
    "", " ", "²", "١٢", "½", "nan", "-inf", "1e400", "1e308", "1e-320", "-1", "0", "1_000", "0x10", "1,5", DIGITS, LONG,
    "two\nlines", "back\rward", "\x1b[31mred", "[/red]", "[bold]x", "a\x00b", "line\u2028end", "\u202eright to left",
    "\x85", "../../etc/passwd", "/dev/zero", "%s%n{0}", "pick_up", "true", "None", "💥" * 9, "ﬁ", "-", "1-1", "9-1",
    "=", "1-" + DIGITS, "#", "'", '"', "\\", ";", "|", "*", "~", "x" * 5000,
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (
    0, -0.0, 1, -1, 2, 0.5, -0.5, 3, 1e-320, 1e-9, 1e-3, 1e3, 1e5, 2**15, 2**31, -(2**31), 2**32, 2**63, 2**64, 1e7,
    1e9, 1e12, 1e38, 1e39, 1e300, 1e308, -1e308, 10**400, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip


def text(rng: random.Random) -> str:
    """Return a text that is odd, or random."""
    if rng.random() < 0.8:
        return rng.choice(TEXTS)
    kinds = (string.printable, "²³¹٠١٢", "".join(map(chr, range(32))), "äöüß€", "0123456789.-+eE")
    return "".join(rng.choice(rng.choice(kinds)) for _ in range(rng.randrange(1, 30)))


def number(rng: random.Random) -> Any:
    """Return an odd number."""
    return rng.choice(NUMBERS)
