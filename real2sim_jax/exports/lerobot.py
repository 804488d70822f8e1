"""Demonstrations and rollouts as a LeRobot dataset (format v3.0 or v2.1), for learners that imitate (extra `lerobot`).

A table and a film for each episode, a row for each control step. Source of the layout: R. Cadene et al., "LeRobot:
state-of-the-art machine learning for real-world robotics in PyTorch", 2024, https://github.com/huggingface/lerobot.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from real2sim_jax.core.clock import CONTROL_HZ
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.gripper import PUBLISHED, Gripper
from real2sim_jax.core.rotations import conjugate, multiply, rotvec_from_wxyz
from real2sim_jax.data.artefacts import plain, replacing, versions, write_json, write_text
from real2sim_jax.data.types import HAND, MOVED, Demonstration
from real2sim_jax.perception.video import write_video
from real2sim_jax.simulation.types import Trajectory
from real2sim_jax.viewers.rollout import plain_frames

VERSIONS = ("v3.0", "v2.1")
CHUNK = 1000
"""Episodes in a folder."""
FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
CAMERA = "observation.images.front"
PATHS = {
    "v3.0": (f"data/{FILE}.parquet", f"videos/{{video_key}}/{FILE}.mp4"),
    "v2.1": (
        "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    ),
}
"""Of an episode's table and film, by version."""
SIZES_MB = {"data_files_size_in_mb": 100, "video_files_size_in_mb": 200}
"""From which on a writer of v3.0 begins another file; here each episode has its own."""
POSE = ("x", "y", "z", "qw", "qx", "qy", "qz")
STATE = (*(f"gripper_{name}" for name in POSE), "opening")
ACTION = ("vx", "vy", "vz", "wx", "wy", "wz", "opening")
IMAGE_SAMPLES = 12
"""Pictures of an episode that its statistics are taken from."""


@dataclass(frozen=True)
class RecordedEpisode:
    """One episode of the dataset, T samples."""

    task: str
    source: str
    """demonstration or rollout."""
    trajectory: Trajectory
    success: bool | None
    """By the benchmark's rule; None where it was not judged."""
    gripper: Gripper = PUBLISHED


def demonstrated(demonstration: Demonstration, gripper: Gripper = PUBLISHED) -> Trajectory:
    """Return a demonstration (unstacked) as a gripper's episode with cylinders as high and as broad as its cuboids."""
    demo = jax.tree.map(np.asarray, demonstration)
    half = demo.half_extents[MOVED:]
    radii = half[:, :2].mean(axis=1)
    widest = gripper.max_opening_m
    closed = np.minimum(radii[0], widest)
    return Trajectory(
        gripper_position=demo.position[:, HAND],
        gripper_wxyz=demo.wxyz[:, HAND],
        opening=widest + demo.grip * (closed - widest),
        object_position=demo.position[:, MOVED:],
        object_wxyz=demo.wxyz[:, MOVED:],
        heights=2.0 * half[:, 2],
        radii=radii,
        dt=demo.dt,
    )


def check_can_save(folder: str | Path) -> Any:
    """Return pyarrow; UserError where it is not installed or there is something at the folder's place."""
    if Path(folder).exists():
        raise UserError(f"--lerobot {folder}: expected a new folder, found one; remove it or choose another name")
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UserError("--lerobot needs the extra: pip install 'real2sim-jax[lerobot]'") from error
    return pyarrow


@dataclass(frozen=True)
class _Episode:
    """What the descriptions say of one episode."""

    about: dict[str, Any]
    stats: dict[str, dict[str, Any]]


