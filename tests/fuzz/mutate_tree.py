"""Damage to trees of values, and their texts: JSON and TOML with what no ordinary writer would print."""

import copy
import json
import math
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.fuzz import odd


@dataclass(frozen=True)
class Raw:
    """Text that is printed as it stands."""

    text: str


ODD: tuple[Any, ...] = (None, True, False, [], {}, [[]], {"": {}}, [None], Raw(odd.DIGITS), Raw(odd.DEEP), Raw("-0"),
                        Raw("1e999"), Raw("0x1f"), Raw("NaN"), Raw("[" * 500 + "]" * 500), Raw(""))  # fmt: skip


def value(rng: random.Random) -> Any:
    """Return an odd value of any kind."""
    return rng.choice((lambda: rng.choice(ODD), lambda: odd.number(rng), lambda: odd.text(rng)))()


def place(tree: Any, rng: random.Random) -> tuple[Any, Any] | None:
    """A container and a key in it, anywhere in the tree; None where there is none."""
    found = None
    while isinstance(tree, dict | list) and tree:
        key = rng.choice(list(tree)) if isinstance(tree, dict) else rng.randrange(len(tree))
        found, tree = (tree, key), tree[key]
        if rng.random() < 0.15:
            break
    return found


def replace(holder: Any, key: Any, rng: random.Random) -> None:
    holder[key] = value(rng)


def replace_number(holder: Any, key: Any, rng: random.Random) -> None:
    holder[key] = odd.number(rng)


def replace_text(holder: Any, key: Any, rng: random.Random) -> None:
    holder[key] = odd.text(rng)


def rescale(holder: Any, key: Any, rng: random.Random) -> None:
    """Numbers stay of their kind."""
    known = holder[key]
    if isinstance(known, bool) or not isinstance(known, int | float):
        holder[key] = [known]
    else:
        holder[key] = rng.choice((-known, known * 10**6, known * 10**12, 0 * known, known * 10**39, float(known)))


def remove(holder: Any, key: Any, rng: random.Random) -> None:
    del holder[key]


def rename(holder: Any, key: Any, rng: random.Random) -> None:
    if isinstance(holder, dict):
        holder[odd.text(rng)] = holder.pop(key)
    else:
        holder.reverse()


def add(holder: Any, key: Any, rng: random.Random) -> None:
    if isinstance(holder, dict):
        holder[odd.text(rng)] = value(rng)
    else:
        holder.insert(key, copy.deepcopy(holder[key]) if rng.random() < 0.5 else value(rng))


def swap(holder: Any, key: Any, rng: random.Random) -> None:
    other = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
    holder[key], holder[other] = holder[other], holder[key]


def wrap(holder: Any, key: Any, rng: random.Random) -> None:
    holder[key] = rng.choice(([holder[key]], {"": holder[key]}, [holder[key]] * 3))


def twice(holder: Any, key: Any, rng: random.Random) -> None:
    """The same key twice, which parsers take in different ways."""
    if isinstance(holder, dict):
        second = json_text(rng.choice((holder[key], value(rng))))
        holder[key] = Raw(f"{json_text(holder[key])}, {json.dumps(str(key))}: {second}")
    else:
        holder.extend(holder[:20] * 3)


KINDS: tuple[Callable[[Any, Any, random.Random], None], ...] = (
    replace, replace_number, rescale, remove, replace_text, rename, wrap, add, twice, swap,
)  # fmt: skip


def damaged(tree: Any, rng: random.Random, seed: int) -> Any:
    """Return a copy of a tree, damaged in the way that the seed names, sometimes in several places."""
    tree = [copy.deepcopy(tree)]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        found = place(tree[0], rng)
        if found is None or rng.random() < 0.02:
            found = tree, 0
        KINDS[seed % len(KINDS)](*found, rng)
        tree = tree[:1] or [None]
    return tree[0]


def json_text(tree: Any) -> str:
    """Return a tree as JSON."""
    if isinstance(tree, Raw):
        return tree.text
    if isinstance(tree, Mapping):
        return "{" + ", ".join(f"{json.dumps(str(key))}: {json_text(item)}" for key, item in tree.items()) + "}"
    if isinstance(tree, list | tuple):
        return "[" + ", ".join(map(json_text, tree)) + "]"
    return str(tree) if isinstance(tree, int) and not isinstance(tree, bool) else json.dumps(tree)


def toml_text(tree: Any) -> str:
    """Return a tree as TOML: a line of dotted keys for each leaf."""
    if not isinstance(tree, Mapping):
        return toml_value(tree)
    return "".join(f"{'.'.join(map(toml_key, keys))} = {toml_value(item)}\n" for keys, item in _leaves(tree))


def _leaves(tree: Mapping[Any, Any], above: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    found = []
    for key, item in tree.items():
        found += _leaves(item, (*above, key)) if isinstance(item, Mapping) and item else [((*above, key), item)]
    return found


def toml_key(key: Any) -> str:
    """Return a key, in quotes where it needs them."""
    return str(key) if re.fullmatch(r"[A-Za-z0-9_-]+", str(key)) else json.dumps(str(key))


def toml_value(item: Any) -> str:
    """Return a value of TOML."""
    if isinstance(item, Mapping):
        return "{" + ", ".join(f"{toml_key(key)} = {toml_value(one)}" for key, one in item.items()) + "}"
    if isinstance(item, list | tuple):
        return "[" + ", ".join(map(toml_value, item)) + "]"
    if isinstance(item, float) and not math.isfinite(item):
        return str(item)
    return "1979-05-27T07:32:00Z" if item is None else json_text(item)
