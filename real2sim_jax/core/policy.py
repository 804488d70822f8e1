"""The policy file and its forward pass: what is benchmarked is what ships."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from real2sim_jax.core.actions import Action, action_named, action_of_record
from real2sim_jax.core.arrays import namespace
from real2sim_jax.core.errors import InputError
from real2sim_jax.core.observation import (
    ACTION_SIZE,
    FEATURE_SIZE,
    LAYOUTS,
    OBJECT_FIELDS,
    PLACE_FIELDS,
    POLICY_FIELDS,
    feature_size,
    features,
)
from real2sim_jax.core.reference import Reference
from real2sim_jax.core.schema import Spec, check
from real2sim_jax.core.storage import StorageError, read_npz, shown, write_npz

Array = Any

FORMAT, VERSION = "real2sim-policy", 2
MAX_BYTES = 64 * 2**20


class PolicyError(InputError):
    """A policy file that must not be used, with the reason in one line."""


@dataclass(frozen=True)
class Policy:
    """A deterministic policy: tanh layers on normalised features, whose output moves the target of a reference.

    action = reference.action(observation, network(features(observation))) in [-1, 1]^7, see `observation.command`;
    without a reference it is the tanh of the network's output.
    """

    action: Action
    """What it performs."""
    dt: float
    """Control period, s."""
    mean: Array
    """(F,) of the features."""
    std: Array
    """(F,)."""
    layers: tuple[tuple[Array, Array], ...]
    """(weight (in, out), bias (out,)) of each layer; tanh between, none after the last."""
    reference: Reference | None
    """What the network moves the target of, None where its output is the action."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """Configuration, hashes of the inputs, versions."""

    @property
    def layout(self) -> tuple[str, ...]:
        """Names of what it observes, in order."""
        return next(layout for layout in LAYOUTS if feature_size(len(layout)) == self.mean.shape[-1])

    @property
    def sees_object(self) -> bool:
        """Whether it observes the moved object too, which simulators know and robots do not."""
        return OBJECT_FIELDS[0] in self.layout

    @property
    def sees_place(self) -> bool:
        """Whether it observes where the moved object stood at the start, which whoever runs it says."""
        return PLACE_FIELDS[0] in self.layout

    def placed(self, place: Array) -> "Policy":
        """Return the policy for a moved object that stands at a place (2,) m, which it then observes no more.

        Reference and network take the place in once, so that whatever drives a robot needs to know nothing of it. One
        that observes no place stays itself.
        """
        if not self.sees_place:
            return self
        place, (weight, bias) = np.asarray(place, np.float32), self.layers[0]
        taken = slice(FEATURE_SIZE, FEATURE_SIZE + len(PLACE_FIELDS))
        rest = np.delete(np.arange(len(self.mean)), taken)
        seen = (5.0 * place - self.mean[taken]) / self.std[taken]
        reference = self.reference
        if reference is not None:
            rows = np.arange(len(reference.grip), dtype=np.float32) / (len(reference.grip) - 1)
            moved, speed = reference.displacement(rows, np.tile(place, (len(rows), 1)))
            tables = {"position": reference.position + moved, "velocity": reference.velocity + speed}
            reference = replace(reference, **tables, fetched_from=None, share=None)
        layers = (weight[rest], bias + seen @ weight[taken]), *self.layers[1:]
        return replace(self, mean=self.mean[rest], std=self.std[rest], layers=layers, reference=reference)

    def act(self, obs: Array) -> Array:
        """Return the action (..., 7) in [-1, 1] for observations (..., len(layout)).

        An observation with a number that is not finite has no action: all seven are NaN, which whoever is to apply
        them refuses.
        """
        xp = namespace(obs)
        known = xp.isfinite(obs).all(axis=-1, keepdims=True)
        return xp.where(known, self._act(xp.where(known, obs, 0.0)), xp.nan)

    def _act(self, obs: Array) -> Array:
        xp = namespace(obs)
        x = (features(obs) - self.mean) / self.std
        for weight, bias in self.layers[:-1]:
            x = xp.tanh(x @ weight + bias)
        weight, bias = self.layers[-1]
        return act(self.reference, obs, x @ weight + bias)


def act(reference: Reference | None, obs: Array, output: Array) -> Array:
    """Return the action (..., 7) in [-1, 1] for observations (..., len(layout)) and the network's outputs (..., 7)."""
    return namespace(output).tanh(output) if reference is None else reference.action(obs, output)


def check_blind(policy: Policy) -> None:
    """Raise PolicyError for a policy that robots cannot run because it sees the object, or because it is not placed."""
    if policy.sees_object:
        raise PolicyError("this policy sees the object, which robots do not report; train one without observe_object")
    if policy.sees_place:
        raise PolicyError("this policy has to know where the object to be moved stands: give --moved-from x,y")


