"""Some fields of nested frozen dataclasses replaced by what a text file says."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from real2sim_jax.core.errors import UserError
from real2sim_jax.core.settings import spelt

Config = TypeVar("Config")


def override(config: Config, changes: Any, where: str) -> Config:
    """Return a copy of a configuration in which the named fields have other values.

    changes: a mapping, nested like the dataclasses. `where` names the place in errors. UserError: a name that is no
    field (the error lists them), or a value of another type or outside its range.
    """
    if not isinstance(changes, Mapping):
        raise UserError(f"{where}: expected a table of {_names(config)}; got {changes!r}")
    hints = get_type_hints(type(config))
    values = {}
    for name, value in changes.items():
        place = f"{where}.{name}"
        if name not in hints:
            raise UserError(f"{place}: unknown; expected one of {_names(config)}")
        current = getattr(config, name)
        values[name] = (
            override(current, value, place) if is_dataclass(current) else converted(hints[name], value, place)
        )
    with placed(f"{where}."):
        return replace(config, **values)  # type: ignore[type-var]


@contextmanager
def placed(where: str) -> Iterator[None]:
    """Put the name of a place before what a `UserError` of the block says."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{where}{error}") from error


def converted(kind: Any, value: Any, where: str) -> Any:
    """Return a value of a text file as the annotated type; UserError when it is of another."""
    result = _convert(kind, value)
    if result is _REFUSED:
        raise UserError(f"{where}: expected {spelt(kind)}, got {value!r}")
    return result


_REFUSED = object()


def _convert(kind: Any, value: Any) -> Any:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        found = [result for part in parts if (result := _convert(part, value)) is not _REFUSED]
        return found[0] if found else _REFUSED
    if origin is Literal:
        return value if value in parts else _REFUSED
    if origin is tuple:
        return _convert_tuple(parts, value)
    # Not isinstance: to it a bool is an int.
    if kind is float:
        return float(value) if type(value) in (int, float) and math.isfinite(value) else _REFUSED
    return value if type(value) is kind else _REFUSED


def _convert_tuple(parts: tuple[Any, ...], value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return _REFUSED
    kinds = [parts[0]] * len(value) if parts[-1] is Ellipsis else list(parts)
    if len(kinds) != len(value):
        return _REFUSED
    items = tuple(_convert(kind, item) for kind, item in zip(kinds, value, strict=True))
    return _REFUSED if _REFUSED in items else items


def _names(config: Any) -> str:
    return ", ".join(field.name for field in fields(config))
