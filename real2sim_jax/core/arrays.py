"""The library that an array belongs to: one formula serves numpy on the robot and jax in the simulator."""

from types import ModuleType
from typing import Any

import numpy as np


def flat(offset: Any) -> Any:
    """Return offsets on the table (..., 2) as vectors (..., 3) without height."""
    xp = namespace(offset)
    return xp.concatenate([offset, xp.zeros_like(offset[..., :1])], axis=-1)


def namespace(*arrays: Any) -> ModuleType:
    """Return the module whose functions take these arrays: numpy, unless one of them is another library's.

    Source: the array API standard, https://data-apis.org/array-api/2023.12.
    """
    for array in arrays:
        if not isinstance(array, np.ndarray | np.generic | float | int):
            found = getattr(array, "__array_namespace__", None)
            if found is not None:
                return found()
    return np