def save_policy(path: str | Path, policy: Policy) -> None:
    """Write a policy to an .npz file (no pickle), whole or not at all; PolicyError for one that would not be read."""
    header = {
        "format": FORMAT,
        "version": VERSION,
        "action": policy.action.name,
        "record": policy.action.record(),
        "dt": policy.dt,
        "observation": list(policy.layout),
        "layers": len(policy.layers),
        "reference": "none" if policy.reference is None else "tracking",
        "provenance": policy.provenance,
    }
    arrays = {"mean": policy.mean, "std": policy.std}
    if policy.reference is not None:
        arrays |= {f"reference_{name}": table for name, table in policy.reference.tables().items()}
    for i, (weight, bias) in enumerate(policy.layers):
        arrays |= {f"weight{i}": weight, f"bias{i}": bias}
    arrays = {name: np.asarray(value, np.float32) for name, value in arrays.items()}
    _check(path, header, arrays)
    write_npz(path, json.dumps(header), arrays)


def load_policy(path: str | Path) -> Policy:
    """Read and check a policy file; PolicyError says in one line why it is refused."""
    if not Path(path).is_file():
        raise PolicyError(f"{path}: expected a policy file, found none; train one or check the path")
    try:
        header, arrays = read_npz(path, MAX_BYTES)
    except StorageError as error:
        raise PolicyError(f"{path}: not a policy file ({error}); export it again") from error
    _check(path, header, arrays)
    return Policy(
        action=_action(path, header),
        dt=header["dt"],
        mean=arrays["mean"],
        std=arrays["std"],
        layers=tuple((arrays[f"weight{i}"], arrays[f"bias{i}"]) for i in range(header["layers"])),
        reference=_reference(header, arrays),
        provenance=header["provenance"],
    )


def _action(path: str | Path, header: Mapping[str, Any]) -> Action:
    """The action of its record; files from before there were records are of one of the nine."""
    try:
        if "record" in header:
            return action_of_record({**header["record"], "name": header["action"]}, "record")
        return action_named(header["action"])
    except InputError as error:
        raise PolicyError(f"{path}: {error}; export the policy again") from error


def _reference(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Reference | None:
    if header["reference"] == "none":
        return None
    return Reference(**{f.name: arrays.get(f"reference_{f.name}") for f in fields(Reference)})


_HEADER: dict[str, tuple[Callable[[Any], bool], str]] = {
    "format": (lambda value: value == FORMAT, repr(FORMAT)),
    "version": (lambda value: type(value) is int and value == VERSION, str(VERSION)),
    # The action's name is printed: nothing in it may steer a terminal.
    "action": (lambda value: isinstance(value, str) and value.isidentifier() and len(value) <= 64, "a short name"),
    "record": (lambda value: isinstance(value, dict), "a table"),
    "dt": (lambda value: isinstance(value, float) and 0.001 <= value <= 1.0, "0.001 to 1 s"),
    "observation": (
        lambda value: value in [list(layout) for layout in LAYOUTS],
        f"the layout {', '.join(POLICY_FIELDS)}, and {', '.join(PLACE_FIELDS)} where the object is fetched",
    ),
    "layers": (lambda value: type(value) is int and 1 <= value <= 16, "1 to 16"),
    "reference": (lambda value: value in ("tracking", "none"), "tracking or none"),
    "provenance": (lambda value: isinstance(value, dict), "a table"),
}
"""What each entry of the header must be, as a test and in words."""
OPTIONAL = ("record",)


def _specs(layout: list[str], layers: int, reference: str) -> dict[str, Spec]:
    """What each array must be, by what is observed and the number of layers.

    The ranges are far beyond any policy that was learned, and so narrow that no float32 of a forward pass overflows.
    """
    widths = [str(feature_size(len(layout))), *(f"width{i}" for i in range(1, layers)), str(ACTION_SIZE)]
    specs = {"mean": _floats(widths[0], 1e6), "std": Spec(widths[0], "f4", 1e-6, 1e6)}
    for i, (width, after) in enumerate(pairwise(widths)):
        specs |= {f"weight{i}": _floats(f"{width} {after}", 1e6), f"bias{i}": _floats(after, 1e6)}
    tables = {
        "position": _floats("rows 3", 100.0),
        "wxyz": Spec("rows 4", "f4", unit=True),
        "velocity": _floats("rows 3", 1e4),
        "grip": _floats("rows", 1e4),
        "gains": Spec("2", "f4", 0.0, 1e4),
        "reach": Spec("2", "f4", 0.0, 100.0),
    }
    if PLACE_FIELDS[0] in layout:
        tables |= {"fetched_from": _floats("2", 100.0), "share": Spec("rows", "f4", 0.0, 1.0)}
    return specs | ({} if reference == "none" else {f"reference_{name}": spec for name, spec in tables.items()})


def _floats(axes: str, largest: float) -> Spec:
    return Spec(axes, "f4", -largest, largest)


def _check(path: str | Path, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Hold a file's content to the schema; PolicyError names what is missing, unknown or wrong."""
    for name, (fits, expected) in _HEADER.items():
        if name in OPTIONAL and name not in header:
            continue
        if name not in header:
            raise PolicyError(f"{path}: the header has no {name!r}; export the policy again")
        if not fits(header[name]):
            got = shown(header[name])
            raise PolicyError(f"{path}: {name} = {got}, expected {expected}; export the policy again")
    unknown = [name for name in header if name not in _HEADER]
    if unknown:
        raise PolicyError(f"{path}: the header's {shown(unknown[0])} is unknown; export the policy again")
    try:
        check(arrays, _specs(header["observation"], header["layers"], header["reference"]), {})
    except ValueError as error:
        raise PolicyError(f"{path}: {error}; export the policy again") from error
