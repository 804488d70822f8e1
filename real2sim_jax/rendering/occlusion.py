"""What of a box still shows when another body stands in front of it."""

import jax
import jax.numpy as jnp

from real2sim_jax.data.types import Array


def trim_hidden(boxes: Array, occluder: Array, behind: Array, softness_px: float = 4.0) -> Array:
    """Return boxes (..., 4) px without the sides that an occluder's boxes (..., 4) cover; behind (...) in [0, 1].

    A side goes where the occluder covers it from end to end: the box then ends at the occluder's opposite edge. Parts
    covered otherwise leave the box as it is, as they leave the box around what is seen of a convex body.
    """
    x1, y1, x2, y2 = (boxes[..., i] for i in range(4))
    u1, v1, u2, v2 = (occluder[..., i] for i in range(4))

    def beyond(a: Array, b: Array) -> Array:
        return jax.nn.sigmoid((a - b) / softness_px)

    over_x = behind * beyond(x1, u1) * beyond(u2, x2)
    over_y = behind * beyond(y1, v1) * beyond(v2, y2)
    # Each weight is near 1 when the occluder spans that side and ends inside the box.
    left = over_y * beyond(x1, u1) * beyond(x2, u2)
    top = over_x * beyond(y1, v1) * beyond(y2, v2)
    right = over_y * beyond(u2, x2) * beyond(u1, x1)
    bottom = over_x * beyond(v2, y2) * beyond(v1, y1)
    trimmed = [
        x1 + left * jnp.maximum(u2 - x1, 0.0),
        y1 + top * jnp.maximum(v2 - y1, 0.0),
        x2 - right * jnp.maximum(x2 - u1, 0.0),
        y2 - bottom * jnp.maximum(y2 - v1, 0.0),
    ]
    return jnp.stack(trimmed, axis=-1)
