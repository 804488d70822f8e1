"""A mend for the contact solver of MuJoCo's JAX engine.

Its line search takes the root of a contact's squared tangential motion, u.u + 2 a u.v + a a v.v. Where the step ends
the sliding that is nought, and rounding makes it negative as often as not: the cost is not a number then, no step seems
to improve it, and the solver leaves before it has found the forces. The contacts of a resting object all end so, and
beside one what the fingers hold flies off.
"""

import hashlib
import inspect
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import jax.numpy as jnp
from mujoco.mjx._src import solver

from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import versions

KNOWN = "5342e12f69ff628aae9ba2460ff1bc355218313daed087c2dd608befaf1cebaf"
"""SHA-256 of the solver's source that was mended and tested."""
_tracing = threading.RLock()
_MENDED = SimpleNamespace(**{**vars(jnp), "sqrt": lambda x: jnp.sqrt(jnp.maximum(x, 0.0))})


def check_solver() -> None:
    """UserError unless the installed solver is the one that the mend was made for."""
    try:
        found = hashlib.sha256(inspect.getsource(solver).encode()).hexdigest()
    except OSError:
        found = "without source"
    if found != KNOWN:
        raise UserError(
            f"physics 'mjx' mends the contact solver of mujoco-mjx 3.17, not of {versions()['mujoco-mjx']}: "
            "pip install 'mujoco-mjx>=3.17,<3.18', or use 'batch' or 'warp'"
        )


@contextmanager
def mended_line_search() -> Iterator[None]:
    """Let the solver read roots of negative numbers as nought in what this block traces; other programs keep theirs."""
    with _tracing:
        before, solver.jp = solver.jp, _MENDED
        try:
            yield
        finally:
            solver.jp = before
