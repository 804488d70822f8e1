"""A dataset in LeRobot's layout, read back with plain pyarrow."""

import json
import shutil
from dataclasses import replace
from functools import partial

import av
import numpy as np
import pytest

from real2sim_jax.core.policy import load_policy, save_policy
from real2sim_jax.core.rotations import multiply, wxyz_from_rotvec
from real2sim_jax.data.artefacts import file_hash, load, save
from real2sim_jax.data.types import Demonstration, unstack
from real2sim_jax.exports.lerobot import ACTION, CAMERA, STATE, RecordedEpisode, demonstrated, save_dataset
from tests.command_line import exit_code
from tests.demos import lifts
from tests.viewers.runs import POLICY

run = partial(exit_code, "export")

pytestmark = pytest.mark.long

parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra lerobot")
STEPS, HZ, ROLLOUTS = 120, 12, 2
OLD = ("--lerobot-version", "v2.1")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The dataset of a policy with its demonstrations, and these."""
    runs = tmp_path_factory.mktemp("runs")
    save(runs / "pick_up" / "demos.npz", lifts())
    policy = load_policy(POLICY)
    parents = {"parents": {"demos": file_hash(runs / "pick_up" / "demos.npz")}}
    save_policy(runs / "pick_up" / "seed0" / "policy.npz", replace(policy, provenance=policy.provenance | parents))
    assert run("--action", "pick_up", "--runs", runs, "--lerobot", runs / "set", "--episodes", ROLLOUTS, *OLD) == 0
    return runs / "set", unstack(load(runs / "pick_up" / "demos.npz", Demonstration))


@pytest.fixture(scope="module")
def info(exported):
    return json.loads((exported[0] / "meta" / "info.json").read_text())


def lines(folder, name):
    return [json.loads(line) for line in (folder / "meta" / f"{name}.jsonl").read_text().splitlines()]


def table(folder, info, episode):
    place = {"episode_chunk": episode // info["chunks_size"], "episode_index": episode}
    return parquet.read_table(folder / info["data_path"].format(**place)), place


def test_the_description_counts_what_is_there(exported, info):
    folder, demos = exported
    count = len(demos) + ROLLOUTS
    assert info["codebase_version"] == "v2.1" and info["fps"] == HZ
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (count, count * STEPS, 1)
    assert info["splits"] == {"train": f"0:{count}"} and info["total_videos"] == count and info["total_chunks"] == 1
    assert len(list(folder.glob("data/chunk-000/*.parquet"))) == len(list(folder.glob("videos/*/*/*.mp4"))) == count
    episodes = lines(folder, "episodes")
    assert [row["episode_index"] for row in episodes] == list(range(count))
    assert [row["source"] for row in episodes] == ["demonstration"] * len(demos) + ["rollout"] * ROLLOUTS
    assert all(row["length"] == STEPS and row["tasks"] == ["pick up"] for row in episodes)
    assert [row["success"] for row in episodes][-ROLLOUTS:] == [True] * ROLLOUTS
    assert lines(folder, "tasks") == [{"task_index": 0, "task": "pick up"}]
    assert set(json.loads((folder / "meta" / "provenance.json").read_text())["parents"]) == {"policy", "demos"}


def test_tables_have_the_described_columns_and_a_row_for_each_step(exported, info):
    folder, _ = exported
    index = 0
    for episode in range(info["total_episodes"]):
        rows, _ = table(folder, info, episode)
        assert set(rows.column_names) == {name for name, feature in info["features"].items() if name != CAMERA}
        for name in rows.column_names:
            values = np.stack(rows[name].to_numpy())
            feature = info["features"][name]
            assert (
                list(values.reshape(STEPS, -1).shape[1:]) == feature["shape"] and str(values.dtype) == feature["dtype"]
            )
        np.testing.assert_allclose(rows["timestamp"].to_numpy(), np.arange(STEPS) / HZ, atol=1e-6)
        np.testing.assert_array_equal(rows["frame_index"].to_numpy(), np.arange(STEPS))
        np.testing.assert_array_equal(rows["index"].to_numpy(), index + np.arange(STEPS))
        assert set(rows["episode_index"].to_pylist()) == {episode}
        assert np.flatnonzero(rows["next.done"].to_numpy(zero_copy_only=False)).tolist() == [STEPS - 1]
        index += STEPS
    assert tuple(info["features"]["observation.state"]["names"]) == STATE


def test_actions_lead_from_each_state_to_the_next(exported, info):
    """Integrating them gives the states back; those of a demonstration are the demonstrated hand's."""
    folder, demos = exported
    for episode in range(info["total_episodes"]):
        rows, _ = table(folder, info, episode)
        state, action = (np.stack(rows[name].to_numpy()) for name in ("observation.state", "action"))
        np.testing.assert_allclose(state[:-1, :3] + action[:-1, :3] / HZ, state[1:, :3], atol=1e-5)
        turned = multiply(wxyz_from_rotvec(action[:-1, 3:6] / HZ), state[:-1, 3:7])
        np.testing.assert_allclose(np.abs((turned * state[1:, 3:7]).sum(axis=1)), 1.0, atol=1e-5)
        np.testing.assert_allclose(action[:-1, ACTION.index("opening")], state[1:, 7], atol=1e-6)
    rows, _ = table(folder, info, 0)
    hand = np.stack(rows["observation.state"].to_numpy())[:, :3]
    np.testing.assert_allclose(hand, np.asarray(demos[0].position)[:STEPS, 0], atol=1e-6)


