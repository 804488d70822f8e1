"""Double precision for one function of a single-precision program.

jax has one default precision for a whole trace. Here a function is traced on its own with 64 bits and exported; the
program around it calls that as one opaque operation whose inputs and outputs are 32 bits wide.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from jax import export


def in_double(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, of trees of float arrays, computed in float64 between float32 inputs and outputs.

    The result can be jitted, scanned and vmapped, not differentiated. It is traced once for all batch sizes, for the
    platform that jax runs on.
    """

    @cache
    def program(inputs: Any, shapes: tuple[tuple[int, ...], ...]) -> tuple[export.Exported, Any]:
        trees: list[Any] = []

        def flat(*leaves: Any) -> list[Any]:
            wide = jax.tree.unflatten(inputs, [leaf.astype(jnp.float64) for leaf in leaves])
            outputs, tree = jax.tree.flatten(jax.vmap(function)(*wide))
            trees.append(tree)
            return [output.astype(jnp.float32) for output in outputs]

        (batch,) = export.symbolic_shape("batch")
        with jax.enable_x64(True):
            exported = export.export(jax.jit(flat))(*(jax.ShapeDtypeStruct((batch, *s), jnp.float32) for s in shapes))
        return exported, trees[-1]

    @cache
    def with_axes(lead: int) -> Any:
        """`function` for arguments with that many batch axes in front."""

        @jax.custom_batching.custom_vmap
        def call(*arguments: Any) -> Any:
            leaves, inputs = jax.tree.flatten(arguments)
            batch = leaves[0].shape[:lead]
            exported, tree = program(inputs, tuple(leaf.shape[lead:] for leaf in leaves))
            outputs = exported.call(*(leaf.reshape(-1, *leaf.shape[lead:]) for leaf in leaves))
            return jax.tree.unflatten(tree, [output.reshape(*batch, *output.shape[1:]) for output in outputs])

        @call.def_vmap
        def one_more(size: int, is_batched: Any, *arguments: Any) -> tuple[Any, Any]:
            whole = [
                jax.tree.map(lambda x, own: x if own else jnp.broadcast_to(x, (size, *x.shape)), *pair)
                for pair in zip(arguments, is_batched, strict=True)
            ]
            outputs = with_axes(lead + 1)(*whole)
            return outputs, jax.tree.map(lambda _: True, outputs)

        return call

    return with_axes(0)
