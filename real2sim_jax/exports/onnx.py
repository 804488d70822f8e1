"""A policy as an ONNX graph, features and reference included (extra `onnx`): observation (N, 8) to action (N, 7).

Built by hand from float32 operators, so that it needs no exporter; what it computes is `Policy.act`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from real2sim_jax.core.observation import ACTION_SIZE, MAX_ANGULAR_RAD_S, MAX_LINEAR_M_S, POLICY_FIELDS
from real2sim_jax.core.policy import Policy, PolicyError, check_blind
from real2sim_jax.core.reference import Reference
from real2sim_jax.core.storage import replacing

OPSET, IR_VERSION = 18, 9


def save_onnx(path: str | Path, policy: Policy) -> None:
    """Write the graph, whole or not at all, with the action, dt and field names inside.

    PolicyError when the extra is not installed.
    """
    onnx = _onnx()
    model = to_onnx(policy)
    onnx.checker.check_model(model, full_check=True)
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString())


def to_onnx(policy: Policy) -> Any:
    """Return the ONNX model of a policy; PolicyError for one that sees the object."""
    check_blind(policy)
    onnx, graph = _onnx(), _Graph()
    # Where the observation is not finite, zeros go through the graph and NaN comes out.
    unknown = graph.op("IsNaN", graph.op("ReduceSum", graph.times("observation", 0.0), np.array([1]), keepdims=1))
    obs = graph.op("Where", unknown, 0.0, "observation")
    output = _network(graph, policy, obs)
    reference = policy.reference
    known = graph.op("Tanh", output) if reference is None else _moved(graph, reference, obs, output)
    action = graph.op("Where", unknown, np.nan, known, output="action")
    assert action == "action"
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info("observation", floats, ["N", len(POLICY_FIELDS)])]
    outputs = [helper.make_tensor_value_info("action", floats, ["N", ACTION_SIZE])]
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()]
    nodes = [helper.make_node(kind, list(inputs), [output], **extra) for kind, inputs, output, extra in graph.nodes]
    made = helper.make_graph(nodes, "policy", inputs, outputs, tensors)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    known = {"action": policy.action.name, "dt_s": repr(policy.dt), "observation": json.dumps(list(POLICY_FIELDS))}
    helper.set_model_props(model, known | {"provenance": json.dumps(policy.provenance)})
    return model


class _Graph:
    """Operators and constants, each value with a name of its own."""

    def __init__(self):
        self.nodes: list[tuple[str, tuple[str, ...], str, dict[str, Any]]] = []
        self.constants: dict[str, np.ndarray] = {}

    def op(self, kind: str, *inputs: Any, output: str = "", **extra: Any) -> str:
        """Add an operator; inputs are names, or numbers and arrays that become constants."""
        names = tuple(value if isinstance(value, str) else self.constant(value) for value in inputs)
        output = output or f"v{len(self.nodes)}"
        self.nodes.append((kind, names, output, extra))
        return output

    def constant(self, value: Any) -> str:
        """Add a constant; integers stay integers, all else becomes float32."""
        array = np.asarray(value)
        array = array.astype(np.int64 if array.dtype.kind == "i" else np.float32)
        name = f"c{len(self.constants)}"
        self.constants[name] = array
        return name

    def part(self, value: str, start: int, end: int) -> str:
        """Columns start..end of a value (N, ...)."""
        return self.op("Slice", value, np.array([start]), np.array([end]), np.array([1]))

    def columns(self, value: str, count: int) -> list[str]:
        """Every column (N, 1) of a value."""
        return [self.part(value, i, i + 1) for i in range(count)]

    def total(self, *terms: str) -> str:
        """Sum of values."""
        return self.op("Sum", *terms)

    def times(self, a: Any, b: Any) -> str:
        """Product of two values."""
        return self.op("Mul", a, b)

    def length(self, value: str, epsilon: float = 0.0) -> str:
        """Square root (N, 1) of the sum of squares of a value (N, k), plus epsilon."""
        squares = self.op("ReduceSum", self.times(value, value), np.array([1]), keepdims=1)
        return self.op("Sqrt", self.op("Add", squares, epsilon))


def _network(graph: _Graph, policy: Policy, obs: str) -> str:
    x = graph.op("Div", graph.op("Sub", _features(graph, obs), policy.mean), policy.std)
    for weight, bias in policy.layers[:-1]:
        x = graph.op("Tanh", graph.op("Gemm", x, weight, bias))
    weight, bias = policy.layers[-1]
    return graph.op("Gemm", x, weight, bias)


def _features(graph: _Graph, obs: str) -> str:
    time, position, opening = (graph.part(obs, *ends) for ends in ((0, 1), (1, 4), (7, 8)))
    waves = [graph.op(kind, graph.times(time, k * np.pi)) for k in (1, 2, 4) for kind in ("Sin", "Cos")]
    w, x, y, z = graph.columns(_quaternion(graph, obs), 4)

    def doubled(a: str, b: str, c: str, d: str, sign: float) -> str:
        """2 (a b + sign c d)."""
        second = graph.times(graph.times(c, d), 2.0 * sign)
        return graph.total(graph.times(graph.times(a, b), 2.0), second)

    def rest(a: str, b: str) -> str:
        """1 - 2 (a^2 + b^2)."""
        return graph.op("Sub", 1.0, doubled(a, a, b, b, 1.0))

    fingers = [doubled(x, y, w, z, -1.0), rest(x, z), doubled(y, z, w, x, 1.0)]
    approach = [doubled(x, z, w, y, 1.0), doubled(y, z, w, x, -1.0), rest(x, y)]
    first = graph.op("Sub", graph.times(time, 2.0), 1.0)
    last = graph.op("Sub", graph.times(opening, 20.0), 0.75)
    parts = [first, *waves, graph.times(position, 5.0), *fingers, *approach, last]
    return graph.op("Concat", *parts, axis=1)


def _quaternion(graph: _Graph, obs: str) -> str:
    """Orientation (N, 4) of the observed rotation vector; the half angle's sine over the angle is safe at zero."""
    vector = graph.part(obs, 4, 7)
    angle = graph.op("Max", graph.length(vector), 1e-7)
    half = graph.times(angle, 0.5)
    scale = graph.op("Div", graph.op("Sin", half), angle)
    return graph.op("Concat", graph.op("Cos", half), graph.times(scale, vector), axis=1)


