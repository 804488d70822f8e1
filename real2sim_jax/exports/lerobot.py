"""Demonstrations and rollouts as a LeRobot dataset (format v2.1), for learners that imitate (extra `lerobot`).

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

VERSION = "v2.1"
CHUNK = 1000
"""Episodes in a folder."""
CAMERA = "observation.images.front"
DATA_PATH = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
VIDEO_PATH = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
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


def save_dataset(folder: str | Path, episodes: Sequence[RecordedEpisode], provenance: Mapping[str, Any]) -> None:
    """Write a dataset into a new folder, whole or not at all; UserError without pyarrow or where the folder exists.

    provenance: what the episodes were made from, kept in meta/provenance.json with the versions.
    """
    pyarrow = check_can_save(folder)
    tasks = list(dict.fromkeys(episode.task for episode in episodes))
    with replacing(folder) as out:
        lines: dict[str, list[dict[str, Any]]] = {"episodes": [], "episodes_stats": []}
        first, size = 0, (0, 0)
        for index, episode in enumerate(episodes):
            columns = _columns(episode.trajectory)
            count = len(columns["action"])
            frames = plain_frames(episode.trajectory, episode.gripper)[:count]
            size = frames[0].shape[:2]
            place = {"episode_chunk": index // CHUNK, "episode_index": index}
            write_video(out / VIDEO_PATH.format(**place, video_key=CAMERA), frames, CONTROL_HZ)
            columns |= _counters(count, index, first, tasks.index(episode.task))
            _write_table(pyarrow, out / DATA_PATH.format(**place), columns)
            about = {"length": count, "tasks": [episode.task], "source": episode.source, "success": episode.success}
            lines["episodes"].append({"episode_index": index, **about})
            stats = {name: _stats(values) for name, values in columns.items()} | {CAMERA: _image_stats(frames)}
            lines["episodes_stats"].append({"episode_index": index, "stats": stats})
            first += count
        lines["tasks"] = [{"task_index": i, "task": task} for i, task in enumerate(tasks)]
        for name, rows in lines.items():
            write_text(out / "meta" / f"{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        objects = len(episodes[0].trajectory.heights)
        write_json(out / "meta" / "info.json", _info(len(episodes), first, len(tasks), objects, size))
        write_json(out / "meta" / "provenance.json", plain({**provenance, "versions": versions()}))


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


def _image_stats(frames: Sequence[np.ndarray]) -> dict[str, list[Any]]:
    """By colour, in [0, 1], shaped (3, 1, 1)."""
    chosen = [frames[i] for i in np.linspace(0, len(frames) - 1, IMAGE_SAMPLES).astype(int)]
    colours = _stats(np.stack(chosen).reshape(-1, 3) / 255.0)
    return {name: [[[value]] for value in found] for name, found in colours.items()} | {"count": [len(chosen)]}


def _info(episodes: int, frames: int, tasks: int, objects: int, size: tuple[int, int]) -> dict[str, Any]:
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
        "codebase_version": VERSION,
        "robot_type": "parallel_gripper",
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": tasks,
        "total_videos": episodes,
        "total_chunks": -(-episodes // CHUNK),
        "chunks_size": CHUNK,
        "fps": int(CONTROL_HZ),
        "splits": {"train": f"0:{episodes}"},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH,
        "features": features,
    }


def _feature(kind: str, shape: list[int], names: list[str] | None) -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "names": names}
