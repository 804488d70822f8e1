"""The policy file and its forward pass: what is benchmarked is what ships."""

import json
import os
import zipfile
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from real2sim_jax.robot.guide import Guide
from real2sim_jax.robot.observation import ACTION_SIZE, FEATURE_SIZE, LAYOUTS, POLICY_FIELDS, feature_size, features

Array = Any

FORMAT, VERSION = "real2sim-policy", 1
MAX_BYTES = 64 * 2**20


class PolicyError(ValueError):
    """A policy file that must not be used, with the reason in one line."""


@dataclass(frozen=True)
class Policy:
    """A deterministic policy: tanh layers on normalised features that correct the demonstrations' guide.

    action = tanh(network(features(observation)) + guide.bias(observation)) in [-1, 1]^7, see `observation.command`.
    """

    action: str
    """Name of the action that it performs."""
    dt: float
    """Control period, s."""
    mean: Array
    """(F,) of the features."""
    std: Array
    """(F,)."""
    layers: tuple[tuple[Array, Array], ...]
    """(weight (in, out), bias (out,)) of each layer; tanh between, none after the last."""
    guide: Guide
    provenance: dict[str, Any] = field(default_factory=dict)
    """Configuration, hashes of the inputs, versions."""

    @property
    def layout(self) -> tuple[str, ...]:
        """Names of what it observes, in order."""
        return LAYOUTS[0] if self.mean.shape[-1] == FEATURE_SIZE else LAYOUTS[1]

    @property
    def sees_object(self) -> bool:
        """Whether it observes the moved object too, which simulators know and robots do not."""
        return self.layout != POLICY_FIELDS

    def act(self, obs: Array, xp: ModuleType = np) -> Array:
        """Return the action (..., 7) in [-1, 1] for observations (..., len(layout))."""
        x = (features(obs, xp) - self.mean) / self.std
        for weight, bias in self.layers[:-1]:
            x = xp.tanh(x @ weight + bias)
        weight, bias = self.layers[-1]
        return xp.tanh(x @ weight + bias + self.guide.bias(obs, xp))


def check_blind(policy: Policy) -> None:
    """Raise PolicyError for a policy that robots cannot run because it sees the object."""
    if policy.sees_object:
        raise PolicyError("this policy sees the object, which robots do not report; train one without observe_object")


def save_policy(path: str | Path, policy: Policy) -> None:
    """Write a policy to an .npz file (no pickle), under a temporary name first."""
    header = {
        "format": FORMAT,
        "version": VERSION,
        "action": policy.action,
        "dt": policy.dt,
        "observation": list(policy.layout),
        "layers": len(policy.layers),
        "provenance": policy.provenance,
    }
    arrays = {"mean": policy.mean, "std": policy.std}
    arrays |= {f"guide_{f.name}": getattr(policy.guide, f.name) for f in fields(Guide)}
    for i, (weight, bias) in enumerate(policy.layers):
        arrays |= {f"weight{i}": weight, f"bias{i}": bias}
    arrays = {name: np.asarray(value, np.float32) for name, value in arrays.items()}
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(temporary, "wb") as file:
        np.savez(file, header=np.array(json.dumps(header)), **arrays)  # type: ignore[arg-type]
    os.replace(temporary, target)


def load_policy(path: str | Path) -> Policy:
    """Read and check a policy file; PolicyError says in one line why it is refused."""
    header, arrays = _read(Path(path))
    _check_header(path, header)
    layers = tuple((arrays.get(f"weight{i}"), arrays.get(f"bias{i}")) for i in range(header["layers"]))
    policy = Policy(
        action=str(header["action"]),
        dt=float(header["dt"]),
        mean=arrays.get("mean"),
        std=arrays.get("std"),
        layers=layers,
        guide=Guide(**{f.name: arrays.get(f"guide_{f.name}") for f in fields(Guide)}),
        provenance=dict(header.get("provenance", {})),
    )
    _check_arrays(path, policy, feature_size(len(header["observation"])))
    return policy


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    if not path.is_file():
        raise PolicyError(f"{path}: expected a policy file, found none; train one or check the path")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_BYTES:
            raise PolicyError(f"{path}: unpacks to {size} bytes; a policy has at most {MAX_BYTES}")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return json.loads(str(arrays.pop("header"))), arrays
    except PolicyError:
        raise
    except Exception as error:
        # Whatever a damaged or foreign file makes zipfile, numpy or json raise means the same to the user.
        raise PolicyError(f"{path}: not a policy file ({type(error).__name__}); export it again") from error


def _check_header(path: str | Path, header: Any) -> None:
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise PolicyError(f"{path}: expected format {FORMAT!r}; this is not a policy file")
    if header.get("version") != VERSION:
        raise PolicyError(
            f"{path}: version {_shown(header.get('version'))}, expected {VERSION}; export the policy again"
        )
    if header.get("observation") not in [list(layout) for layout in LAYOUTS]:
        raise PolicyError(f"{path}: another observation layout than {', '.join(POLICY_FIELDS)}; export it again")
    dt, layers = header.get("dt"), header.get("layers")
    if not isinstance(dt, float) or not 0.001 <= dt <= 1.0:
        raise PolicyError(f"{path}: control period dt = {_shown(dt)}; expected 0.001 to 1 s")
    # The action's name is printed: nothing in it may steer a terminal.
    texts_ok = str(header.get("action")).isidentifier() and isinstance(header.get("provenance", {}), dict)
    if not isinstance(layers, int) or not 1 <= layers <= 16 or not texts_ok:
        raise PolicyError(f"{path}: damaged header; export the policy again")


def _shown(value: Any) -> str:
    """A foreign value, short and in one line."""
    return repr(value)[:40]


def _check_arrays(path: str | Path, policy: Policy, size: int) -> None:
    named = {"mean": policy.mean, "std": policy.std} | vars(policy.guide)
    named |= {
        f"{kind}{i}": value for i, pair in enumerate(policy.layers) for kind, value in zip("wb", pair, strict=True)
    }
    for name, value in named.items():
        if value is None or value.dtype != np.float32 or not np.isfinite(value).all():
            raise PolicyError(f"{path}: array {name!r} is missing, not float32 or not finite; export the policy again")
    shapes = [size]
    for weight, bias in policy.layers:
        if weight.ndim != 2 or weight.shape[0] != shapes[-1] or bias.shape != weight.shape[1:]:
            raise PolicyError(f"{path}: layer shapes do not chain ({weight.shape}, {bias.shape})")
        shapes.append(weight.shape[1])
    sizes_ok = policy.mean.shape == policy.std.shape == (size,) and shapes[-1] == ACTION_SIZE
    if not sizes_ok:
        raise PolicyError(f"{path}: expected {size} features and {ACTION_SIZE} actions; export it again")
    guide = policy.guide
    rows = guide.grip.shape[0] if guide.grip.ndim == 1 else 0
    expected = {"position": (rows, 3), "wxyz": (rows, 4), "velocity": (rows, 3), "gains": (2,)}
    if rows < 1 or any(getattr(guide, name).shape != shape for name, shape in expected.items()):
        raise PolicyError(f"{path}: the guide's tables do not fit together; export the policy again")
    if not (policy.std > 0).all():
        raise PolicyError(f"{path}: feature scales must be positive; export the policy again")
