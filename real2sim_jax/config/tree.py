"""All settings of a run in one tree, one branch for each stage, and as a TOML file."""

import ast
import inspect
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any, Literal

from real2sim_jax.config.fitting import FitConfig
from real2sim_jax.config.learning import PRESETS, DemonstrationConfig, TrainConfig
from real2sim_jax.core.errors import UserError
from real2sim_jax.core.settings import Checked, Count, Range, override
from real2sim_jax.core.text import read_toml

SegmenterName = Literal["auto", "boxes", "sam"]


@dataclass(frozen=True)
class SegmentConfig(Checked):
    """How masks are found in video files."""

    segmenter: SegmenterName | None = None
    """How masks are found in video files: sam (Segment Anything: MobileSAM, or the model of --checkpoint), auto
    (colours, motion and saliency), or boxes (follow what --prompt draws boxes around, without any network); sam where
    it is installed or there is a checkpoint, auto otherwise."""
    checkpoint: Path | None = None
    """File of weights of Segment Anything (ViT-B, L or H), for the segmenter sam; needs the extra sam."""


@dataclass(frozen=True)
class BenchmarkConfig(Checked):
    """How a trained policy is judged."""

    rows: Count = 1000
    """Start states of each benchmark."""
    imitate_within_m: Annotated[float, Range(0.001, 1)] = 0.03
    """How near to the demonstrated end the moved object must end, for --action imitate and imitate_with_anchor."""
    imitate_within_deg: Annotated[float, Range(0.1, 180)] = 20.0
    """How near its turn must be to the demonstrated one."""


@dataclass(frozen=True)
class Config(Checked):
    """Every setting of the stages from a video to a benchmarked policy."""

    segment: SegmentConfig = field(default_factory=SegmentConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    demonstrate: DemonstrationConfig = field(default_factory=DemonstrationConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    benchmark: BenchmarkConfig = field(default_factory=BenchmarkConfig)


_BASE: ContextVar[Config] = ContextVar("base", default=Config())  # noqa: B039 - frozen


def base() -> Config:
    """Return what the options of the command line change: the defaults outside `based_on`."""
    return _BASE.get()


@contextmanager
def based_on(arguments: Sequence[str]) -> Iterator[None]:
    """Let the options of a command line change its --preset and its --config FILE instead of the defaults.

    The parser shows and fills in every setting, so it must know these two before it reads the others. UserError for
    a preset that there is not, or a file that `override` refuses.
    """
    preset, path = (_last(arguments, option) for option in ("--preset", "--config"))
    if preset not in (None, *PRESETS):
        raise UserError(f"--preset {preset}: expected one of {', '.join(PRESETS)}")
    config = Config() if preset is None else replace(Config(), train=PRESETS[preset])
    token = _BASE.set(config if path is None else override(config, read_toml(path), path))
    try:
        yield
    finally:
        _BASE.reset(token)


def _last(arguments: Sequence[str], option: str) -> str | None:
    """Return the last value that an option is given, as `--option VALUE` or `--option=VALUE`."""
    apart = [after for one, after in pairwise(arguments) if one == option]
    joined = [one.partition("=")[2] for one in arguments if one.startswith(f"{option}=")]
    return (apart + joined or [None])[-1]


def toml_text(config: Any, path: str = "") -> str:
    """Return a configuration as TOML, each setting below what its docstring says; what is None stays a comment."""
    values = {one.name: getattr(config, one.name) for one in fields(config)}
    notes = _docstrings(type(config))
    lines = [f"[{path}]"] if path and not all(map(is_dataclass, values.values())) else []
    for name, value in values.items():
        if not is_dataclass(value):
            lines += [f"# {line}" for line in notes.get(name, "").splitlines()]
            lines.append(f"# {name} =" if value is None else f"{name} = {json.dumps(value, default=str)}")
    tables = [toml_text(value, f"{path}.{n}".lstrip(".")) for n, value in values.items() if is_dataclass(value)]
    return "\n\n".join(part for part in ("\n".join(lines), *tables) if part)


def _docstrings(kind: type) -> dict[str, str]:
    """Return the docstring below each field of a dataclass."""
    (node,) = ast.parse(dedent(inspect.getsource(kind))).body
    body = node.body  # type: ignore[attr-defined]
    found = {}
    for one, after in pairwise(body):
        if isinstance(one, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[one.target.id] = inspect.cleandoc(str(after.value.value))  # type: ignore[union-attr]
    return found
