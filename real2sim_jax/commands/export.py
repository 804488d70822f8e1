"""`real2sim export`: a policy in another format, or what it does and has learnt from as a dataset."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from real2sim_jax.commands.options import at_least_one
from real2sim_jax.commands.robot import policy_path
from real2sim_jax.core.errors import UserError


@dataclass(frozen=True)
class Export:
    """Write a policy in another format, or its demonstrations and episodes as a dataset."""

    onnx: Path | None = None
    """The ONNX file to write; needs the extra `onnx`."""
    lerobot: Path | None = None
    """The folder to write: the demonstrations and episodes of the policy in LeRobot's format; needs the extra
    `lerobot`."""
    lerobot_version: Literal["v3.0", "v2.1"] = "v3.0"
    """Of the format: v3.0 for LeRobot 0.4 and newer, v2.1 before."""
    moved_from: str | None = None
    """For the ONNX file: x,y in m from the anchor to the object that is to be fetched; where the demonstrations had it
    when absent."""
    episodes: int = 20
    """Episodes of the policy in the dataset, from start states of `easy`."""
    physics: str = "batch"
    """Physics back end of these episodes: batch or mjx."""
    policy: Path | None = None
    """Policy file; RUNS/ACTION/seedSEED/policy.npz when absent."""
    action: str | None = None
    """Action whose policy to take from the runs folder."""
    seed: int = 0
    """Of the policy's run."""
    runs: Path = Path("runs")
    """Folder of all results."""

    def __call__(self) -> int:
        """Run the command."""
        if self.onnx is None and self.lerobot is None:
            raise UserError("expected --onnx FILE or --lerobot FOLDER; got neither")
        at_least_one("--episodes", self.episodes)
        path = policy_path(self.policy, self.action, self.runs, self.seed)
        if self.onnx is not None:
            _save_onnx(self.onnx, path, self.moved_from)
        if self.lerobot is not None:
            _save_dataset(self.lerobot, path, self)
        return 0


def _save_onnx(target: Path, policy: Path, moved_from: str | None) -> None:
    from real2sim_jax.core.policy import load_policy
    from real2sim_jax.exports.onnx import save_onnx
    from real2sim_jax.robot.options import moved_place

    loaded = load_policy(policy)
    save_onnx(target, loaded.placed(moved_place(loaded.action, moved_from)))
    print(f"written to {target}")


def _save_dataset(target: Path, policy: Path, options: Export) -> None:
    from real2sim_jax.core.policy import load_policy
    from real2sim_jax.data.artefacts import file_hash
    from real2sim_jax.exports.lerobot import check_can_save, save_dataset
    from real2sim_jax.stages import train_and_benchmark as pipeline
    from real2sim_jax.stages.console import Console

    console, action = Console(), load_policy(policy).action
    check_can_save(target)
    demos = pipeline.demonstrations_of(policy)
    with console.status("rolling out and drawing"):
        episodes = [] if demos is None else _demonstrated(demos, action)
        episodes += _rolled_out(policy, action, options)
        parents = {"policy": file_hash(policy)} | ({} if demos is None else {"demos": file_hash(demos)})
        provenance = {"parents": parents, "physics": options.physics, "seed": options.seed}
        save_dataset(target, episodes, provenance, options.lerobot_version)
    if demos is None:
        console.say("without demonstrations: those that the policy has learnt from do not lie above its file")
    console.say(f"written to {target}: {len(episodes)} episodes, LeRobot {options.lerobot_version}")


def _demonstrated(path: Path, action: Any) -> list[Any]:
    from real2sim_jax.data.artefacts import load
    from real2sim_jax.data.types import Demonstration, unstack
    from real2sim_jax.exports.lerobot import RecordedEpisode, demonstrated

    demos = unstack(load(path, Demonstration))
    name, gripper = _task(action), action.gripper
    return [RecordedEpisode(name, "demonstration", demonstrated(demo, gripper), None, gripper) for demo in demos]


def _rolled_out(path: Path, action: Any, options: Export) -> list[Any]:
    from real2sim_jax.data.types import unstack
    from real2sim_jax.exports.lerobot import RecordedEpisode
    from real2sim_jax.stages import train_and_benchmark as pipeline

    states = {"easy": pipeline.start_states("easy", action, options.seed, options.episodes)}
    ((_, report, trajectories, _),) = pipeline.judged([path], states, options.physics, options.seed)
    pairs = zip(unstack(trajectories), report.ok, strict=True)
    name, gripper = _task(action), action.gripper
    return [RecordedEpisode(name, "rollout", trajectory, bool(ok), gripper) for trajectory, ok in pairs]


def _task(action: Any) -> str:
    return action.name.replace("_", " ")
