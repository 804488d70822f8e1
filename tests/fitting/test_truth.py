"""Fits of made-up scenes come as near to their truth as the documentation says: from boxes and from masks.

The limits are twice the errors of docs/state_estimation.md, as medians over a few scenes of each kind of action.
"""

import numpy as np
import pytest

from real2sim_jax.config.fitting import FitConfig
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.evaluation.recovery import contact_f1, recovery
from real2sim_jax.fitting.fit import fit_tracks
from real2sim_jax.perception.contact import contact_from_boxes
from real2sim_jax.synthetic.scenes import Noise, observe_masks, synthetic_scenes, synthetic_tracks

pytestmark = pytest.mark.long

NAMES = ("push_left_to_right", "pick_up", "put_in_front_of", "put_next_to")
SCENES = 2
SEED = 31


def errors_of(observed, truths):
    """The median of each error over the scenes."""
    fits = fit_tracks(observed, FitConfig()).tracks
    found = [recovery(truths[name], fits[name], observed[name][1].seen) for name in observed]
    return {
        "place_cm": 100.0 * np.median([one.moved_m for one in found], axis=0),
        "size": np.median([one.moved_size for one in found], axis=0),
        "azimuth_deg": np.median([one.hand_azimuth_deg for one in found]),
    }


def test_boxes_with_noise_and_holes():
    scenes = {
        f"{name}/{i}": scene
        for name in NAMES
        for i, scene in enumerate(synthetic_tracks(ACTIONS[name], SCENES, SEED, Noise(side_px=3.0, hole_fraction=0.2)))
    }
    observed = {name: (ACTIONS[name.split("/")[0]], boxes) for name, (boxes, _) in scenes.items()}
    errors = errors_of(observed, {name: truth for name, (_, truth) in scenes.items()})
    assert (errors["place_cm"] < [1.2, 4.8, 2.0]).all(), errors
    assert (errors["size"] < [0.3, 1.0, 0.4]).all() and errors["azimuth_deg"] < 15.0, errors
    scores = [
        contact_f1(
            contact_from_boxes(boxes.boxes, boxes.seen, boxes.image_size, action.ends_holding)[0],
            scenes[name][1].touching,
        )
        for name, (action, boxes) in observed.items()
    ]
    assert np.mean(scores) > 0.8, scores


def test_masks():
    truths = {f"{name}/0": synthetic_scenes(ACTIONS[name], 1, SEED)[0] for name in NAMES}
    observed = {name: (ACTIONS[name.split("/")[0]], observe_masks(truth, 128)) for name, truth in truths.items()}
    errors = errors_of(observed, truths)
    assert (errors["place_cm"] < [1.0, 4.2, 2.4]).all(), errors
    assert (errors["size"] < [0.3, 1.0, 0.4]).all() and errors["azimuth_deg"] < 10.0, errors
