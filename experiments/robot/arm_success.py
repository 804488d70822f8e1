"""Success of policies on the simulated Franka arm, against the free gripper's from the same start states.

    python experiments/robot/arm_success.py [--actions pick_up ...] [--rows 50] [--spec easy] [--out FOLDER]

Of the first rows of the start states, tells how many start poses the arm reaches and from how many it can go the
policy's whole path, and success over those on: the benchmark's physics (no limits on acceleration), the gripper in the
same scene behind the robot's controller, and the arm. Keeps a JSON file of each action below --out; without that it
rewrites the table of docs/robots.md from all that are kept. --find prints where an object had better stand instead.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import numpy as np

from real2sim_jax.benchmarks.report import rate
from real2sim_jax.benchmarks.rollout import make_rollout
from real2sim_jax.core.actions import ACTIONS, Action, action_named
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.policy import Policy, PolicyError, load_policy
from real2sim_jax.core.rotations import azimuth_elevation_from_wxyz
from real2sim_jax.data.artefacts import file_hash, read_json, versions, write_json
from real2sim_jax.robot.franka.joints import APPROACH_S, episode
from real2sim_jax.robot.franka.kinematics import TaskFrame
from real2sim_jax.robot.franka.postures import postures
from real2sim_jax.robot.interface import ArmError, SimulatedArm
from real2sim_jax.robot.limits import Limits
from real2sim_jax.robot.options import Parser
from real2sim_jax.simulated_robots.episodes import Setup, judge_all, make_arm, panda_limits, play, row_of
from real2sim_jax.simulated_robots.world import PandaArm, pose_at
from real2sim_jax.simulation.env import ManipulationEnv
from real2sim_jax.simulation.physics.backends import make_physics
from real2sim_jax.simulation.types import StartState
from real2sim_jax.stages.console import Console
from real2sim_jax.stages.train_and_benchmark import start_states
from real2sim_jax.sweeps.tables import markdown_table, write_section

OBJECT_POSES = {
    "pull_left_to_right": (0.45, 90.0),
    "pull_right_to_left": (0.45, -90.0),
    "push_right_to_left": (0.52, 0.0),
    "put_behind": (0.45, 90.0),
    "put_in_front_of": (0.42, 120.0),
    "put_next_to": (0.5, 60.0),
}
"""x in m and yaw in deg of the task frame in the arm's base, as --find proposes; (0.5, -90) where none is given."""
DISTANCES_M, YAWS_DEG = (0.42, 0.5, 0.58), tuple(range(-180, 180, 30))
PAGE, KEPT = Path("docs/robots.md"), Path("experiments/robot/results")
HEADER = ("action", "object", "starts", "paths", "benchmark", "mujoco-gripper", "mujoco-panda", "mm")


