"""What jax reads once, when it is imported, for every way to start a program; and what this machine has."""

import os
import warnings
from pathlib import Path


def prepare() -> None:
    """Set the environment variables that jax reads on its import, unless the user has; call it before that."""
    flag = "--xla_cpu_enable_concurrency_optimized_scheduler"
    flags = os.environ.get("XLA_FLAGS", "")
    if flag not in flags:
        # With the other scheduler XLA:CPU can wait for ever in physics programs on few cores.
        os.environ["XLA_FLAGS"] = f"{flags} {flag}=false".strip()
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder() / "jax"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "1")


def cores() -> int:
    """How many processor cores this process may use; all of the machine's where the system does not say (macOS)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_cores(count: int) -> None:
    """Keep this process on so many processor cores, before jax is used; a warning where the system cannot (macOS)."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-count:])
    else:
        warnings.warn(f"this system cannot keep a program on {count} cores: it is measured on all", stacklevel=2)


def cache_folder() -> Path:
    """Where this user's caches lie: XDG_CACHE_HOME/real2sim_jax, by default ~/.cache/real2sim_jax."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "real2sim_jax"
