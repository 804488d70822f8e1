"""A mend for the contact solver of MuJoCo's JAX engine.

Its line search takes the root of a contact's squared tangential motion, u.u + 2 a u.v + a a v.v. Where the step ends
the sliding that is nought, and rounding makes it negative as often as not: the cost is not a number then, no step seems
to improve it, and the solver leaves before it has found the forces. The contacts of a resting object all end so, and
beside one what the fingers hold flies off.
"""

from types import SimpleNamespace

import jax.numpy as jnp
from mujoco.mjx._src import solver


def mend_line_search() -> None:
    """Let the solver read roots of negative numbers as nought, in the whole process."""
    solver.jp = SimpleNamespace(**{**vars(jnp), "sqrt": lambda x: jnp.sqrt(jnp.maximum(x, 0.0))})
