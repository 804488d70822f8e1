"""`real2sim replay`: can physics repeat the fitted trajectories?"""

import json
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from real2sim_jax.commands.options import ids
from real2sim_jax.core.actions import ACTIONS, Action, action_named
from real2sim_jax.core.errors import UserError


@dataclass(frozen=True)
class Replay:
    """Simulate fitted trajectories: pads in the place of the hand carry the object by friction; judge what happens."""

    states: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder that `fit` wrote, or with state files ID.csv or ID/states.csv at any depth."""
    actions: Path | None = None
    """CSV (video_id, action) for videos whose action neither quality.json nor a folder's name says."""
    action: str | None = None
    """File of an action of your own (.toml), for videos of its name, or of none."""
    videos: str | None = None
    """Ids of the videos to replay, separated by commas; all when absent."""
    slower: float = 3.0
    """How much longer than the video the replay takes; longer still where the hand is faster than a policy may be."""
    rigid: bool = False
    """Keep the bend of the wrist while it holds the object."""
    gif: bool = False
    """Write OUT/VIDEO/replay.gif."""
    out: Path | None = None
    """Folder of the pictures; the states' when absent."""
    json: Annotated[tuple[Path, ...] | None, tyro.conf.arg(metavar="[FILE]")] = None
    """Print JSON and nothing else, or write it to FILE beside the table."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax.data.artefacts import write_json
        from real2sim_jax.stages.console import Console

        if self.json is not None and len(self.json) > 1:
            raise UserError(f"--json: expected at most one file, got {len(self.json)}")
        if not 1.0 <= self.slower <= 100.0:
            raise UserError(f"--slower {self.slower:g}: expected 1 to 100")
        console, quiet = Console(), self.json == ()
        replays = Replays()
        try:
            replay_all(self, replays, None if quiet else console)
        finally:
            # Whatever ends the command early, what has been replayed is shown.
            if not quiet and replays.rows:
                show_replays(console, replays)
        if quiet:
            print(json.dumps(replays.as_json(), indent=1, allow_nan=False))
        elif self.json:
            write_json(self.json[0], replays.as_json())
            console.say(f"written to {self.json[0]}")
        return 0


@dataclass(frozen=True)
class ReplayRow:
    """One video."""

    action: Action
    fit_broken: list[str]
    """Rules that the fitted track breaks."""
    broken: list[str]
    """Rules that the simulated track breaks."""
    deviation_m: float
    frames: tuple[int, int]
    """Frames replayed and frames of the video."""
    stretch: float
    """How much longer the replay took than the video."""


@dataclass
class Replays:
    """What has been replayed so far."""

    rows: dict[str, ReplayRow] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    """As of an `Evaluation`."""

    def table(self) -> dict[str, tuple[int, int, int]]:
        """Replays that succeed, fits that show the action, and videos, by action and under "all"."""
        counts: dict[str, tuple[int, int, int]] = {}
        for name in dict.fromkeys([*ACTIONS, *(row.action.name for row in self.rows.values())]):
            rows = [row for row in self.rows.values() if row.action.name == name]
            if rows:
                counts[name] = sum(not r.broken for r in rows), sum(not r.fit_broken for r in rows), len(rows)
        done, fits, videos = (sum(row[i] for row in counts.values()) for i in range(3))
        return counts | {"all": (done, fits, videos)}

    def as_json(self) -> dict[str, Any]:
        """Everything as plain JSON."""
        names = ("successes", "fits_that_show_the_action", "videos")
        return {
            "table": {name: dict(zip(names, row, strict=True)) for name, row in self.table().items()},
            "videos": {video: _plain(row) for video, row in self.rows.items()},
            "refused": self.refused,
            "notes": self.notes,
        }


def replay_all(options: Replay, replays: Replays, console: Any) -> None:
    """Replay the videos of a folder into `replays`; a bad one costs a line. UserError when there is no good one."""
    from real2sim_jax.evaluation.folders import evaluate_states

    own = action_named(options.action) if options.action else None
    judged = evaluate_states(options.states, options.actions, own=own)
    wanted = ids(options.videos)
    missing = sorted(set(wanted or ()) - set(judged.videos) - set(judged.refused))
    if missing:
        raise UserError(f"{options.states}: no states of video {missing[0]}; expected ids of its files or folders")
    chosen = [video for video in judged.videos if wanted is None or video in wanted]
    replays.refused |= {v: why for v, why in judged.refused.items() if wanted is None or v in wanted}
    replays.notes |= {v: lines for v, lines in judged.notes.items() if wanted is None or v in wanted}
    with nullcontext() if console is None else console.status(f"replaying {len(chosen)} videos") as update:
        for number, video in enumerate(chosen):
            if update is not None and number % 5 == 0:
                update(f"replayed {number} of {len(chosen)}")
            try:
                replays.rows[video] = _replayed(options, video, judged.videos[video])
            except UserError as error:
                replays.refused[video] = str(error)
    if not replays.rows:
        reason = next(iter(replays.refused.values()), "none was chosen")
        raise UserError(f"none of {len(replays.refused)} videos could be replayed; {reason}")


def _replayed(options: Replay, video: str, judgement: Any) -> ReplayRow:
    import numpy as np

    from real2sim_jax.replay.plan import ReplayConfig
    from real2sim_jax.replay.simulate import replay
    from real2sim_jax.viewers.replay import save_replay_gif

    track = read_track(_file_of(options.states, video))
    result = replay(track, judgement.action, ReplayConfig(slower=options.slower, rigid=options.rigid))
    if options.gif:
        folder = (options.out or options.states) / video.removesuffix(".csv")
        save_replay_gif(folder / "replay.gif", track, result, judgement.action.name)
    shown, frames = int(np.sum(result.track.valid)), int(np.sum(track.valid))
    stretch = result.duration_s / (max(shown - 1, 1) * float(track.dt))
    return ReplayRow(judgement.action, judgement.broken, result.failures, result.deviation_m, (shown, frames), stretch)


def _file_of(folder: Path, video: str) -> Path:
    """The state file of a video that is called by its id or, where two have one, by its path."""
    if video.endswith(".csv") and (folder / video).is_file():
        return folder / video
    files = sorted(folder.rglob("*.csv"))
    return next(p for p in files if (p.parent.name if p.stem == "states" else p.stem) == video)


def read_track(path: Path) -> Any:
    """Return the track.npz beside a state file or, where there is no good one, the states.

    A touch that is not known is taken as one where the tip is inside the moved object or less than 1 cm from it. That
    a track beside them is not good is among the notes of `evaluate_states`.
    """
    import numpy as np

    from real2sim_jax.data.artefacts import read_columns
    from real2sim_jax.data.types import HAND, MOVED, CuboidTrack
    from real2sim_jax.evaluation.folders import beside
    from real2sim_jax.formats.published_states import read_states
    from real2sim_jax.geometry.cuboids import signed_distance

    states = read_states(path)
    if path.stem == "states":
        track = beside(path.with_name("track.npz"), CuboidTrack, np.shape(states.position)[:2], [])
        if track is not None:
            return track
    unknown = read_columns(path, ["touch"])["touch"] < 0.0
    tip, moved = np.asarray(states.position)[:, HAND], np.asarray(states.position)[:, MOVED]
    apart = signed_distance(tip, states.half_extents[MOVED], moved, np.asarray(states.wxyz)[:, MOVED])
    touching = np.asarray(states.touching) | (unknown & (np.asarray(apart) < 0.01))
    return states.replace(touching=touching)  # type: ignore[attr-defined]


def show_replays(console: Any, replays: Replays) -> None:
    """Print a row for each video and the totals by action."""
    columns = ("video", "action", "fit", "replay", "broken rules", "off by")
    places = {name: place for place, name in enumerate(replays.table())}
    order = sorted(replays.rows.items(), key=lambda item: places[item[1].action.name])
    console.table("replayed by physics", columns, [_cells(video, row) for video, row in order])
    rows = [
        (name, f"{fits} / {videos}", f"{done} / {videos}") for name, (done, fits, videos) in replays.table().items()
    ]
    console.table("totals", ("action", "fit shows it", "replay succeeds"), rows)
    stretch = [row.stretch for row in replays.rows.values()]
    console.say(f"replayed {min(stretch):.1f} to {max(stretch):.1f} times slower than the videos")
    console.say("off by: the largest distance of the simulated from the fitted object, from the first touch on")
    for video, reason in replays.refused.items():
        console.say(f"not replayed {video}: {reason}")
    for video, lines in replays.notes.items():
        for line in lines:
            console.say(f"{video}: {line}" if video else line)


def _cells(video: str, row: ReplayRow) -> tuple[str, ...]:
    fit, done = ("no" if broken else "yes" for broken in (row.fit_broken, row.broken))
    rules, off = ", ".join(row.broken) or "-", f"{100.0 * row.deviation_m:.1f} cm"
    return video, row.action.name, fit, done, rules, off


def _plain(row: ReplayRow) -> dict[str, Any]:
    return {
        "action": row.action.name,
        "success": not row.broken,
        "broken_rules": row.broken,
        "fit_shows_action": not row.fit_broken,
        "fit_broken_rules": row.fit_broken,
        "deviation_m": row.deviation_m,
        "frames_replayed": row.frames[0],
        "frames": row.frames[1],
        "slower": row.stretch,
    }
