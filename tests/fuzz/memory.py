"""How much memory this process has held, where the system can tell."""

import contextlib
import resource
import sys
from pathlib import Path

MAX_BYTES = 2 * 2**30
RESERVE_BYTES = 6 * 2**30
"""Address space that a worker may take beyond what it has: what wants more than that fails instead of the machine."""

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def forget_peak() -> None:
    """Begin to measure anew (Linux; elsewhere the peak is that of the whole process)."""
    with contextlib.suppress(OSError):
        _CLEAR.write_text("5")


def peak_bytes() -> int:
    """Return the largest resident memory since `forget_peak`."""
    with contextlib.suppress(OSError):
        return _kilobytes("VmHWM") * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def limit() -> None:
    """Bound the address space of this process from now on (Linux)."""
    with contextlib.suppress(OSError, ValueError):
        most = _kilobytes("VmSize") * 1024 + RESERVE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _kilobytes(name: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])
