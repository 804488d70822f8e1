"""A folder of state files is judged video by video, and one bad file costs only itself."""

import numpy as np
import pytest

from real2sim_jax.benchmarks.reconstruction import PUBLISHED_SUCCESSES
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import save, write_json
from real2sim_jax.data.types import MOVED
from real2sim_jax.evaluation.folders import evaluate_states
from real2sim_jax.fitting.quality import describe
from real2sim_jax.formats.published_states import write_states
from real2sim_jax.synthetic.scenes import synthetic_tracks


@pytest.fixture(scope="module")
def scenes():
    return {name: synthetic_tracks(ACTIONS[name], 1, 7)[0] for name in ("pick_up", "put_behind", "push_left_to_right")}


def rewritten(path, column, value, row=3):
    """Put a text into one cell of a CSV file."""
    lines = path.read_text().splitlines()
    cells = lines[row].split(",")
    cells[lines[0].split(",").index(column)] = value
    lines[row] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")


def test_actions_come_from_the_list_then_from_the_fit_then_from_the_folder(tmp_path, scenes):
    write_states(tmp_path / "pick_up" / "12" / "states.csv", scenes["pick_up"][1])
    write_states(tmp_path / "pick_up" / "13.csv", scenes["put_behind"][1])
    write_states(tmp_path / "pick_up" / "kitchen" / "states.csv", scenes["push_left_to_right"][1])
    write_json(tmp_path / "pick_up" / "kitchen" / "quality.json", {"action": "push_left_to_right"})
    (tmp_path / "names.txt").write_text("video_id,action\n13,put_onto\n")
    found = evaluate_states(tmp_path, tmp_path / "names.txt")
    assert {video: judged.action.name for video, judged in found.videos.items()} == {
        "12": "pick_up",
        "13": "put_onto",
        "kitchen": "push_left_to_right",
    }
    assert found.videos["12"].broken == [] and "on its top" in found.videos["13"].broken
    assert found.table() == {
        "push_left_to_right": (1, 1, 5, 6),
        "pick_up": (1, 1, 2, 6),
        "put_onto": (0, 1, 0, 6),
        "all": (2, 3, 7, 18),
    }


def test_the_published_reference_is_33_of_54():
    assert list(PUBLISHED_SUCCESSES) == list(ACTIONS) and sum(PUBLISHED_SUCCESSES.values()) == 33


def test_a_bad_file_costs_one_line_and_no_other_video(tmp_path, scenes):
    truth = scenes["pick_up"][1]
    for video in ("1", "2", "3", "4", "5", "6", "7"):
        write_states(tmp_path / "pick_up" / f"{video}.csv", truth)
    (tmp_path / "pick_up" / "2.csv").write_bytes(b"\x00\xff\xfe")
    (tmp_path / "pick_up" / "3.csv").write_text("")
    rewritten(tmp_path / "pick_up" / "4.csv", "hposx", "nan")
    rewritten(tmp_path / "pick_up" / "5.csv", "o0posz", "1e300")
    rewritten(tmp_path / "pick_up" / "6.csv", "cdis", "1.0,7")
    (tmp_path / "pick_up" / "7.csv").rename(tmp_path / "7.csv")
    write_states(tmp_path / "put_onto" / "8.csv", truth)
    found = evaluate_states(tmp_path)
    assert list(found.videos) == ["1"] and set(found.refused) == set("2345678")
    assert all("\n" not in reason for reason in found.refused.values())
    says = {"2": "binary", "3": "empty", "4": "line 4", "5": "o0posz", "6": "values", "7": "action", "8": "two"}
    assert all(text in found.refused[video] for video, text in says.items())


@pytest.mark.parametrize("broken", [True, False], ids=["all bad", "none there"])
def test_nothing_to_judge_is_an_error(tmp_path, broken):
    if broken:
        (tmp_path / "12.csv").write_text("cdis\n")
    with pytest.raises(UserError, match="none of 1" if broken else "found none"):
        evaluate_states(tmp_path)
    with pytest.raises(UserError, match="found none"):
        evaluate_states(tmp_path / "nowhere")


