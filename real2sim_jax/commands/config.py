"""`real2sim config`: every setting of a run, as a TOML file to change."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from real2sim_jax.commands.options import TrainingOptions
from real2sim_jax.config.tree import Config, toml_text
from real2sim_jax.core.actions import action_named


@dataclass(frozen=True, kw_only=True)
class ConfigFile(TrainingOptions):
    """Print every setting of `real2sim train` as TOML: what --config, --preset and the other options make of it."""

    action: Annotated[str, tyro.conf.Positional] = "pick_up"
    """As in `real2sim train`."""

    def __call__(self) -> int:
        """Run the command."""
        command = f"real2sim train --action {action_named(self.action).name} --config THIS_FILE"
        print(f"# Settings of: {command}\n# What is left out keeps its default.\n")
        print(toml_text(Config(self.segment, self.fit, self.demonstrate, self.train, self.benchmark)))
        return 0
