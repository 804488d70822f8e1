"""`real2sim annotate`: boxes and times of contact drawn on a local page."""

import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from real2sim_jax.commands.options import SegmentOptions
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.storage import check_output


@dataclass(frozen=True, kw_only=True)
class Annotate(SegmentOptions):
    """Draw or correct boxes and times of contact in a video on a local page, look at the masks, and save them.

    What is saved is a file for --prompt of `segment`, `fit` and `train`.
    """

    video: Annotated[Path, tyro.conf.Positional]
    """Video file."""
    out: Path | None = None
    """File to write, and to go on from where it exists; VIDEO.prompts.txt beside the video when absent."""
    port: int = 8090
    """Port on 127.0.0.1; the next free one where it is taken."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax.annotation.server import make_server
        from real2sim_jax.annotation.session import Session
        from real2sim_jax.perception.segmentation import chosen_segmenter, promptable_model, segmenter_named
        from real2sim_jax.perception.video import check_is_file
        from real2sim_jax.stages.console import Console

        if not 0 <= self.port <= 65535:
            raise UserError(f"--port {self.port}: expected 0 to 65535")
        check_is_file(self.video)
        out = self.out or self.video.with_suffix(".prompts.txt")
        # What is drawn for an hour must not be lost at its end.
        check_output(out)
        console = Console()
        name, checkpoint = chosen_segmenter(self.segment.segmenter, self.segment.checkpoint), self.segment.checkpoint
        segmenter = segmenter_named(name, checkpoint, self.video.with_suffix(".embeddings"))
        with console.status("reading"):
            session = Session(self.video, out, segmenter, promptable_model(checkpoint) if name == "sam" else None)
        with make_server(session, self.port) as server:
            console.say(f"open {server.address} ; Ctrl-C ends it")
            # That is how it ends.
            with suppress(KeyboardInterrupt):
                server.serve_forever()
        if session.out.is_file():
            words = "real2sim", "segment", str(self.video), "--prompt", str(session.out)
            console.say(f"go on with: {shlex.join(words)}")
        return 0
