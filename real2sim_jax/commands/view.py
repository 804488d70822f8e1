"""`real2sim view`: fitted cuboids, demonstration and policy in 3D, in a browser."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from real2sim_jax.commands.options import not_negative
from real2sim_jax.core.clock import EPISODE_TIMES_S
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.storage import check_output

FILMS = ("film.mp4", "masks.mp4", "fit.gif")
"""What `fit` and its like leave beside a track, the first that there is."""


@dataclass(frozen=True)
class View:
    """Show a video's fitted cuboids, the demonstration made of it and an episode of the policy in 3D."""

    run: Annotated[Path, tyro.conf.Positional]
    """Folder of an action, RUNS/ACTION, or another one that `fit` wrote."""
    video: str | None = None
    """Id of the video to show; the first when absent."""
    film: Path | None = None
    """Video file to show beside the cuboids; film.mp4, masks.mp4 or fit.gif of the video's folder when absent."""
    seed: int = 0
    """Of the policy's run."""
    out: Path | None = None
    """Write one HTML file that needs no network instead of serving the page."""
    port: int = 8080
    """Port on 127.0.0.1; the next free one where it is taken."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax.stages.console import Console
        from real2sim_jax.viewers.page3d import save_page, serve_page
        from real2sim_jax.viewers.stage import side_by_side

        not_negative(self.seed)
        if not 0 <= self.port <= 65535:
            raise UserError(f"--port {self.port}: expected 0 to 65535")
        if self.out is not None:
            check_output(self.out)
        console, times = Console(), EPISODE_TIMES_S
        with console.status("reading"):
            scenes = side_by_side(scenes_of(self, times))
        if self.out is None:
            serve_page(scenes, times, self.port, lambda address: console.say(f"open {address}; Ctrl-C ends it"))
        else:
            save_page(self.out, scenes, times)
            console.say(f"written to {self.out}: {', '.join(scene.title for scene in scenes)}")
        return 0


def scenes_of(options: View, times: Any) -> list[Any]:
    """Return what the folder has to show at times (K,) s of the episode; UserError when that is nothing."""
    video = _video(options)
    scenes = [] if video is None else _video_scenes(options, video, times)
    policy = options.run / f"seed{options.seed}" / "policy.npz"
    scenes += [_episode(policy, times)] if policy.is_file() else []
    if not scenes:
        raise UserError(f"{options.run}: expected VIDEO/track.npz or {policy.parent.name}/policy.npz, found neither")
    return scenes


def _video(options: View) -> str | None:
    known = sorted(path.parent.name for path in options.run.glob("*/track.npz"))
    if options.video is None:
        return known[0] if known else None
    if options.video not in known:
        shown = ", ".join(known[:5]) or "none"
        raise UserError(f"{options.run}: no track of video {options.video!r}; it has {shown}")
    return options.video


def _video_scenes(options: View, video: str, times: Any) -> list[Any]:
    import numpy as np

    from real2sim_jax.data.artefacts import load
    from real2sim_jax.data.types import CuboidTrack
    from real2sim_jax.viewers.film import read_film
    from real2sim_jax.viewers.stage import demonstration_scene, video_scene

    folder = options.run / video
    track = load(folder / "track.npz", CuboidTrack)
    film = options.film or next((folder / name for name in FILMS if (folder / name).is_file()), None)
    pictures = [] if film is None else read_film(film, int(np.sum(track.valid)))
    scenes = [video_scene(f"video {video}", track, times, pictures)]
    demonstration = _demonstration(options.run / "demos.npz", video)
    return scenes if demonstration is None else [*scenes, demonstration_scene("demonstration", demonstration, times)]


def _demonstration(path: Path, video: str) -> Any:
    """The demonstration that was made of a video, None where there is none."""
    import jax

    from real2sim_jax.data.artefacts import load, load_header
    from real2sim_jax.data.types import Demonstration

    if not path.is_file():
        return None
    # Demonstrations are stacked in the order of the tracks that they were made of.
    videos = list(load_header(path)["parents"])
    if video not in videos:
        return None
    place = videos.index(video)
    return jax.tree.map(lambda leaf: leaf[place], load(path, Demonstration))


def _episode(path: Path, times: Any) -> Any:
    """The episode that `real2sim run --robot mujoco-gripper` goes through."""
    from real2sim_jax.core.policy import load_policy
    from real2sim_jax.robot.backends import NOMINAL_START
    from real2sim_jax.simulated_robots.episodes import Setup, make_arm, play
    from real2sim_jax.simulated_robots.program import start_state
    from real2sim_jax.viewers.stage import episode_scene

    policy, setup = load_policy(path), Setup()
    action = policy.action
    arm = make_arm(policy, action, start_state(NOMINAL_START, action), setup)
    return episode_scene("policy", play(policy, arm, setup.limits), times, action.gripper)
