"""What values settings may have: each field says its range beside its type, and one function holds all to it.

Every configuration is a dataclass that inherits `Checked`, so the command line, text files and programs of one's own
meet the same check.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from real2sim_jax.core.errors import UserError


@dataclass(frozen=True)
class Range:
    """The least and the greatest value of a number."""

    least: float
    most: float
    above: bool = False
    """Whether the least is left out."""

    def __contains__(self, value: Any) -> bool:
        """Whether a number lies in it."""
        return self.least <= value <= self.most and not (self.above and value == self.least)

    def __str__(self) -> str:
        """Return it as it is called in errors."""
        least, most = (f"{value:.13g}" for value in (self.least, self.most))
        return f"above {least} and at most {most}" if self.above else f"{least} to {most}"


@dataclass(frozen=True)
class Length:
    """The least and the greatest length of a list."""

    least: int
    most: int


Count = Annotated[int, Range(1, 1_000_000)]
"""Of things that there must be."""
Seed = Annotated[int, Range(0, 2**31 - 1)]
Share = Annotated[float, Range(0, 1)]
Weight = Annotated[float, Range(0, 1e6)]
"""Of a term in a sum; 0 leaves it out."""
Positive = Annotated[float, Range(0, 1e6, above=True)]
Metres = Annotated[float, Range(0, 10)]
Seconds = Annotated[float, Range(0, 3600)]
AnyConfig = TypeVar("AnyConfig")


class Checked:
    """Base of every configuration: a dataclass whose fields are checked when it is made."""

    def __post_init__(self) -> None:
        """UserError where a field has a value that it cannot have."""
        for name, kind in get_type_hints(type(self), include_extras=True).items():
            for fault in _faults(kind, getattr(self, name)):
                raise UserError(f"{name}: expected {fault}, got {getattr(self, name)!r}")


def override(config: AnyConfig, changes: Any, where: str) -> AnyConfig:
    """Return a copy of a configuration in which the named fields have other values.

    changes: a mapping as a text file gives it, nested like the dataclasses. `where` names the place in errors.
    UserError: a name that is no field (the error lists them), or a value that the field cannot have.
    """
    names = ", ".join(field.name for field in fields(config))  # type: ignore[arg-type]
    if not isinstance(changes, Mapping):
        raise UserError(f"{where}: expected a table of {names}; got {changes!r}")
    kinds = get_type_hints(type(config))
    values = {}
    for name, value in changes.items():
        if name not in kinds:
            raise UserError(f"{where}.{name}: unknown; expected one of {names}")
        current = getattr(config, name)
        nested = is_dataclass(current)
        values[name] = override(current, value, f"{where}.{name}") if nested else as_field(kinds[name], value)
    with placed(f"{where}."):
        return replace(config, **values)  # type: ignore[type-var]


def as_field(kind: Any, value: Any) -> Any:
    """Return a text file's value as a field of that type holds it; what does not fit stays for `Checked` to refuse."""
    parts = [part for part in get_args(kind) if part is not Ellipsis]
    if isinstance(value, list):
        return tuple(as_field(parts[min(i, len(parts) - 1)] if parts else Any, one) for i, one in enumerate(value))
    if isinstance(value, str) and Path in (kind, *parts):
        return Path(value)
    # jax would make an array of whole numbers of it.
    return float(value) if kind is float and type(value) is int and abs(value) < 1e300 else value


@contextmanager
def placed(where: str) -> Iterator[None]:
    """Put the name of a place before what a `UserError` of the block says."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{where}{error}") from error


def _faults(kind: Any, value: Any) -> Iterator[str]:
    """What would have been expected of a value where it does not fit the annotated type."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield from _annotated_faults(parts[0], parts[1:], value)
    elif origin in (Union, UnionType):
        found = {part: list(_faults(part, value)) for part in parts}
        fits = [] in found.values()
        yield from [] if fits else [" or ".join(faults[0] for part, faults in found.items() if part is not NoneType)]
    elif origin is Literal:
        yield from [] if value in parts else [f"one of {', '.join(map(str, parts))}"]
    elif origin is tuple:
        yield from _tuple_faults(parts, value)
    elif not _is(origin or kind, value):
        yield spelt(kind)


def _annotated_faults(kind: Any, limits: tuple[Any, ...], value: Any) -> Iterator[str]:
    wrong = list(_faults(kind, value))
    for limit in limits:
        if isinstance(limit, Range) and (wrong or value not in limit):
            yield f"{spelt(kind)} {'' if limit.above else 'from '}{limit}"
        if isinstance(limit, Length) and (wrong or not limit.least <= len(value) <= limit.most):
            yield wrong[0] if wrong else f"{limit.least} to {limit.most} values"
    yield from wrong


def _tuple_faults(parts: tuple[Any, ...], value: Any) -> Iterator[str]:
    if not isinstance(value, tuple):
        yield "a list"
        return
    kinds = [parts[0]] * len(value) if parts[-1] is Ellipsis else list(parts)
    if len(kinds) != len(value):
        yield f"{len(kinds)} values"
        return
    for part, item in zip(kinds, value, strict=True):
        yield from (f"each {fault}" for fault in _faults(part, item))


def _is(kind: Any, value: Any) -> bool:
    """Whether a value is of a plain type; a bool is no number, a whole number is one with a fraction too."""
    number = {int: Integral, float: Real}.get(kind)
    return isinstance(value, kind) if number is None else isinstance(value, number) and not isinstance(value, bool)


def spelt(kind: Any) -> str:
    """Return a type as it is called in errors."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return spelt(parts[0])
    if origin is Literal:
        return f"one of {', '.join(map(str, parts))}"
    if origin is tuple:
        names = [spelt(part) for part in parts if part is not Ellipsis]
        return f"a list of {names[0]}s" if Ellipsis in parts else f"[{', '.join(names)}]"
    if origin in (Union, UnionType):
        return " or ".join(spelt(part) for part in parts if part is not NoneType)
    names = {int: "whole number", float: "number", bool: "true or false", str: "text"}
    return names.get(kind, getattr(kind, "__name__", str(kind)))
