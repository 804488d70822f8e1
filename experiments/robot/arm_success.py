"""Success of a policy on the simulated Franka arm, against the free gripper's from the same start states.

    python experiments/robot/arm_success.py POLICY [--rows 100] [--spec easy] [--seed 0] [--object-pose 0.5,0,-90]

Prints how many start poses the arm reaches with the policy's whole way, and success over those on: the benchmark's
physics (no limits on acceleration), the gripper in the same scene behind the robot's controller, and the arm.
"""

import argparse
import sys

import jax
import numpy as np

from real2sim_jax.actions import action_named
from real2sim_jax.arms.episodes import Setup, judge_all, make_arm, panda_limits, play, row_of
from real2sim_jax.benchmark.report import rate
from real2sim_jax.benchmark.rollout import make_rollout
from real2sim_jax.errors import UserError
from real2sim_jax.pipeline import start_states
from real2sim_jax.robot.arms import ArmError
from real2sim_jax.robot.kinematics import TaskFrame
from real2sim_jax.robot.limits import Limits
from real2sim_jax.robot.policy import PolicyError, load_policy
from real2sim_jax.robot.program import numbers
from real2sim_jax.simulation.env import ManipulationEnv
from real2sim_jax.simulation.physics import make_physics


def main() -> int:
    options = parse()
    try:
        x, y, yaw = numbers("--object-pose", options.object_pose, "x,y,yaw_deg")
        compare(options, TaskFrame(x, y, np.deg2rad(yaw)))
    except (UserError, ArmError, PolicyError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("policy")
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--spec", default="easy")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--object-pose", default="0.5,0,-90")
    return parser.parse_args()


def compare(options: argparse.Namespace, frame: TaskFrame) -> None:
    policy = load_policy(options.policy)
    action = action_named(policy.action)
    starts = start_states(options.spec, action, options.seed, options.rows)
    arms, reached, poses = {}, [], 0
    panda = Setup("mujoco-panda", frame, panda_limits())
    for index in range(options.rows):
        try:
            arms[index] = make_arm(policy, action, row_of(starts, index), panda)
            reached.append(index)
            poses += 1
        except ArmError as error:
            poses += "start pose" not in str(error)
    print(f"{options.rows} {options.spec} starts: arm reaches {poses} start poses, {len(reached)} with the whole way")
    if not reached:
        return
    chosen = jax.tree.map(lambda leaf: np.asarray(leaf)[reached], starts)
    env = ManipulationEnv(action, None, make_physics("batch", action.bodies - 1))
    show("benchmark (free gripper)", make_rollout(env)(policy, chosen)[1])
    free = Setup("mujoco-gripper", frame, Limits())
    gripper = [play(policy, make_arm(policy, action, row_of(starts, i), free), free.limits) for i in reached]
    show("mujoco-gripper", judge_all(action, gripper))
    show("mujoco-panda", judge_all(action, [play(policy, arms[i], panda.limits) for i in reached]))
    errors = np.concatenate([arms[i].tracking_m for i in reached]) * 1000.0
    middle, most = np.quantile(errors, (0.5, 0.95))
    print(f"arm against its limited reference, mm: median {middle:.2f}, 95 % {most:.2f}, largest {errors.max():.2f}")


def show(name: str, success) -> None:
    result = rate(success.ok)
    print(f"{name:26s} {result.successes}/{result.count} = {100 * result.rate:.1f} %", flush=True)


if __name__ == "__main__":
    sys.exit(main())
