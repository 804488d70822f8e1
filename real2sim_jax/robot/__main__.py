"""Run a policy file on a robot, a simulated arm or a recorded stream: python -m real2sim_jax.robot POLICY."""

import sys
from collections.abc import Sequence
from pathlib import Path

from real2sim_jax.core.errors import InputError, refusal
from real2sim_jax.core.policy import load_policy
from real2sim_jax.robot.backends import NOMINAL_START, OBJECT_POSE, ROBOTS, ConnectionConfig, base_limits, make_robot
from real2sim_jax.robot.limits import Limits
from real2sim_jax.robot.options import Parser, moved_place
from real2sim_jax.robot.program import RunSettings, drive, limits_from


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; 0 when it went through, 1 when it ended early, 2 with one line when an input is wrong."""
    options = _parser().parse_args(arguments)
    try:
        policy = load_policy(options.policy)
        policy = policy.placed(moved_place(policy.action, options.moved_from))
        settings = RunSettings(
            steps=options.steps,
            log=options.log,
            real_time=options.real_time or options.robot != "simulated",
            dry_run=options.dry_run,
            limits=limits_from(options.max_linear, options.max_angular, base_limits(options.robot)),
        )
        where = options.start, options.object_pose, options.host, options.port, options.stream, options.dry_run
        connection = ConnectionConfig(*where)
        return drive(policy, make_robot(options.robot, policy, connection, settings.limits), settings)
    except (InputError, OSError) as error:
        print(refusal(error), file=sys.stderr)
        return 2


def _parser() -> Parser:
    parser = Parser(prog="python -m real2sim_jax.robot", description=(__doc__ or "").split(":")[0])
    parser.add_argument("policy", help="policy file (.npz)")
    parser.add_argument("--robot", choices=ROBOTS, default="simulated", help="what to drive (%(default)s)")
    parser.add_argument("--host", default=ConnectionConfig.host, help="address of a Franka arm (%(default)s)")
    parser.add_argument("--port", type=int, default=ConnectionConfig.port, help="UDP port of a robot (%(default)s)")
    parser.add_argument("--object-pose", default=OBJECT_POSE, help="x,y[,yaw_deg] in a Franka arm's base (%(default)s)")
    parser.add_argument("--moved-from", help="x,y in m from the anchor to the object to be fetched (as demonstrated)")
    parser.add_argument("--stream", type=Path, help="recorded observations (.npz) to play back instead of an arm")
    parser.add_argument("--steps", type=int, help="control periods to run (the stream, or one episode of 10 s)")
    parser.add_argument("--log", type=Path, help="write what was seen, wanted and sent to this .csv or .npz")
    parser.add_argument("--start", default=NOMINAL_START, help="x,y,z,azimuth_deg,elevation_deg (%(default)s)")
    parser.add_argument("--real-time", action="store_true", help="keep the control period by the clock")
    parser.add_argument("--dry-run", action="store_true", help="read and print, but send nothing")
    defaults = Limits()
    parser.add_argument("--max-linear", type=float, help=f"m/s ({defaults.linear_m_s:.2f})")
    parser.add_argument("--max-angular", type=float, help=f"rad/s ({defaults.angular_rad_s:.2f})")
    return parser


if __name__ == "__main__":
    sys.exit(main())
