"""Watch a few ordinary videos of a hand doing something, and get a robot skill.

`import real2sim_jax as r2s` gives the stages as functions: r2s.segment, fit, demonstrate, train, benchmark, view and
load (`stages/library.py`), r2s.render, the configurations and the types. Importing this package imports nothing else,
because the robot's controller lives in it and needs only numpy; a name is imported when it is used.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_MODULES = {
    "stages.library": "synthetic_boxes segment fit demonstrate train benchmark view load",
    "core.actions": "ACTIONS Action",
    "core.errors": "InputError UserError",
    "core.policy": "Policy save_policy",
    "data.artefacts": "save",
    "data.types": "BoxTrack MaskTrack CuboidTrack Demonstration Camera",
    "config.fitting": "FitConfig",
    "config.learning": "DemonstrationConfig PPOConfig TrainConfig",
    "learning.train": "make_env",
    "robot.controller": "Controller",
    "robot.interface": "SimulatedArm",
    "simulation.vector_env": "ManipulationVectorEnv",
    "perception.things": "Found",
}
"""Where the public names are."""
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = [*_HOMES, "render"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name == "render":
        import_module("real2sim_jax.rendering.silhouettes")
        return import_module("real2sim_jax.rendering")
    if name not in _HOMES:
        raise AttributeError(f"module 'real2sim_jax' has no attribute {name!r}")
    module = _HOMES[name]
    if not module.startswith(("core.", "config.", "robot.")):
        from real2sim_jax.jax_settings import prepare

        prepare()
    return getattr(import_module(f"real2sim_jax.{module}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
