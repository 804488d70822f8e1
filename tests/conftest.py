"""Settings that must be made before jax is imported, and the hypothesis profile."""

import os
from pathlib import Path

SCHEDULER = "--xla_cpu_enable_concurrency_optimized_scheduler=false"

# Without it XLA can wait for ever in a physics program on few cores.
if SCHEDULER not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {SCHEDULER}".strip()
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "1")

from hypothesis import settings  # noqa: E402

# Compilation falls on the first example: a deadline would measure it and not the code.
settings.register_profile("project", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("project")
