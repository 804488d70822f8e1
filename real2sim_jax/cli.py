"""`real2sim annotate | segment | fit | train | benchmark | compare | run | view ...`: every command in one list."""

import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from difflib import get_close_matches
from functools import reduce
from io import StringIO
from operator import or_
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

import real2sim_jax
from real2sim_jax.commands.annotate import Annotate
from real2sim_jax.commands.benchmark import Benchmark
from real2sim_jax.commands.compare import Compare
from real2sim_jax.commands.config import ConfigFile
from real2sim_jax.commands.evaluate import EvaluateStates
from real2sim_jax.commands.export import Export
from real2sim_jax.commands.fit import Fit
from real2sim_jax.commands.info import Info
from real2sim_jax.commands.profile import Profile
from real2sim_jax.commands.replay import Replay
from real2sim_jax.commands.robot import Run
from real2sim_jax.commands.segment import Segment
from real2sim_jax.commands.sweep import Sweep
from real2sim_jax.commands.train import Train
from real2sim_jax.commands.tune import TuneEnv
from real2sim_jax.commands.view import View
from real2sim_jax.commands.weights import Weights
from real2sim_jax.config.tree import based_on
from real2sim_jax.core.errors import InputError, UserError, refusal
from real2sim_jax.jax_settings import prepare

# Modules that load jax are imported inside the commands: `--help` stays quick, and jax reads its settings on import.

Command = (
    Annotated[Segment, tyro.conf.subcommand("segment")]
    | Annotated[Annotate, tyro.conf.subcommand("annotate")]
    | Annotated[Weights, tyro.conf.subcommand("weights")]
    | Annotated[Fit, tyro.conf.subcommand("fit")]
    | Annotated[EvaluateStates, tyro.conf.subcommand("evaluate-states")]
    | Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Benchmark, tyro.conf.subcommand("benchmark")]
    | Annotated[Compare, tyro.conf.subcommand("compare")]
    | Annotated[Sweep, tyro.conf.subcommand("sweep")]
    | Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Replay, tyro.conf.subcommand("replay")]
    | Annotated[View, tyro.conf.subcommand("view")]
    | Annotated[Profile, tyro.conf.subcommand("profile")]
    | Annotated[TuneEnv, tyro.conf.subcommand("tune-env")]
    | Annotated[ConfigFile, tyro.conf.subcommand("config")]
    | Annotated[Info, tyro.conf.subcommand("info")]
)


RULES = ConstructorRegistry()


@RULES.primitive_rule
def optional(info: PrimitiveTypeInfo) -> Any:
    """Show what an option that may be left out takes, without the `None` that leaving it out means."""
    kinds = get_args(info.type)
    if get_origin(info.type) not in (Union, UnionType) or type(None) not in kinds:
        return None
    given = reduce(or_, (kind for kind in kinds if kind is not type(None)))
    spec = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(given, info.markers))
    if not isinstance(spec, PrimitiveConstructorSpec):
        return spec
    return replace(
        spec,
        is_instance=lambda value: value is None or spec.is_instance(value),
        str_from_instance=lambda value: ["None"] if value is None else spec.str_from_instance(value),
    )


def parsed(arguments: Sequence[str]) -> Any:
    """Return the command of a command line; UserError in one line where tyro refuses it with a box of several."""
    said = StringIO()
    try:
        with redirect_stderr(said):
            return _tyro(arguments)
    except SystemExit as end:
        if end.code != 2:
            raise
        line = _one_line(said.getvalue())
        raise UserError(_guess(arguments, line) + line) from None


def _tyro(arguments: Sequence[str]) -> Any:
    settings = {"prog": "real2sim", "description": __doc__, "registry": RULES}
    return tyro.cli(Command, args=arguments, **settings)  # type: ignore[arg-type]


def _guess(arguments: Sequence[str], refusal: str) -> str:
    """What was probably meant by the first unknown word, in a sentence; nothing where no known one is like it."""
    unknown = re.search(r"Unrecognized options: (\S+)", refusal)
    if unknown is None or "Perhaps you meant" in refusal:
        return ""
    word = unknown[1].partition("=")[0]
    # Options are those that the help lists: of the subcommand, where that is known.
    shown, command = StringIO(), [] if arguments[0] == word else [arguments[0]]
    with suppress(SystemExit), redirect_stdout(shown), redirect_stderr(shown):
        _tyro([*command, "--help"])
    known = re.findall(r"--[a-z][\w.-]*" if word.startswith("--") else r"\b[a-z][a-z-]+\b", shown.getvalue())
    close = get_close_matches(word, known, n=1, cutoff=0.75)
    return f"{word}: did you mean {close[0]}? " if close else ""


def _one_line(box: str) -> str:
    """Return the text inside a frame of tyro's, of whatever letters the terminal has, without the title line."""
    text = re.sub(r"[\u2500-\u257f]|-{3,}", " ", box.partition("\n")[2])
    return " ".join(text.split()).replace("__tyro-dummy-inner__.", "--")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `real2sim`: exit code 0, 2 for wrong input (one line on stderr), 130 when interrupted."""
    prepare()
    arguments = sys.argv[1:] if arguments is None else arguments
    if list(arguments) == ["--version"]:
        print(f"real2sim {real2sim_jax.__version__}")
        sys.exit(0)
    try:
        with based_on(arguments):
            command = parsed(arguments)
        sys.exit(command())
    except (InputError, OSError) as error:
        print(f"real2sim: {refusal(error)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("real2sim: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
