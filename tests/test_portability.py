"""The package does without what Python has on Linux alone: macOS lacks some names, Windows more."""

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = """
import importlib, os, pkgutil, sys

LINUX = [name for name in vars(os) if name.startswith("sched_") or name in (
    "copy_file_range", "eventfd", "getrandom", "getresuid", "memfd_create", "O_TMPFILE", "pidfd_open",
    "posix_fadvise", "posix_fallocate", "setns", "splice", "unshare")]
for name in LINUX:
    delattr(os, name)
"""
EVERY_MODULE = """
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in ("fcntl", "pwd", "grp", "termios"):
            raise ModuleNotFoundError(name)

for name in ("fcntl", "pwd", "grp", "termios"):
    sys.modules.pop(name, None)
import real2sim_jax
# What others import is theirs; only what the package itself asks for must not be missed.
import jax, orbax.checkpoint, brax.envs.base, flax, tyro, rich.console, matplotlib.pyplot, tensorboardX, mujoco, cv2, av
for name in ("fcntl", "pwd", "grp", "termios"):
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Missing())
for _, name, _ in pkgutil.walk_packages(real2sim_jax.__path__, "real2sim_jax."):
    if not name.endswith("__main__"):
        importlib.import_module(name)
"""
SMALL_FIT = """
import numpy as np
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.fitting.fit import fit_tracks
from real2sim_jax.config.fitting import FitConfig
from real2sim_jax.synthetic.scenes import synthetic_tracks

action = ACTIONS["pick_up"]
config = FitConfig(rounds=((1, 2),), elevations_deg=(35.0,), hand_turns_deg=(0.0,), batch=1)
fits = fit_tracks({"one": (action, synthetic_tracks(action, 1, seed=0)[0][0])}, config)
assert np.isfinite(fits.tracks["one"].position).all(), fits.failures
"""
ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("program", [EVERY_MODULE, pytest.param(SMALL_FIT, marks=pytest.mark.long)], ids=["all", "fit"])
def test_without_the_names_of_one_system(program):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT + program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
