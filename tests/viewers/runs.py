"""A small folder of results, as the stages leave it, whose bodies stand where they can be told apart."""

import shutil
from pathlib import Path

import numpy as np

from real2sim_jax.core.rotations import wxyz_from_azimuth_elevation
from real2sim_jax.data.artefacts import save
from real2sim_jax.data.types import CuboidTrack, Demonstration, stack
from real2sim_jax.geometry.cameras import look_at_camera
from real2sim_jax.viewers.gif import save_gif

POLICY = Path(__file__).parents[2] / "experiments" / "skills" / "results" / "pick_up" / "seed0" / "policy.npz"
FRAMES, DT = 24, 1.0 / 12.0
HALF = np.float32([[0.03, 0.03, 0.1], [0.05, 0.04, 0.04], [0.06, 0.06, 0.06]])
FILM = (90, 90, 90)
"""Grey: it does not change the hue of a hand that is seen through."""


def poses(samples, scale=1.0):
    """The hand and the moved object go to the right, the anchor stays; nothing hides anything."""
    share = np.linspace(0.0, 1.0, samples)
    hand = np.column_stack([-0.3 + 0.2 * share, 0.0 * share, 0.25 + 0.0 * share])
    moved = np.column_stack([-0.2 + 0.2 * share, -0.1 + 0.0 * share, 0.04 + 0.0 * share])
    anchor = np.tile([0.25, 0.1, 0.06], (samples, 1))
    wxyz = np.tile([1.0, 0.0, 0.0, 0.0], (samples, 3, 1))
    wxyz[:, 0] = wxyz_from_azimuth_elevation(np.zeros(samples), np.zeros(samples))
    return scale * np.stack([hand, moved, anchor], axis=1).astype(np.float32), wxyz.astype(np.float32)


def track(frames=FRAMES):
    """A fitted video whose middle half acts."""
    position, wxyz = poses(frames)
    acting = np.zeros(frames, bool)
    acting[frames // 4 : 3 * frames // 4] = True
    yes = np.ones(frames, bool)
    camera = look_at_camera(1.0, 0.0, 0.4, np.array([427.0, 240.0]))
    return CuboidTrack(HALF, position, wxyz, acting, acting, yes, np.float32(DT), camera, {})


def demonstration(samples=121):
    """What is made of such a video, in outline."""
    position, wxyz = poses(samples, 1.5)
    ones = np.ones(samples)
    return Demonstration(position, wxyz, ones, ones > 0, 1.5 * HALF, np.float32(DT))


def make_run(folder):
    """Write two videos, their demonstrations and a policy as below RUNS/ACTION; return the folder."""
    for video in ("a", "b"):
        save(folder / video / "track.npz", track())
    save_gif(folder / "b" / "fit.gif", [np.full((30, 40, 3), FILM, np.uint8)] * FRAMES, 12.0)
    save(folder / "demos.npz", stack([demonstration(), demonstration()]), parents={"a": "", "b": ""})
    (folder / "seed0").mkdir()
    shutil.copy(POLICY, folder / "seed0" / "policy.npz")
    return folder
