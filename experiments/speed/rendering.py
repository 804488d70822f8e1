"""Masks of cuboids, forward and gradient: half-plane silhouettes against DEODR and a triangle soft rasteriser.

    python experiments/speed/rendering.py [--rounds 10] [--runs runs]

All three run in one process in turns, once on one core and once on all; a time is the best of its rounds, per frame.
Ours and the triangles return the gradient with respect to the bodies' positions; DEODR (`pip install deodr`), a C++
rasteriser that works frame by frame, stops at the corners' pixels, which is less work. The triangles are the textbook
soft rasteriser (Liu et al., ICCV 2019) in JAX: every pixel meets every triangle, and bodies do not hide each other.
Without DEODR installed its column stays empty. Results go to RUNS/speed/rendering.json.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from real2sim_jax import jax_settings
from real2sim_jax.core.actions import ACTIONS
from real2sim_jax.core.rotations import rotate, wxyz_from_rotvec
from real2sim_jax.data.types import Array, Camera
from real2sim_jax.geometry.cameras import look_at_camera
from real2sim_jax.rendering.silhouettes import CYCLES, soft_masks, visible_corners
from real2sim_jax.robot.options import Parser
from real2sim_jax.synthetic.scenes import synthetic_scenes

TRIANGLES = np.concatenate([CYCLES[:, [0, 1, 2]], CYCLES[:, [0, 2, 3]]])
SOFTNESS_PX = 1.0
PIXELS_PER_CALL = 2**20
"""A call gets as many frames as have so many pixels, and 48 at most."""
NAMES = ("ours", "DEODR", "triangles")
SCHEDULER = "--xla_cpu_enable_concurrency_optimized_scheduler=false"
"""As in the Makefile; it also makes the triangles twice as fast."""


class Scene(NamedTuple):
    """Bodies and a camera: half_extents (B, 3) m, position (T, B, 3) m, wxyz (T, B, 4); resolution (W, H) px."""

    half_extents: Array
    position: Array
    wxyz: Array
    camera: Camera
    resolution: tuple[int, int]


class Renderer(NamedTuple):
    """A call that returns value and gradient of the sum of squared masks, and what it took to make it."""

    run: Callable[[], Any]
    first_call_s: float
    memory_mib: float


def frames_per_call(resolution: tuple[int, int]) -> int:
    return max(1, min(48, PIXELS_PER_CALL // (resolution[0] * resolution[1])))


def unit_cuboid(resolution: tuple[int, int]) -> Scene:
    """A cube of 1 m, 4 m from the camera, turned and moved from frame to frame."""
    frames, generator = frames_per_call(resolution), np.random.default_rng(0)
    half = np.full((1, 3), 0.5, np.float32)
    wxyz = wxyz_from_rotvec(generator.uniform(-1.5, 1.5, (frames, 1, 3)))
    centre = generator.uniform(-0.2, 0.2, (frames, 1, 3))
    tip = centre + rotate(wxyz, np.array([0.0, 0.0, 0.5]))
    distance, azimuth, elevation = jnp.asarray([4.0, 0.3, 0.4])
    camera = look_at_camera(distance, azimuth, elevation, np.asarray(resolution, float))
    return Scene(half, tip.astype(np.float32), wxyz.astype(np.float32), camera, resolution)


def three_bodies(resolution: tuple[int, int]) -> Scene:
    """Hand, moved object and anchor of a demonstration, some before others."""
    truth = synthetic_scenes(ACTIONS["put_behind"], 1, 0)[0]
    frames = frames_per_call(resolution)
    position, wxyz = np.resize(truth.position, (frames, 3, 3)), np.resize(truth.wxyz, (frames, 3, 4))
    return Scene(truth.half_extents, position, wxyz, truth.camera, resolution)


CASES = (
    ("unit cuboid", unit_cuboid, (64, 64)),
    ("unit cuboid", unit_cuboid, (128, 128)),
    ("unit cuboid", unit_cuboid, (427, 240)),
    ("three bodies", three_bodies, (96, 54)),
    ("three bodies", three_bodies, (128, 72)),
)


def projected(scene: Scene, position: Array) -> tuple[Array, Array]:
    """Corners (T, B, 8, 2) px and depths (T, B, 8) m."""
    corners = visible_corners(scene.half_extents, position, scene.wxyz, scene.camera)
    scale = scene.resolution[0] / scene.camera.image_size[0]
    pixels = scale * (scene.camera.focal * corners[..., :2] / corners[..., 2:] + scene.camera.image_size / 2.0)
    return pixels, corners[..., 2]


def our_masks(scene: Scene, position: Array) -> Array:
    return soft_masks(scene.half_extents, position, scene.wxyz, scene.camera, scene.resolution, SOFTNESS_PX)


def triangle_masks(scene: Scene, position: Array) -> Array:
    """Soft masks (T, B, H, W) by the probabilistic sum over triangles."""
    width, height = scene.resolution
    x, y = jnp.meshgrid(jnp.arange(width) + 0.5, jnp.arange(height) + 0.5)
    corners = projected(scene, position)[0][..., TRIANGLES, :]

    def distance(triangle: Array) -> Array:
        turn = jnp.sign(_cross(triangle[1] - triangle[0], triangle[2] - triangle[0]))
        sides = []
        for i in range(3):
            start, along = triangle[i], triangle[(i + 1) % 3] - triangle[i]
            length = jnp.sqrt(jnp.maximum(jnp.sum(along**2), 1e-9))
            sides.append(turn * (along[0] * (y - start[1]) - along[1] * (x - start[0])) / length)
        return jnp.min(jnp.stack(sides), axis=0)

    inside = jax.vmap(jax.vmap(jax.vmap(lambda t: jax.nn.sigmoid(distance(t) / SOFTNESS_PX))))(corners)
    return 1.0 - jnp.prod(1.0 - inside, axis=2)


def _cross(a: Array, b: Array) -> Array:
    return a[0] * b[1] - a[1] * b[0]


def in_jax(masks: Callable[[Scene, Array], Array], scene: Scene) -> Renderer:
    start = time.perf_counter()
    position = jnp.asarray(scene.position)
    run = jax.jit(jax.value_and_grad(lambda p: jnp.sum(masks(scene, p) ** 2))).lower(position).compile()
    jax.block_until_ready(run(position))
    first = time.perf_counter() - start
    needs = run.memory_analysis()
    memory = needs.temp_size_in_bytes + needs.output_size_in_bytes if needs else float("nan")
    return Renderer(lambda: run(position), first, memory / 2**20)


def in_deodr(scene: Scene) -> Renderer | None:
    try:
        from deodr import Scene2D  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    start = time.perf_counter()
    pixels, depths = (np.asarray(value, float) for value in projected(scene, scene.position))
    frames = [Scene2D(**deodr_frame(*values, scene.resolution)) for values in zip(pixels, depths, strict=True)]

    def run() -> list[Any]:
        done = []
        for frame in frames:
            frame.clear_gradients()
            image, _ = frame.render(SOFTNESS_PX)
            value = np.sum(image * image)
            frame.render_backward(2.0 * image, make_copies=False)
            done.append((value, frame.ij_b))
        return done

    tracemalloc.start()
    run()
    memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Renderer(run, time.perf_counter() - start, memory / 2**20)


def deodr_frame(pixels: np.ndarray, depths: np.ndarray, resolution: tuple[int, int]) -> dict[str, Any]:
    """Return what DEODR calls a scene: bodies with corners (B, 8, 2) px, a colour channel each."""
    bodies, corners = depths.shape
    faces = np.concatenate([TRIANGLES + corners * body for body in range(bodies)]).astype(np.uint32)
    count, points = len(faces), bodies * corners
    flat = {"textured": np.zeros(count, bool), "shaded": np.zeros(count, bool), "edgeflags": np.ones((count, 3), bool)}
    look = {"colors": np.repeat(np.eye(bodies), corners, axis=0), "background_color": np.zeros(bodies)}
    unused = {"uv": np.zeros((points, 2)), "shade": np.zeros(points), "texture": np.zeros((2, 2, bodies))}
    size = {"width": resolution[0], "height": resolution[1], "nb_colors": bodies}
    rules = {"backface_culling": True, "clockwise": True, "integer_pixel_centers": False}
    shape = {"faces": faces, "faces_uv": faces, "ij": pixels.reshape(-1, 2).copy(), "depths": depths.reshape(-1).copy()}
    return {**shape, **flat, **look, **unused, **size, **rules}


def measured(name: str, scene: Scene, rounds: int) -> dict[str, Any]:
    """Return a row of the table: of each renderer ms per frame in every round, first call and memory."""
    made = (in_jax(our_masks, scene), in_deodr(scene), in_jax(triangle_masks, scene))
    renderers = {key: renderer for key, renderer in zip(NAMES, made, strict=True) if renderer}
    frames, times = len(scene.position), {key: [] for key in renderers}
    for _ in range(rounds):
        for key, renderer in renderers.items():
            times[key].append(1e3 * min(seconds(renderer.run) for _ in range(3)) / frames)
    width, height = scene.resolution
    row = {"scene": name, "height": height, "width": width, "bodies": scene.half_extents.shape[0], "frames": frames}
    for key, renderer in renderers.items():
        best = {"ms": min(times[key]), "median_ms": float(np.median(times[key]))}
        row[key] = {**best, "first_call_s": renderer.first_call_s, "memory_mib": renderer.memory_mib}
    return row


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - start


def table(rows: list[dict[str, Any]], cores: int) -> Table:
    shown = Table(title=f"value and gradient of masks, ms per frame, {cores} core{'s' * (cores > 1)}")
    for heading in ("scene", "H x W", "frames a call", *NAMES, "DEODR / ours", "triangles / ours"):
        shown.add_column(heading, justify="left" if heading == "scene" else "right")
    shown.add_column("first call s", justify="right")
    shown.add_column("memory MiB", justify="right")
    for row in rows:
        got = [row.get(key) for key in NAMES]
        times = [f"{one['ms']:.3f}" if one else "" for one in got]
        ratios = [f"{one['ms'] / row['ours']['ms']:.1f}" if one else "" for one in got[1:]]
        rest = [" ".join(f"{one[key]:.1f}" for one in got if one) for key in ("first_call_s", "memory_mib")]
        shown.add_row(row["scene"], f"{row['height']} x {row['width']}", str(row["frames"]), *times, *ratios, *rest)
    return shown


def on_cores(cores: int, rounds: int, path: Path) -> None:
    """Measure all cases on so many cores; print them and add them to the JSON file."""
    # Before anything is computed: XLA makes as many threads as it finds cores.
    jax_settings.use_cores(cores)
    rows = [measured(name, make(resolution), rounds) for name, make, resolution in CASES]
    Console(width=None if sys.stdout.isatty() else 150).print(table(rows, cores))
    results = json.loads(path.read_text()) if path.exists() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**results, f"cores_{cores}": rows}, indent=1) + "\n")


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--cores", type=int, help="only on so many")
    given = parser.parse_args()
    if given.cores:
        on_cores(given.cores, given.rounds, given.runs / "speed" / "rendering.json")
        return
    for cores in sorted({1, jax_settings.cores()}):
        again = [sys.executable, __file__, "--rounds", str(given.rounds), "--runs", str(given.runs)]
        flags = f"{os.environ.get('XLA_FLAGS', '')} {SCHEDULER}"
        subprocess.run([*again, "--cores", str(cores)], check=True, env={**os.environ, "XLA_FLAGS": flags})


if __name__ == "__main__":
    main()
