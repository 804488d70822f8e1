"""Slow and obvious renderers in float64 numpy, pixel by pixel, and scenes to try them on."""

import numpy as np

from real2sim_jax.core.rotations import wxyz_from_rotvec
from real2sim_jax.geometry.cameras import look_at_camera
from real2sim_jax.rendering.silhouettes import CYCLES, visible_corners

SIZE = (427.0, 240.0)
HALF = np.array([[0.03, 0.03, 0.1], [0.08, 0.04, 0.05]], np.float32)
TRIANGLES = np.concatenate([CYCLES[:, [0, 1, 2]], CYCLES[:, [0, 2, 3]]])


def scene(generator, frames=1):
    """Positions, orientations and a camera that sees two bodies, which may overlap."""
    position = generator.uniform([-0.15, -0.1, 0.03], [0.15, 0.1, 0.1], (frames, 2, 3))
    wxyz = wxyz_from_rotvec(generator.uniform(-1.5, 1.5, (frames, 2, 3)))
    distance, azimuth, elevation = generator.uniform([0.6, -0.5, 0.2], [1.0, 0.5, 0.9])
    return position.astype(np.float32), wxyz.astype(np.float32), look_at_camera(distance, azimuth, elevation, SIZE)


def corner_pixels(half, position, wxyz, camera, resolution):
    """Corners (T, B, 8, 2) on the grid, in front of the camera only."""
    corners = np.asarray(visible_corners(half, position, wxyz, camera), float)
    middle = np.asarray(camera.image_size, float) / 2.0
    scale = resolution[0] / float(camera.image_size[0])
    return scale * (float(camera.focal) * corners[..., :2] / corners[..., 2:] + middle)


def hull_by_hand(points):
    """Lines of the convex hull of points, by trying every pair: inside is on one side of all points."""
    lines = []
    for i in range(len(points)):
        for j in range(len(points)):
            along = points[j] - points[i]
            length = np.hypot(*along)
            if length > 1e-9:
                normal = np.array([-along[1], along[0]]) / length
                distances = (points - points[i]) @ normal
                if distances.min() > -1e-9 * length - 1e-6:
                    lines.append((*normal, -normal @ points[i]))
    return lines


def hull_mask_by_hand(points, resolution, softness):
    """The sigmoid of the least distance from the hull's edges."""
    lines, (width, height) = hull_by_hand(points), resolution
    mask = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            distance = min(a * (column + 0.5) + b * (row + 0.5) + c for a, b, c in lines)
            mask[row, column] = 1.0 / (1.0 + np.exp(-distance / softness))
    return mask


def triangle_mask_by_hand(points, resolution, softness):
    """The soft rasteriser of Liu et al., ICCV 2019: one minus the product, over all triangles, of one minus each."""
    width, height = resolution
    mask = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            outside = 1.0
            for triangle in points[TRIANGLES]:
                distance = _triangle_distance(triangle, np.array([column + 0.5, row + 0.5]))
                outside *= 1.0 - 1.0 / (1.0 + np.exp(min(-distance / softness, 500.0)))
            mask[row, column] = 1.0 - outside
    return mask


def _triangle_distance(corners, pixel):
    along = np.roll(corners, -1, axis=0) - corners
    to_pixel = pixel - corners
    sides = along[:, 0] * to_pixel[:, 1] - along[:, 1] * to_pixel[:, 0]
    turn = np.sign(along[0, 0] * along[1, 1] - along[0, 1] * along[1, 0])
    return np.min(turn * sides / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9))
