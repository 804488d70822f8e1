"""The picture of a fit is written whole, has a frame per frame of video, and shows the bodies' colours."""

import numpy as np
from PIL import Image

from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.data.types import MOVED
from real2sim_jax.synthetic.scenes import synthetic_tracks
from real2sim_jax.viewers.fit import COLOURS, HEIGHT_PX, save_fit_gif


def test_gif_has_a_frame_per_frame(tmp_path):
    boxes, truth = synthetic_tracks(ACTIONS["put_onto"], 1, 0)[0]
    save_fit_gif(tmp_path / "fit.gif", boxes, truth)
    with Image.open(tmp_path / "fit.gif") as picture:
        assert getattr(picture, "n_frames", 1) == len(truth.valid)
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 4
    assert [path.name for path in tmp_path.iterdir()] == ["fit.gif"]


def test_a_film_is_seen_below_the_wires(tmp_path):
    boxes, truth = synthetic_tracks(ACTIONS["pick_up"], 1, 0)[0]
    film = [np.full((24, 43, 3), (20, 10, 200), np.uint8)] * len(truth.valid)
    save_fit_gif(tmp_path / "fit.gif", boxes, truth, film)
    with Image.open(tmp_path / "fit.gif") as picture:
        view = np.asarray(picture.convert("RGB"))[:HEIGHT_PX].astype(int)
    in_image, above = view[:, : -HEIGHT_PX - 10], view[:, -HEIGHT_PX + 10 :]
    blue = [np.median(part[..., 2] - part[..., 0]) for part in (in_image, above)]
    assert blue[0] > 100 and abs(blue[1]) < 10


def test_the_strip_below_shows_where_the_agreement_is_lost(tmp_path):
    boxes, truth = synthetic_tracks(ACTIONS["push_left_to_right"], 1, 0)[0]
    away = np.array(truth.position)
    away[len(away) // 2 :, MOVED, 0] += 0.5
    heights = []
    for name, track in (("good", truth), ("lost", truth.replace(position=away))):
        save_fit_gif(tmp_path / f"{name}.gif", boxes, track)
        with Image.open(tmp_path / f"{name}.gif") as picture:
            strip = np.asarray(picture.convert("RGB"))[HEIGHT_PX + 26 :].astype(int)
        blue = np.abs(strip - COLOURS[MOVED]).max(axis=-1) < 30
        heights.append(np.flatnonzero(blue[:, 3 * strip.shape[1] // 4 :].any(axis=1)).mean())
    # The curve of the moved object is lower at the end of the second picture.
    assert heights[1] > heights[0] + 15


def test_a_track_of_one_frame_with_nothing_seen_has_a_picture(tmp_path):
    boxes, truth = synthetic_tracks(ACTIONS["pick_up"], 1, 0)[0]
    names = ("boxes", "seen", "touching", "acting", "valid")
    short = boxes.replace(**{name: getattr(boxes, name)[:1] for name in names})
    short = short.replace(seen=np.zeros_like(short.seen))
    track = truth.replace(**{name: getattr(truth, name)[:1] for name in ("position", "wxyz", *names[2:])})
    save_fit_gif(tmp_path / "fit.gif", short, track)
    assert (tmp_path / "fit.gif").stat().st_size > 0
