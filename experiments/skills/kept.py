"""What the programs share that judge the kept policies: their options, the policies, and how they end."""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from real2sim_jax.core.actions import ACTIONS, Action, action_named
from real2sim_jax.core.errors import UserError
from real2sim_jax.robot.options import Parser


def options_parser(text: str | None) -> Parser:
    """Return a parser of the options that all of them have."""
    parser = Parser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--policies", type=Path, default=Path("experiments/skills/results"), help="ACTION/seed0 below it"
    )
    parser.add_argument("--actions", nargs="+", default=list(ACTIONS), metavar="ACTION", help="all nine when absent")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the reports [runs]")
    return parser


def kept_policies(options: argparse.Namespace) -> Iterator[tuple[Action, Path]]:
    """Yield the chosen actions that have a policy, and its file."""
    for action in map(action_named, options.actions):
        policy = options.policies / action.name / "seed0" / "policy.npz"
        if policy.is_file():
            yield action, policy


def run(main: Callable[[], int]) -> None:
    """End with the exit code of a program: 2 with one line for wrong input, 130 when interrupted."""
    try:
        sys.exit(main())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
