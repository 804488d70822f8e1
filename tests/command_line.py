"""The command line, called in this process."""

from typing import Any

import pytest

from real2sim_jax.cli import main


def exit_code(*arguments: object) -> Any:
    """Return the exit code of `real2sim ARGUMENTS`."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return stop.value.code
