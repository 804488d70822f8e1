"""Masks of cuboids, values and gradients: half-plane silhouettes against a triangle soft rasteriser and DEODR.

    python experiments/speed/rendering.py [--frames 48] [--width 128] [--repeats 5]

The soft rasteriser is the textbook one (Liu et al., ICCV 2019) in JAX: every pixel meets every triangle. DEODR
(`pip install deodr`) is a CPU rasteriser with hand-written gradients; it is left out when it is not installed.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from real2sim_jax.actions import ACTIONS
from real2sim_jax.perception.synthetic import synthetic_scenes
from real2sim_jax.rendering.silhouettes import CYCLES, soft_masks, visible_corners

TRIANGLES = np.concatenate([CYCLES[:, [0, 1, 2]], CYCLES[:, [0, 2, 3]]])
SOFTNESS_PX = 1.0


def scene(frames: int) -> tuple[Any, np.ndarray, np.ndarray]:
    truth = synthetic_scenes(ACTIONS["put_behind"], 1, 0)[0]
    position, wxyz = np.asarray(truth.position), np.asarray(truth.wxyz)
    return truth, np.resize(position, (frames, 3, 3)), np.resize(wxyz, (frames, 3, 4))


def projected(truth: Any, position: Any, wxyz: Any, resolution: tuple[int, int]) -> tuple[Any, Any]:
    """Corners (T, B, 8, 2) px and depths (T, B, 8) m."""
    corners = visible_corners(truth.half_extents, position, wxyz, truth.camera)
    scale = resolution[0] / truth.camera.image_size[0]
    pixels = scale * (truth.camera.focal * corners[..., :2] / corners[..., 2:] + truth.camera.image_size / 2.0)
    return pixels, corners[..., 2]


def triangle_masks(pixels: Any, resolution: tuple[int, int]) -> Any:
    """Soft masks (T, B, H, W) by the probabilistic sum over triangles; no occlusion between bodies."""
    x, y = jnp.meshgrid(jnp.arange(resolution[0]) + 0.5, jnp.arange(resolution[1]) + 0.5)
    corners = pixels[..., TRIANGLES, :]

    def distance(triangle: Any) -> Any:
        turn = jnp.sign(_cross(triangle[1] - triangle[0], triangle[2] - triangle[0]))
        sides = []
        for i in range(3):
            start, along = triangle[i], triangle[(i + 1) % 3] - triangle[i]
            length = jnp.sqrt(jnp.maximum(jnp.sum(along**2), 1e-9))
            sides.append(turn * (along[0] * (y - start[1]) - along[1] * (x - start[0])) / length)
        return jnp.min(jnp.stack(sides), axis=0)

    inside = jax.vmap(jax.vmap(jax.vmap(lambda t: jax.nn.sigmoid(distance(t) / SOFTNESS_PX))))(corners)
    return 1.0 - jnp.prod(1.0 - inside, axis=2)


def _cross(a: Any, b: Any) -> Any:
    return a[0] * b[1] - a[1] * b[0]


def timed(run: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """First call and best of the others, s."""
    start = time.perf_counter()
    jax.block_until_ready(run())
    first = time.perf_counter() - start
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(run())
        times.append(time.perf_counter() - start)
    return first, min(times)


def deodr_run(truth: Any, position: Any, wxyz: Any, resolution: tuple[int, int]) -> Callable[[], Any] | None:
    """Masks of the three bodies together and the gradient of their sum of squares by DEODR, frame after frame."""
    try:
        from deodr import Scene2D  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    pixels, depths = (np.asarray(value, float) for value in projected(truth, position, wxyz, resolution))
    width, height = resolution
    faces = np.concatenate([TRIANGLES + 8 * body for body in range(3)]).astype(np.uint32)
    colours = np.repeat(np.eye(3), 8, axis=0)

    def frame(t: int) -> Any:
        scene = Scene2D(
            faces=faces,
            faces_uv=faces,
            ij=np.ascontiguousarray(pixels[t].reshape(-1, 2)),
            depths=np.ascontiguousarray(depths[t].reshape(-1)),
            textured=np.zeros(len(faces), bool),
            uv=np.zeros((24, 2)),
            shade=np.zeros(24),
            colors=colours,
            shaded=np.zeros(len(faces), bool),
            edgeflags=np.ones((len(faces), 3), bool),
            height=height,
            width=width,
            nb_colors=3,
            texture=np.zeros((2, 2, 3)),
            background_image=np.zeros((height, width, 3)),
            backface_culling=True,
            clockwise=True,
        )
        return scene.render_compare_and_backward(np.zeros((height, width, 3)), SOFTNESS_PX)

    return lambda: [frame(t) for t in range(len(position))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    resolution = given.width, round(given.width * 240 / 427)
    truth, position, wxyz = scene(given.frames)
    render = {
        "half-planes": lambda p: soft_masks(truth.half_extents, p, wxyz, truth.camera, resolution, SOFTNESS_PX),
        "triangles": lambda p: triangle_masks(projected(truth, p, wxyz, resolution)[0], resolution),
    }
    print(
        f"{given.frames} frames, 3 bodies, {resolution[0]}x{resolution[1]} px, value and gradient of a sum of squares"
    )
    for name, masks in render.items():
        slope = jax.jit(jax.value_and_grad(lambda p, masks=masks: jnp.sum(masks(p) ** 2)))
        first, best = timed(lambda slope=slope: slope(jnp.asarray(position)), given.repeats)
        print(f"{name:12} {1e3 * best:9.1f} ms   (first call {first:.1f} s)", flush=True)
    rival = deodr_run(truth, position, wxyz, resolution)
    if rival is None:
        print("deodr        not installed (pip install deodr)")
        return
    _, best = timed(rival, given.repeats)
    print(f"{'deodr':12} {1e3 * best:9.1f} ms")


if __name__ == "__main__":
    main()
