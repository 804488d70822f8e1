"""The picture of a fit is written whole, has a frame per frame of video, and shows the bodies' colours."""

import numpy as np
from PIL import Image

from real2sim_jax.actions import ACTIONS
from real2sim_jax.perception.synthetic import synthetic_tracks
from real2sim_jax.viewers.fit import save_fit_gif


def test_gif_has_a_frame_per_frame(tmp_path):
    boxes, truth = synthetic_tracks(ACTIONS["put_onto"], 1, 0)[0]
    save_fit_gif(tmp_path / "fit.gif", boxes, truth)
    with Image.open(tmp_path / "fit.gif") as picture:
        assert getattr(picture, "n_frames", 1) == len(truth.valid)
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 4
    assert [path.name for path in tmp_path.iterdir()] == ["fit.gif"]