def main() -> int:
    options = parse()
    try:
        for name in options.actions:
            policy = load_policy(options.policies / action_named(name).name / "seed0" / "policy.npz")
            starts = start_states(options.spec, policy.action, options.seed, options.rows)
            if options.find:
                propose(policy, starts, options.rows)
            else:
                x, yaw = OBJECT_POSES.get(name, (0.5, -90.0))
                found = compare(policy, starts, TaskFrame(x, 0.0, float(np.deg2rad(yaw))), options)
                write_json(options.out / f"{name}.json", found | provenance(options))
                print_table(options.out)
    except (UserError, ArmError, PolicyError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def parse() -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--actions", nargs="+", default=list(ACTIONS), metavar="ACTION", help="all nine when absent")
    parser.add_argument("--rows", type=int, default=50, help="start states of each [50]")
    parser.add_argument("--spec", default="easy", help="easy, hard or a CSV file of start states [easy]")
    parser.add_argument("--seed", type=int, default=0, help="of the start states where they are drawn [0]")
    parser.add_argument("--policies", type=Path, default=Path("experiments/skills/results"))
    parser.add_argument("--out", type=Path, default=KEPT)
    parser.add_argument("--find", action="store_true", help="print where the arm reaches most of the starts")
    return parser.parse_args()


def provenance(options: argparse.Namespace) -> dict[str, Any]:
    return {"spec": Path(options.spec).stem, "seed": options.seed, "versions": versions()}


def compare(policy: Policy, starts: StartState, frame: TaskFrame, options: argparse.Namespace) -> dict[str, Any]:
    """Return what came of the first rows: what the arm reaches, and successes of all three."""
    action, place = policy.action, (frame.x_m, frame.y_m, frame.yaw_rad)
    panda = Setup("mujoco-panda", place, panda_limits())
    with Console().status(f"{policy.action.name}: reach") as show:
        arms, poses = reached_by(policy, action, starts, panda, options.rows)
        chosen = jax.tree.map(lambda leaf: np.asarray(leaf)[list(arms)], starts)
        show(f"{policy.action.name}: free gripper")
        env = ManipulationEnv(action, None, make_physics("batch", action.objects, action.gripper))
        success = {"benchmark": make_rollout(env)(policy, chosen)[1]}
        free = Setup("mujoco-gripper", place, Limits())
        played = [play(policy, make_arm(policy, action, row_of(starts, i), free), free.limits) for i in arms]
        success["mujoco-gripper"] = judge_all(action, played)
        show(f"{policy.action.name}: arm")
        success["mujoco-panda"] = judge_all(action, [play(policy, arm, panda.limits) for arm in arms.values()])
    apart = 1000.0 * np.concatenate([arm.tracking_m for arm in arms.values()])
    return {
        "action": policy.action.name,
        "policy_hash": file_hash(options.policies / policy.action.name / "seed0" / "policy.npz"),
        "frame": asdict(frame),
        "rows": options.rows,
        "start_poses": poses,
        "reached": list(arms),
        "ok": {name: np.asarray(one.ok) for name, one in success.items()},
        "tracking_mm": [*np.quantile(apart, (0.5, 0.95)), apart.max()],
    }


def reached_by(
    policy: Policy, action: Action, starts: StartState, panda: Setup, rows: int
) -> tuple[dict[int, PandaArm], int]:
    """Return arms ready at the rows from which they can go the whole path, and how many start poses they reach."""
    arms, poses = {}, 0
    for index in range(rows):
        try:
            arms[index] = make_arm(policy, action, row_of(starts, index), panda)
            poses += 1
        except ArmError as error:
            poses += "start pose" not in str(error)
    if not arms:
        raise ArmError(f"{policy.action.name}: the arm can go none of {rows} paths; try --find")
    return arms, poses


def propose(policy: Policy, starts: StartState, rows: int) -> None:
    """Print the object poses from which joints can follow most of the free gripper's paths."""
    limits, found = panda_limits(), []
    approach, mount_m = round(APPROACH_S / policy.dt), policy.action.gripper.mount_m
    frees = [free_way(policy, row_of(starts, index), limits) for index in range(rows)]
    for x in DISTANCES_M:
        for yaw in YAWS_DEG:
            frame = TaskFrame(x, 0.0, float(np.deg2rad(yaw)))
            paths = [np.stack([frame.pose_to_base(s.position, s.wxyz) for s in free]) for free in frees]
            first = [postures(path, approach, limits.joints, policy.dt, mount_m)[:1] for path in paths]
            found.append((sum(posture.violation_ratio < 1.0 for some in first for posture in some), x, yaw))
    best = ", ".join(f"{count} of {rows} at {x:g} m, {yaw} deg" for count, x, yaw in sorted(found)[:-4:-1])
    print(f"{policy.action.name}: {best}", flush=True)


def free_way(policy: Policy, start: StartState, limits: Limits) -> list:
    position, wxyz = pose_at(start)
    return episode(policy, limits, SimulatedArm(position, *azimuth_elevation_from_wxyz(wxyz), policy.dt))


def print_table(folder: Path) -> None:
    """Print and write the table of all results that are there."""
    rows = [row(read_json(path)) for name in ACTIONS if (path := folder / f"{name}.json").is_file()]
    Console().table("success through the arm", HEADER, rows)
    if folder == KEPT:
        write_section(PAGE, "arm", markdown_table(HEADER, rows))


def row(result: dict[str, Any]) -> tuple[str, ...]:
    frame, rows = result["frame"], result["rows"]
    place = f"{frame['x_m']:g}, {np.rad2deg(frame['yaw_rad']):.0f}"
    rates = [f"{sum(ok)}/{len(ok)} {rate(np.array(ok))}" for ok in result["ok"].values()]
    apart = ", ".join(f"{value:.1f}" for value in result["tracking_mm"])
    return result["action"], place, f"{result['start_poses']}/{rows}", f"{len(result['reached'])}/{rows}", *rates, apart


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
