"""`real2sim run`: from a policy file to a robot, or a simulated one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real2sim_jax.core.actions import action_named
from real2sim_jax.core.errors import UserError

# Modules that load jax or mujoco are imported inside the commands: `--help` stays quick.


@dataclass(frozen=True)
class Run:
    """Run a policy on a robot, or on a simulated one with the same controller."""

    policy: Path | None = None
    """Policy file; RUNS/ACTION/seedSEED/policy.npz when absent."""
    action: str | None = None
    """Action whose policy to take from the runs folder."""
    robot: str = "simulated"
    """simulated (numpy alone), mujoco-gripper, mujoco-panda, udp or franka."""
    stream: Path | None = None
    """Recorded observations (.npz) to play back instead of a robot."""
    steps: int | None = None
    """Control periods to run (12 a second)."""
    log: Path | None = None
    """Write what was seen, wanted and sent to this .csv or .npz."""
    video: Path | None = None
    """Film of a mujoco robot, .mp4 or .gif."""
    arm_model: Path | None = None
    """Folder of MuJoCo Menagerie's franka_emika_panda or franka_fr3: how mujoco-panda looks in the film."""
    start: str | None = None
    """x,y,z,azimuth_deg,elevation_deg of the gripper in the task frame."""
    object_pose: str | None = None
    """x,y,yaw_deg: where the object stands in the arm's base frame, and the turn of the task frame; without the yaw
    the turn that suits the arm best is taken and printed."""
    moved_from: str | None = None
    """x,y in m from the anchor, along the task frame, to the object that is to be fetched; where the demonstrations
    had it when absent."""
    host: str | None = None
    """Address of a Franka arm."""
    port: int | None = None
    """UDP port of a robot on this machine."""
    max_linear: float | None = None
    """Largest speed, m/s."""
    max_angular: float | None = None
    """Largest turning speed, rad/s."""
    dry_run: bool = False
    """Read and print, but send nothing."""
    seed: int = 0
    """Of the policy's run."""
    runs: Path = Path("runs")
    """Folder of all results."""

    def __call__(self) -> int:
        """Run the command."""
        from real2sim_jax.core.policy import load_policy
        from real2sim_jax.robot.backends import ROBOTS, ConnectionConfig, base_limits, make_robot
        from real2sim_jax.robot.options import moved_place
        from real2sim_jax.robot.program import drive

        path = policy_path(self.policy, self.action, self.runs, self.seed)
        if self.robot.startswith("mujoco-") and self.stream is None:
            return _run_simulated(self, path)
        if self.robot not in ROBOTS:
            raise UserError(f"unknown robot {self.robot!r}: expected mujoco-gripper, mujoco-panda, {', '.join(ROBOTS)}")
        if self.video is not None or self.arm_model is not None:
            raise UserError("--video films mujoco-gripper and mujoco-panda only, and --arm-model is how that looks")
        policy = load_policy(path)
        policy = policy.placed(moved_place(policy.action, self.moved_from))
        settings = _settings(self, base_limits(self.robot), self.robot != "simulated")
        names = ("start", "object_pose", "host", "port", "stream")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        connection = ConnectionConfig(**given, stays=self.dry_run)
        return drive(policy, make_robot(self.robot, policy, connection, settings.limits), settings)


def _settings(options: Run, limits: Any, real_time: bool) -> Any:
    from real2sim_jax.robot.program import RunSettings, limits_from

    own = limits_from(options.max_linear, options.max_angular, limits)
    return RunSettings(options.steps, options.log, real_time, options.dry_run, own)


def _run_simulated(options: Run, path: Path) -> int:
    from real2sim_jax.robot.backends import NOMINAL_START, OBJECT_POSE
    from real2sim_jax.simulated_robots.program import ROBOTS, SimulationOptions, default_limits, run_simulated

    if options.robot not in ROBOTS:
        raise UserError(f"unknown robot {options.robot!r}: expected one of {', '.join(ROBOTS)}")
    settings = _settings(options, default_limits(options.robot), real_time=False)
    place = options.start or NOMINAL_START, options.object_pose or OBJECT_POSE, options.moved_from
    return run_simulated(options.robot, path, SimulationOptions(*place, options.video, options.arm_model), settings)


def policy_path(policy: Path | None, action: str | None, runs: Path, seed: int) -> Path:
    """Return the given file, or where the runs folder has the action's policy; UserError when neither is given."""
    from real2sim_jax.data.artefacts import RunLayout

    if policy is not None:
        return policy
    if action is None:
        raise UserError("expected --policy FILE or --action NAME; got neither")
    return RunLayout(runs, action_named(action).name).seed(seed) / "policy.npz"
