"""Settings that must be made before jax is imported, and the hypothesis profile."""

import os
import resource
import subprocess
from pathlib import Path

import pytest

SCHEDULER = "--xla_cpu_enable_concurrency_optimized_scheduler=false"

# Without it XLA can wait for ever in a physics program on few cores.
if SCHEDULER not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {SCHEDULER}".strip()
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "1")
# What is installed for the user must not change what tests find: those that need the model say so.
USERS_WEIGHTS = os.environ.get("REAL2SIM_WEIGHTS")
os.environ["REAL2SIM_WEIGHTS"] = "no-weights"

from hypothesis import settings  # noqa: E402

from real2sim_jax.core.policy import save_policy  # noqa: E402
from tests.policies import random_policy  # noqa: E402

# Compilation falls on the first example: a deadline would measure it and not the code.
settings.register_profile("project", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("project")

ROOM_BYTES = 2**16


@pytest.fixture
def full_disk(tmp_path):
    """A folder with room for 64 kB: a file system of its own where one may be mounted, else files may not be longer."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM_BYTES}", "none", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if not mounted:
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES, before[1]))
    try:
        yield folder
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def policy():
    return random_policy()


@pytest.fixture
def policy_file(tmp_path, policy):
    path = tmp_path / "policy.npz"
    save_policy(path, policy)
    return path