def _moved(graph: _Graph, reference: Reference, obs: str, output: str) -> str:
    """Action (N, 7) of a reference whose target the network's output (N, 7) moves."""
    last = len(reference.grip) - 1
    row = graph.op("Round", graph.times(graph.op("Reshape", graph.part(obs, 0, 1), np.array([-1])), float(last)))
    row = graph.op("Cast", graph.op("Clip", row, 0.0, float(last)), to=7)
    tables = reference.position, reference.velocity, reference.wxyz, reference.grip[:, None]
    position, velocity, wxyz, grip = (graph.op("Gather", table, row) for table in tables)
    errors = graph.op("Sub", position, graph.part(obs, 1, 4)), _turn(graph, wxyz, obs)
    moved = []
    for i, (error, limit) in enumerate(zip(errors, (MAX_LINEAR_M_S, MAX_ANGULAR_RAD_S), strict=True)):
        gain = float(reference.gains[i]) / limit
        pull = _limited(graph, graph.times(error, gain))
        shift = graph.op("Tanh", graph.part(output, 3 * i, 3 * i + 3))
        moved.append(graph.total(pull, graph.times(shift, gain * float(reference.reach[i]))))
    linear = graph.total(graph.op("Div", velocity, MAX_LINEAR_M_S), moved[0])
    closing = graph.op("Tanh", graph.total(grip, graph.part(output, 6, 7)))
    return graph.op("Concat", _limited(graph, linear), _limited(graph, moved[1]), closing, axis=1)


def _turn(graph: _Graph, target: str, obs: str) -> str:
    """Rotation vector (N, 3) from the observed orientation to a target (N, 4)."""
    a, b = graph.columns(target, 4), graph.columns(_quaternion(graph, obs), 4)
    signs = ((1, 1, 1, 1), (-1, 1, -1, 1), (-1, 1, 1, -1), (-1, -1, 1, 1))
    orders = (((0, 0), (1, 1), (2, 2), (3, 3)), ((0, 1), (1, 0), (2, 3), (3, 2)))
    orders += (((0, 2), (1, 3), (2, 0), (3, 1)), ((0, 3), (1, 2), (2, 1), (3, 0)))
    rows = []
    for order, sign in zip(orders, signs, strict=True):
        terms = [graph.times(graph.times(a[i], b[j]), float(s)) for (i, j), s in zip(order, sign, strict=True)]
        rows.append(graph.total(*terms))
    product = graph.op("Concat", *rows, axis=1)
    # The shorter turn: w >= 0.
    flip = graph.op("Where", graph.op("Less", rows[0], 0.0), -1.0, 1.0)
    w, axis = graph.times(rows[0], flip), graph.times(graph.part(product, 1, 4), flip)
    sine = graph.op("Max", graph.length(axis), 1e-7)
    scale = graph.op("Div", graph.times(graph.op("Atan", graph.op("Div", sine, graph.op("Max", w, 1e-12))), 2.0), sine)
    return graph.times(axis, scale)


def _limited(graph: _Graph, vector: str) -> str:
    """Shorten vectors (N, 3) to length 1."""
    return graph.times(vector, graph.op("Min", graph.op("Div", 1.0, graph.length(vector, 1e-12)), 1.0))


def _onnx() -> Any:
    try:
        import onnx  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise PolicyError("the ONNX export needs the package onnx: pip install 'real2sim-jax[onnx]'") from error
    return onnx