def test_films_have_a_picture_for_each_row_at_its_time(exported, info):
    folder, _ = exported
    for episode in (0, info["total_episodes"] - 1):
        _, place = table(folder, info, episode)
        with av.open(str(folder / info["video_path"].format(**place, video_key=CAMERA))) as film:
            frames = list(film.decode(video=0))
        assert [*frames[0].to_ndarray(format="rgb24").shape] == info["features"][CAMERA]["shape"]
        np.testing.assert_allclose([frame.time for frame in frames], np.arange(STEPS) / HZ, atol=1e-3)
    first, last = (frames[i].to_ndarray(format="rgb24").astype(int) for i in (0, STEPS - 1))
    assert np.abs(first - last).max() > 60, "nothing moves"


def test_statistics_are_those_of_the_columns(exported, info):
    folder, _ = exported
    for row in lines(folder, "episodes_stats"):
        rows, _ = table(folder, info, row["episode_index"])
        values = np.stack(rows["action"].to_numpy())
        found = row["stats"]["action"]
        np.testing.assert_allclose([found["min"], found["max"]], [values.min(axis=0), values.max(axis=0)])
        np.testing.assert_allclose([found["mean"], found["std"]], [values.mean(axis=0), values.std(axis=0)], atol=1e-6)
        assert found["count"] == [STEPS] and set(row["stats"]) == set(info["features"])
        assert np.shape(row["stats"][CAMERA]["mean"]) == (3, 1, 1) and 0.0 < row["stats"][CAMERA]["mean"][0][0][0] < 1.0


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    """A dataset of format v3.0: two tasks, three episodes."""
    tasks = ("lift", "lift", "raise it")
    shown = [demonstrated(demo) for demo in unstack(lifts())]
    episodes = [RecordedEpisode(*pair, None) for pair in zip(tasks, ["demonstration"] * 3, shown, strict=True)]
    folder = tmp_path_factory.mktemp("new") / "set"
    save_dataset(folder, episodes, {})
    return folder, episodes


def test_the_new_format_says_where_each_episode_is(new):
    folder, episodes = new
    info = json.loads((folder / "meta" / "info.json").read_text())
    assert info["codebase_version"] == "v3.0" and info["total_frames"] == len(episodes) * STEPS
    rows = parquet.read_table(folder / "meta" / "episodes" / "chunk-000" / "file-000.parquet").to_pylist()
    for index, row in enumerate(rows):
        place = {"chunk_index": row["data/chunk_index"], "file_index": row["data/file_index"]}
        table = parquet.read_table(folder / info["data_path"].format(**place))
        assert row["dataset_from_index"] == table["index"][0].as_py() and row["tasks"] == [episodes[index].task]
        assert row["dataset_to_index"] - row["dataset_from_index"] == table.num_rows == row["length"] == STEPS
        at = {name: row[f"videos/{CAMERA}/{name}"] for name in place}
        with av.open(str(folder / info["video_path"].format(**at, video_key=CAMERA))) as film:
            times = [frame.time for frame in film.decode(video=0)]
        np.testing.assert_allclose(times, row[f"videos/{CAMERA}/from_timestamp"] + np.arange(STEPS) / HZ, atol=1e-3)
        np.testing.assert_allclose(row["stats/action/max"], np.stack(table["action"].to_numpy()).max(axis=0))
    stats = json.loads((folder / "meta" / "stats.json").read_text())
    assert set(stats) == set(info["features"]) and stats["action"]["count"] == [len(episodes) * STEPS]
    np.testing.assert_allclose(stats["action"]["max"], np.max([row["stats/action/max"] for row in rows], axis=0))


def test_lerobot_reads_the_new_format(new):
    datasets = pytest.importorskip("lerobot.datasets.lerobot_dataset", reason="needs the package lerobot (Python 3.11)")
    folder, episodes = new
    dataset = datasets.LeRobotDataset("local/set", root=folder)
    assert (dataset.num_episodes, dataset.num_frames) == (len(episodes), len(episodes) * STEPS)
    item = dataset[2 * STEPS + 5]
    assert item["task"] == "raise it" and item["episode_index"].item() == 2
    wanted = np.asarray(episodes[2].trajectory.gripper_position)[5]
    np.testing.assert_allclose(item["observation.state"][:3].numpy(), wanted, atol=1e-6)
    assert tuple(item[CAMERA].shape) == (3, *dataset.meta.features[CAMERA]["shape"][:2])


def test_a_folder_is_whole_or_absent(tmp_path):
    episode = RecordedEpisode("lift", "demonstration", demonstrated(unstack(lifts())[0]), None)
    # It shows only after the table and film of the first have been written.
    with pytest.raises(AttributeError):
        save_dataset(tmp_path / "set", [episode, replace(episode, trajectory=None)], {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--onnx FILE or --lerobot FOLDER"),
        (("--lerobot", "set", "--episodes", "0"), "--episodes 0: expected at least 1"),
        (("--lerobot", "there", "--episodes", "1"), "there: expected a new folder"),
    ],
)
def test_wrong_arguments(tmp_path, monkeypatch, capsys, arguments, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    shutil.copy(POLICY, tmp_path / "policy.npz")
    assert run("--policy", "policy.npz", *arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert says in line
