"""Physics engines by name."""

from importlib.util import find_spec

import jax

from real2sim_jax.core.errors import UserError
from real2sim_jax.core.gripper import PUBLISHED, Gripper
from real2sim_jax.simulation.physics.batch import BatchPhysics
from real2sim_jax.simulation.physics.interface import Physics

BACKENDS = ("batch", "mjx", "warp")


def make_physics(name: str, objects: int, gripper: Gripper = PUBLISHED) -> Physics:
    """Return a back end by name for one or two objects; UserError as from `check_physics`."""
    check_physics(name)
    if name == "batch":
        return BatchPhysics(objects, gripper)
    from real2sim_jax.simulation.physics import mjx as mjx_physics

    engine = mjx_physics.MjxPhysics if name == "mjx" else mjx_physics.WarpPhysics
    return engine(objects, gripper)


def check_physics(name: str) -> None:
    """Raise UserError when there is no back end of that name here."""
    if name not in BACKENDS:
        raise UserError(f"unknown physics {name!r}: expected one of {', '.join(BACKENDS)}")
    if name != "warp":
        return
    if find_spec("warp") is None:
        raise UserError("physics 'warp' needs the package warp-lang: pip install 'real2sim-jax[warp]'")
    if jax.default_backend() not in ("gpu", "cpu"):
        raise UserError(f"physics 'warp' needs an NVIDIA GPU, not a {jax.default_backend()}: use 'mjx'")
    if jax.device_count() > 1:
        # All worlds go into one call, so that each device would compute all.
        raise UserError(f"physics 'warp' uses one of {jax.device_count()} devices: choose it by CUDA_VISIBLE_DEVICES")
