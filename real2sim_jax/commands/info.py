"""`real2sim info`: what is installed, and what files hold."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Info:
    """What is installed, or what a file or folder of results holds."""

    path: Annotated[Path | None, tyro.conf.Positional] = None
    """An artefact (.npz), a report (.json) or a folder."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax.commands.inventory import describe_installation, describe_path
        from real2sim_jax.stages.console import Console

        lines = describe_installation() if self.path is None else describe_path(self.path)
        Console().table("real2sim", ("what", "value"), lines)
        return 0
