"""The stages as functions of a library: in memory, nothing printed. `import real2sim_jax as r2s` has them all.

What cannot be used of several videos costs a warning; UserError says in one line why nothing is left.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import jax
import numpy as np

from real2sim_jax.benchmarks.report import Report, load_report, make_report
from real2sim_jax.benchmarks.specs import spec_hash
from real2sim_jax.config.fitting import FitConfig
from real2sim_jax.config.learning import DemonstrationConfig, TrainConfig
from real2sim_jax.core.actions import Action, action_named
from real2sim_jax.core.clock import EPISODE_TIMES_S
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.policy import Policy, load_policy
from real2sim_jax.data.artefacts import KINDS, file_hash, schema_of
from real2sim_jax.data.artefacts import load as load_artefact
from real2sim_jax.data.types import BoxTrack, CuboidTrack, Demonstration, MaskTrack
from real2sim_jax.fitting.fit import fit_tracks
from real2sim_jax.formats.something_else import read_tracks
from real2sim_jax.learning.demonstrations import demonstrate as make_demonstration
from real2sim_jax.learning.demonstrations import stack_demonstrations
from real2sim_jax.learning.imitation import as_filmed
from real2sim_jax.learning.train import Callbacks, Progress, make_env
from real2sim_jax.learning.train import train as train_policy
from real2sim_jax.perception.mask_tracks import for_action
from real2sim_jax.perception.prompts import NO_HINTS, UserHints
from real2sim_jax.perception.segmentation import Segmenter, segmenter_named
from real2sim_jax.simulation.types import Trajectory
from real2sim_jax.stages.segment import masks_of, video_id
from real2sim_jax.stages.train_and_benchmark import rollout_of, start_states
from real2sim_jax.synthetic.scenes import synthetic_tracks
from real2sim_jax.viewers.page3d import save_page
from real2sim_jax.viewers.stage import Scene, demonstration_scene, episode_scene, side_by_side, video_scene

Track = TypeVar("Track", MaskTrack, CuboidTrack)


def synthetic_boxes(action: str | Action, count: int = 6, seed: int = 0) -> dict[str, BoxTrack]:
    """Return the boxes of made-up videos of an action by name: demonstrations where there are no videos."""
    scenes = synthetic_tracks(_action(action), count, seed)
    return {f"synthetic{seed}_{i}": boxes for i, (boxes, _) in enumerate(scenes)}


def segment(
    videos: Sequence[str | Path],
    segmenter: str | Segmenter = "auto",
    *,
    checkpoint: Path | None = None,
    hints: UserHints = NO_HINTS,
) -> dict[str, MaskTrack]:
    """Return the masks of hand, moved object and anchor in video files, by the files' names.

    `segmenter` is auto, boxes, sam (MobileSAM or a checkpoint), or a function of one's own
    (`perception.segmentation`). Hints are what a user says of the only video.
    """
    chosen = segmenter_named(segmenter, checkpoint) if isinstance(segmenter, str) else segmenter
    found: dict[str, MaskTrack] = {}
    for path in map(Path, videos):
        try:
            found[video_id(path)] = masks_of(path, chosen, hints).track
        except UserError as error:
            _skip(str(path), str(error))
    return _some(found, "segmented")


def fit(
    observed: str | Path | Mapping[str, BoxTrack | MaskTrack], action: str | Action, config: FitConfig | None = None
) -> dict[str, CuboidTrack]:
    """Return the cuboids that were fitted to observed videos of an action, by their names.

    `observed` holds boxes or masks, or is a folder of annotations in the layout of Something-Else.
    """
    result = fit_tracks(_observed(observed, _action(action)), config)
    for video, why in result.failures.items():
        _skip(video, why)
    return _some(result.tracks, "fitted")


def demonstrate(
    tracks: Mapping[str, CuboidTrack], action: str | Action, config: DemonstrationConfig | None = None
) -> Demonstration:
    """Return the demonstrations that fitted videos of an action give, stacked on a leading axis."""
    shown = as_filmed(_action(action), tracks.values())
    return stack_demonstrations([make_demonstration(track, shown, config) for track in tracks.values()])


def train(
    demonstrations: Demonstration,
    action: str | Action,
    folder: str | Path,
    config: TrainConfig | None = None,
    *,
    resume: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Policy:
    """Train a policy on stacked demonstrations and return it; `folder` gets policy.npz, checkpoints and logs.

    `report` is called after each iteration.
    """
    config = config or TrainConfig()
    env = make_env(_action(action), demonstrations, config)
    return train_policy(env, demonstrations, config, Path(folder), resume=resume, callbacks=Callbacks(report)).policy


def benchmark(
    policy: Policy | str | Path, spec: str = "easy", *, rows: int = 1000, seed: int = 0, physics: str = "batch"
) -> Report:
    """Return the success of a policy, or of its file, from the start states of a specification.

    `spec` is easy, hard (`rows` start states are drawn with the seed), or a CSV file in the published layout.
    """
    made, identity = (policy, "") if isinstance(policy, Policy) else (load_policy(policy), file_hash(policy))
    action = made.action
    starts = start_states(spec, action, seed, rows)
    _, success, _ = rollout_of(action, physics, made.sees_object)(made, starts)
    names = {"policy_hash": identity, "spec": Path(spec).stem, "spec_hash": spec_hash(starts)}
    return make_report(action, success, **names, physics=physics, seed=seed)


def view(out: str | Path, **shown: CuboidTrack | Demonstration | Trajectory) -> Path:
    """Write what is shown side by side, each under its name, as one HTML file that plays; return its path.

    Of stacked demonstrations the first one is shown. Needs the extra `view`.
    """
    scenes = [_scene(name.replace("_", " "), one) for name, one in shown.items()]
    if not scenes:
        raise UserError("nothing to view: expected at least one track, demonstration or trajectory")
    save_page(out, side_by_side(scenes), EPISODE_TIMES_S)
    return Path(out)


def load(path: str | Path) -> Policy | Report | BoxTrack | MaskTrack | CuboidTrack | Demonstration:
    """Read a policy, a track, demonstrations or a report, whichever the file says it is."""
    if Path(path).suffix == ".json":
        return load_report(path)
    schema = schema_of(path)
    return load_policy(path) if schema is None else load_artefact(path, KINDS[schema])


def _action(action: str | Action) -> Action:
    return action_named(action) if isinstance(action, str) else action


def _observed(
    observed: str | Path | Mapping[str, BoxTrack | MaskTrack], action: Action
) -> Mapping[str, tuple[Action, BoxTrack | MaskTrack]]:
    if not isinstance(observed, Mapping):
        found, skipped = read_tracks(observed, None, action)
        for video, why in skipped.items():
            _skip(video, why)
        return {video: pair for video, pair in found.items() if pair[0] == action}
    tracks: dict[str, tuple[Action, BoxTrack | MaskTrack]] = {}
    for video, track in observed.items():
        try:
            tracks[video] = action, for_action(track, action) if isinstance(track, MaskTrack) else track
        except UserError as error:
            _skip(video, str(error))
    return tracks


def _skip(video: str, why: str) -> None:
    warnings.warn(f"{video}: skipped: {why}", stacklevel=4)


def _some(found: dict[str, Track], done: str) -> dict[str, Track]:
    if not found:
        raise UserError(f"no video could be {done}: the warnings say why")
    return found


def _scene(title: str, shown: CuboidTrack | Demonstration | Trajectory) -> Scene:
    if isinstance(shown, CuboidTrack):
        return video_scene(title, shown, EPISODE_TIMES_S)
    if isinstance(shown, Trajectory):
        return episode_scene(title, shown, EPISODE_TIMES_S)
    first = jax.tree.map(lambda leaf: np.asarray(leaf)[0], shown) if np.ndim(shown.grip) > 1 else shown
    return demonstration_scene(title, first, EPISODE_TIMES_S)
