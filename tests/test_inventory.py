"""`real2sim info`: what is good is described, what is not is named with its reason, and nothing steers a terminal."""

import json

import numpy as np
import pytest

from real2sim_jax.commands.inventory import describe_path
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.policy import save_policy
from real2sim_jax.data.artefacts import save, write_json
from real2sim_jax.synthetic.scenes import synthetic_tracks
from tests.policies import random_policy


@pytest.fixture
def folder(tmp_path):
    boxes, truth = synthetic_tracks(ACTIONS["pick_up"], 1, 0)[0]
    save(tmp_path / "boxes.npz", boxes, parents={"video": "\x1b[2J"})
    save(tmp_path / "track.npz", truth)
    save_policy(tmp_path / "policy.npz", random_policy())
    return tmp_path


def test_a_folder_names_what_is_not_good_and_why(folder):
    with np.load(folder / "track.npz") as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(folder / "spoiled.npz", **arrays | {"dt": np.array(np.nan)})
    np.savez(folder / "log.npz", **{name: value for name, value in arrays.items() if name != "header"})
    np.savez(folder / "foreign.npz", header=np.array(json.dumps({"format": "real2sim-policy", "version": 9})))
    (folder / "damaged.npz").write_bytes(b"no")
    write_json(folder / "report_easy.json", [])
    told = dict(describe_path(folder))
    good = {"boxes.npz": "BoxTrack", "track.npz": "CuboidTrack", "policy.npz": "policy for pick_up"}
    assert good.items() <= told.items()
    says = {"spoiled.npz": "dt is not finite", "log.npz": "KeyError", "foreign.npz": "version = 9"}
    says |= {"damaged.npz": "BadZipFile", "report_easy.json": ""}
    assert all(told[name].startswith("not good: ") and text in told[name] for name, text in says.items())


def test_one_file_is_told_without_what_steers_a_terminal(folder):
    told = dict(describe_path(folder / "boxes.npz"))
    assert told["schema"] == "BoxTrack" and "video" in told["parents"] and told["parents"].isprintable()
    assert dict(describe_path(folder / "policy.npz"))["policy for"] == "pick_up"
    write_json(folder / "a.json", {"name\n": "\x1b[2J", "good": "text"})
    assert all(name.isprintable() and value.isprintable() for name, value in describe_path(folder / "a.json"))
    with pytest.raises(UserError, match="damaged or foreign"):
        (folder / "boxes.npz").write_bytes(b"no")
        describe_path(folder / "boxes.npz")