def save_dataset(
    folder: str | Path, episodes: Sequence[RecordedEpisode], provenance: Mapping[str, Any], version: str = VERSIONS[0]
) -> None:
    """Write a dataset into a new folder, whole or not at all; UserError without pyarrow or where the folder exists.

    provenance: what the episodes were made from, kept in meta/provenance.json with the versions.
    """
    pyarrow = check_can_save(folder)
    tasks = list(dict.fromkeys(episode.task for episode in episodes))
    with replacing(folder) as out:
        written: list[_Episode] = []
        first, size, tables, pictures = 0, (0, 0), [], []
        for index, episode in enumerate(episodes):
            columns = _columns(episode.trajectory)
            count = len(columns["action"])
            frames = plain_frames(episode.trajectory, episode.gripper)[:count]
            size = frames[0].shape[:2]
            data, video = (path.format(**_place(index), video_key=CAMERA) for path in PATHS[version])
            write_video(out / video, frames, CONTROL_HZ)
            columns |= _counters(count, index, first, tasks.index(episode.task))
            _write_table(pyarrow, out / data, columns)
            tables.append(columns)
            sample = [frames[i] for i in np.linspace(0, len(frames) - 1, IMAGE_SAMPLES).astype(int)]
            pictures += sample
            about = {"length": count, "tasks": [episode.task], "source": episode.source, "success": episode.success}
            written.append(_Episode({"episode_index": index, **about}, _all_stats(columns, sample)))
            first += count
        if version == "v2.1":
            _describe_lines(out / "meta", written, tasks)
        else:
            whole = {name: np.concatenate([columns[name] for columns in tables]) for name in tables[0]}
            _describe_tables(pyarrow, out / "meta", written, tasks)
            write_json(out / "meta" / "stats.json", _all_stats(whole, pictures))
        objects = len(episodes[0].trajectory.heights)
        write_json(out / "meta" / "info.json", _info(version, len(episodes), first, len(tasks), objects, size))
        write_json(out / "meta" / "provenance.json", plain({**provenance, "versions": versions()}))


def _place(index: int) -> dict[str, int]:
    """Where an episode's files are, in the words of both versions."""
    chunk, file = divmod(index, CHUNK)
    return {"episode_chunk": chunk, "episode_index": index, "chunk_index": chunk, "file_index": file}


def _describe_lines(meta: Path, episodes: Sequence[_Episode], tasks: Sequence[str]) -> None:
    """Write what v2.1 says of episodes and tasks: a JSON line for each."""
    lines = {
        "episodes": [one.about for one in episodes],
        "episodes_stats": [{"episode_index": i, "stats": one.stats} for i, one in enumerate(episodes)],
        "tasks": [{"task_index": i, "task": task} for i, task in enumerate(tasks)],
    }
    for name, rows in lines.items():
        write_text(meta / f"{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def _describe_tables(pyarrow: Any, meta: Path, episodes: Sequence[_Episode], tasks: Sequence[str]) -> None:
    """Write what v3.0 says of episodes and tasks: a row for each in a table."""
    first, rows = 0, []
    for index, one in enumerate(episodes):
        place, last = _place(index), first + one.about["length"]
        at = {name: place[name] for name in ("chunk_index", "file_index")}
        row = {**one.about, "dataset_from_index": first, "dataset_to_index": last}
        row |= {f"data/{name}": value for name, value in at.items()}
        row |= {f"videos/{CAMERA}/{name}": value for name, value in at.items()}
        row |= {f"videos/{CAMERA}/from_timestamp": 0.0, f"videos/{CAMERA}/to_timestamp": (last - first) / CONTROL_HZ}
        row |= {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
        row |= {f"stats/{name}/{kind}": value for name, found in one.stats.items() for kind, value in found.items()}
        rows.append(row)
        first = last
    _write_parquet(pyarrow, meta / "episodes" / f"{FILE.format(chunk_index=0, file_index=0)}.parquet", rows)
    named = [{"task": task, "task_index": i} for i, task in enumerate(tasks)]
    # Readers look a task up by its row's name: pandas finds the column of names by this entry.
    kinds = {"task": ("unicode", "object"), "task_index": ("int64", "int64")}
    columns = [
        {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy_kind, "metadata": None}
        for name, (kind, numpy_kind) in kinds.items()
    ]
    labels = {"index_columns": ["task"], "columns": columns, "column_indexes": []}
    _write_parquet(pyarrow, meta / "tasks.parquet", named, {"pandas": json.dumps(labels)})


def _write_parquet(
    pyarrow: Any, path: Path, rows: list[dict[str, Any]], labels: Mapping[str, str] | None = None
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows).replace_schema_metadata(labels), path)


def _columns(trajectory: Trajectory) -> dict[str, np.ndarray]:
    """What is seen before each of the T - 1 steps, and what the gripper then does: its mean velocity, its opening."""
    t = jax.tree.map(np.asarray, trajectory)
    turn = multiply(t.gripper_wxyz[1:], conjugate(t.gripper_wxyz[:-1]))
    velocity = np.concatenate([np.diff(t.gripper_position, axis=0), rotvec_from_wxyz(turn)], axis=1) / t.dt
    sizes = np.broadcast_to(np.stack([t.heights, t.radii], axis=1), (*t.object_position.shape[:2], 2))
    objects = np.concatenate([t.object_position, t.object_wxyz, sizes], axis=2).reshape(len(t.opening), -1)
    state = np.column_stack([t.gripper_position, t.gripper_wxyz, t.opening])
    columns = {
        "observation.state": state[:-1],
        "observation.environment_state": objects[:-1],
        "action": np.column_stack([velocity, t.opening[1:]]),
    }
    return {name: np.asarray(values, np.float32) for name, values in columns.items()}


def _counters(count: int, episode: int, first: int, task: int) -> dict[str, np.ndarray]:
    """The columns that every dataset has; first: rows of the episodes before."""
    frame = np.arange(count)
    return {
        "timestamp": (frame / CONTROL_HZ).astype(np.float32),
        "frame_index": frame,
        "episode_index": np.full(count, episode),
        "index": first + frame,
        "task_index": np.full(count, task),
        "next.done": frame == count - 1,
    }


def _write_table(pyarrow: Any, path: Path, columns: Mapping[str, np.ndarray]) -> None:
    arrays = {
        name: pyarrow.array(values)
        if values.ndim == 1
        else pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(values.ravel()), values.shape[1])
        for name, values in columns.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(arrays), path)