def test_plausibility_names_the_worst_video(tmp_path, scenes):
    truth = scenes["push_left_to_right"][1]
    write_states(tmp_path / "push_left_to_right" / "1.csv", truth)
    position = np.array(truth.position)
    position[~truth.touching, MOVED, 2] += 0.07
    write_states(tmp_path / "push_left_to_right" / "2.csv", truth.replace(position=position))
    large = truth.replace(half_extents=np.array(truth.half_extents) * 3.0)
    write_states(tmp_path / "push_left_to_right" / "3.csv", large)
    extremes = evaluate_states(tmp_path).extremes()
    assert extremes["hover_m"] == (pytest.approx(0.07, abs=1e-5), "2")
    assert extremes["sink_m"] == (pytest.approx(2 * truth.half_extents[MOVED, 2], abs=1e-5), "3")
    assert extremes["size_max_m"] == (pytest.approx(6 * truth.half_extents[MOVED].max(), abs=1e-5), "3")
    assert extremes["size_min_m"][0] == pytest.approx(2 * truth.half_extents[MOVED].min(), abs=1e-5)


def test_where_touch_is_unknown_nothing_is_said_of_hovering(tmp_path, scenes):
    truth = scenes["pick_up"][1]
    write_states(tmp_path / "pick_up" / "1.csv", truth)
    for row in range(1, len(truth.valid) + 1):
        rewritten(tmp_path / "pick_up" / "1.csv", "touch", "-1", row)
    measured = evaluate_states(tmp_path).videos["1"].measures
    assert "hover_m" not in measured and measured["size_max_m"] > 0.0


def test_our_own_fits_bring_their_agreement_and_their_rate(tmp_path, scenes):
    observed, truth = scenes["pick_up"]
    for video, dt in (("1", 1 / 12), ("2", 1 / 24)):
        track = truth.replace(quality={"hand_reach": np.float32(0.0)}, dt=np.float32(dt))
        folder = tmp_path / "pick_up" / video
        write_states(folder / "states.csv", track)
        save(folder / "track.npz", describe(track, observed))
        save(folder / "boxes.npz", observed)
    (tmp_path / "pick_up" / "1" / "boxes.npz").write_bytes(b"damaged")
    (tmp_path / "pick_up" / "2" / "quality.json").write_text("{")
    found = evaluate_states(tmp_path)
    once, twice = (found.videos[video].measures["acceleration_m_s2"] for video in ("1", "2"))
    assert twice == pytest.approx(4.0 * once, rel=1e-3)
    assert set(found.iou_medians()) == {"hand", "moved"}
    assert set(found.notes) == {"1", "2"} and found.as_json()["notes"] == found.notes
    assert "boxes.npz: damaged" in found.notes["1"][0] and "quality.json: expected JSON" in found.notes["2"][0]


def test_what_is_damaged_stale_or_left_out_is_named(tmp_path, scenes):
    _, truth = scenes["pick_up"]
    for video in ("1", "2", "3", "4"):
        write_states(tmp_path / "pick_up" / video / "states.csv", truth)
    (tmp_path / "pick_up" / "1" / "track.npz").write_bytes(b"damaged")
    save(tmp_path / "pick_up" / "2" / "track.npz", scenes["put_behind"][1])
    write_json(tmp_path / "pick_up" / "3" / "quality.json", ["pick_up"])
    (tmp_path / "metrics.csv").write_text("steps,loss\n1,2\n")
    (tmp_path / "names.txt").write_text("video_id,action\n1,pick_up\n77,pick_up\n")
    found = evaluate_states(tmp_path, tmp_path / "names.txt")
    assert set(found.videos) == {"1", "2", "3", "4"}
    says = {"1": "track.npz: damaged", "2": "frames, bodies", "3": "names no action"}
    assert set(found.notes) == {*says, ""}
    assert all(len(found.notes[video]) == 1 and text in found.notes[video][0] for video, text in says.items())
    first, second = found.notes[""]
    assert first.startswith("1 hold no states:") and "metrics.csv" in first
    assert second == "1 are listed and have no states: 77"


def test_two_files_of_one_id_are_both_judged(tmp_path, scenes):
    for folder in ("a", "b"):
        write_states(tmp_path / folder / "pick_up" / "1.csv", scenes["pick_up"][1])
    assert list(evaluate_states(tmp_path).videos) == ["a/pick_up/1.csv", "b/pick_up/1.csv"]
