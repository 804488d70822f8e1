"""Where the numbers of a training go as it runs: TensorBoard, and Weights & Biases (extra `wandb`) if asked for."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from tensorboardX import SummaryWriter

from real2sim_jax.core.errors import UserError


class Logger(Protocol):
    """Anything that takes scalars."""

    def log(self, steps: int, values: Mapping[str, float]) -> None:
        """Add numbers by name after so many control steps."""
        ...

    def close(self) -> None:
        """Write what is not written yet."""
        ...


class TensorBoard:
    """Event files in a folder."""

    def __init__(self, folder: Path):
        self._writer = SummaryWriter(str(folder))

    def log(self, steps: int, values: Mapping[str, float]) -> None:
        """See Logger.log."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, steps)

    def close(self) -> None:
        """See Logger.close."""
        self._writer.close()


class Wandb:
    """A run of a W&B project, named after its folder, whose files lie in FOLDER/wandb.

    What WANDB_MODE says holds: `offline` sends nothing. UserError where a run cannot begin.
    """

    def __init__(self, project: str, folder: Path, config: Mapping[str, Any]):
        import wandb

        name = "/".join(folder.absolute().parts[-2:])
        settings = wandb.Settings(silent=True, console="off")
        try:
            # Members of a population have a run each, at the same time.
            self._run = wandb.init(
                project=project, name=name, dir=folder, config=dict(config), reinit="create_new", settings=settings
            )
        except (wandb.Error, ValueError) as error:
            text = " ".join(str(error).split())
            raise UserError(
                f"--wandb {project}: {text}; log in with `wandb login` or set WANDB_MODE=offline"
            ) from error

    def log(self, steps: int, values: Mapping[str, float]) -> None:
        """See Logger.log."""
        self._run.log(dict(values), step=steps)

    def close(self) -> None:
        """See Logger.close."""
        self._run.finish()


def check_loggers(wandb_project: str | None) -> None:
    """UserError when the loggers that are asked for need a package that is not installed."""
    if wandb_project is not None and find_spec("wandb") is None:
        raise UserError("--wandb needs the extra: pip install 'real2sim-jax[wandb]'")


def make_loggers(folder: Path, config: Mapping[str, Any], wandb_project: str | None) -> list[Logger]:
    """Return the loggers of a run with a folder and a configuration; the first is TensorBoard's."""
    loggers: list[Logger] = [TensorBoard(folder / "tensorboard")]
    return loggers if wandb_project is None else [*loggers, Wandb(wandb_project, folder, config)]