def _stats(values: np.ndarray) -> dict[str, list[Any]]:
    rows = values.reshape(len(values), -1)
    # Of truth values too: the share, and whether there is any.
    numbers = {"min": rows.min(axis=0), "max": rows.max(axis=0), "mean": rows.mean(axis=0), "std": rows.std(axis=0)}
    return {name: number.tolist() for name, number in numbers.items()} | {"count": [len(rows)]}


def _all_stats(columns: Mapping[str, np.ndarray], pictures: Sequence[np.ndarray]) -> dict[str, dict[str, Any]]:
    """Of every column, and of the pictures by colour, in [0, 1], shaped (3, 1, 1)."""
    colours = _stats(np.stack(pictures).reshape(-1, 3) / 255.0)
    shaped = {name: [[[value]] for value in found] for name, found in colours.items()} | {"count": [len(pictures)]}
    return {name: _stats(values) for name, values in columns.items()} | {CAMERA: shaped}


def _info(version: str, episodes: int, frames: int, tasks: int, objects: int, size: tuple[int, int]) -> dict[str, Any]:
    names = [f"object{i}_{name}" for i in range(objects) for name in (*POSE, "height", "radius")]
    vectors = {"observation.state": STATE, "observation.environment_state": names, "action": ACTION}
    scalars = {"timestamp": "float32", "next.done": "bool"}
    scalars |= dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), "int64")
    features = {name: _feature("float32", [len(parts)], list(parts)) for name, parts in vectors.items()}
    features |= {name: _feature(kind, [1], None) for name, kind in scalars.items()}
    video = {"video.fps": CONTROL_HZ, "video.codec": "h264", "video.pix_fmt": "yuv420p", "video.is_depth_map": False}
    features[CAMERA] = _feature("video", [*size, 3], ["height", "width", "channels"])
    features[CAMERA]["info"] = {**video, "video.height": size[0], "video.width": size[1], "has_audio": False}
    return {
        "codebase_version": version,
        "robot_type": "parallel_gripper",
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": tasks,
        "chunks_size": CHUNK,
        **({"total_videos": episodes, "total_chunks": -(-episodes // CHUNK)} if version == "v2.1" else SIZES_MB),
        "fps": int(CONTROL_HZ),
        "splits": {"train": f"0:{episodes}"},
        "data_path": PATHS[version][0],
        "video_path": PATHS[version][1],
        "features": features,
    }


def _feature(kind: str, shape: list[int], names: list[str] | None) -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "names": names}
