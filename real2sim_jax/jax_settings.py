"""What jax reads once, when it is imported: for the command line, notebooks and programs of one's own."""

import os
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


def cache_folder() -> Path:
    """Where this user's caches lie: XDG_CACHE_HOME/real2sim_jax, by default ~/.cache/real2sim_jax."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "real2sim_jax"
