"""Shaded convex solids on a table, drawn in software: pictures where there is no OpenGL."""

from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from real2sim_jax.robot.rotations import rotate

Colour = tuple[int, int, int]

BACKGROUND: Colour = (250, 250, 252)
TABLE: Colour = (232, 228, 220)
GRID: Colour = (205, 199, 188)
SHADOW: Colour = (186, 181, 172)
OVERSAMPLING = 2
_LIGHT = np.array([-0.35, -0.55, 0.76])
_LIGHT_SLOPE = _LIGHT[:2] / _LIGHT[2]


@dataclass(frozen=True)
class View:
    """A pinhole camera: eye and target in m, focal length in px of the finished picture, its width and height."""

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    focal: float
    size: tuple[int, int]

    @cached_property
    def rotation(self) -> np.ndarray:
        """(3, 3) rows: camera axes (right, down, forward) in the world."""
        forward = np.subtract(self.target, self.eye)
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right = right / np.linalg.norm(right)
        return np.stack([right, np.cross(forward, right), forward])

    def in_camera(self, points: np.ndarray) -> np.ndarray:
        """World points (N, 3) m in camera axes."""
        return (points - np.asarray(self.eye)) @ self.rotation.T


@dataclass(frozen=True)
class Solid:
    """A convex solid: outward faces (n, 3) m in its own frame, counter-clockwise, and whether to draw their outline."""

    faces: tuple[np.ndarray, ...]
    outlined: tuple[bool, ...]
    colour: Colour


def box(half_extents: tuple[float, float, float], centre: tuple[float, float, float], colour: Colour) -> Solid:
    """Return a cuboid around a centre in its frame, m."""
    faces = []
    for axis in range(3):
        for side in (-1.0, 1.0):
            square = [(-1, -1), (1, -1), (1, 1), (-1, 1)][:: int(side)]
            # The other two axes in cyclic order keep the corners counter-clockwise seen from outside.
            corners = np.insert(
                np.roll(np.insert(np.array(square, float), 0, side, axis=1), axis, axis=1), 3, 0, axis=1
            )
            faces.append(corners[:, :3] * half_extents + centre)
    return Solid(tuple(faces), (True,) * 6, colour)


def cylinder(height: float, radius: float, colour: Colour, sides: int = 36) -> Solid:
    """Return an upright cylinder around its centre, m."""
    angle = np.linspace(0.0, 2.0 * np.pi, sides, endpoint=False)
    rim = np.column_stack([radius * np.cos(angle), radius * np.sin(angle), np.full(sides, height / 2.0)])
    base = rim * (1.0, 1.0, -1.0)
    quads = np.stack([base, np.roll(base, -1, axis=0), np.roll(rim, -1, axis=0), rim], axis=1)
    return Solid((*quads, rim, base[::-1]), (False,) * sides + (True, True), colour)


def placed(solid: Solid, position: np.ndarray, wxyz: np.ndarray) -> Solid:
    """Return the solid at a pose in the world."""
    lengths = np.cumsum([len(face) for face in solid.faces])[:-1]
    points = rotate(np.asarray(wxyz)[None, :], np.concatenate(solid.faces)) + position
    return Solid(tuple(np.split(points, lengths)), solid.outlined, solid.colour)


@dataclass
class Canvas:
    """One picture in the making, with a depth for every pixel."""

    view: View
    image: np.ndarray = field(init=False)
    inverse_depth: np.ndarray = field(init=False)

    def __post_init__(self):
        width, height = (OVERSAMPLING * length for length in self.view.size)
        self.image = np.full((height, width, 3), BACKGROUND, np.uint8)
        self.inverse_depth = np.zeros((height, width), np.float32)

    def table(self, reach: float = 0.5, spacing: float = 0.1) -> None:
        """Draw the table around the origin with a grid; lengths in m."""
        corners = reach * np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], float)
        cv2.fillConvexPoly(self.image, self._rounded(corners), TABLE, cv2.LINE_AA)
        for at in np.arange(-reach, reach + spacing / 2, spacing):
            self.line(np.array([(at, -reach, 0), (at, reach, 0)]), GRID, 1.0)
            self.line(np.array([(-reach, at, 0), (reach, at, 0)]), GRID, 1.0)

    def shadow(self, solid: Solid) -> None:
        """Draw the solid's shadow on the table."""
        points = np.concatenate(solid.faces)
        fallen = points[:, :2] - np.maximum(points[:, 2:], 0.0) * _LIGHT_SLOPE
        pixels = self._rounded(np.column_stack([fallen, np.zeros(len(fallen))]))
        cv2.fillConvexPoly(self.image, cv2.convexHull(pixels), SHADOW, cv2.LINE_AA)

    def solid(self, solid: Solid) -> None:
        """Draw the faces that look at the camera, behind nearer ones drawn before."""
        first, second, third = (np.stack([points[i] for points in solid.faces]) for i in range(3))
        normals = np.cross(second - first, third - second)
        normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
        visible = ((np.asarray(self.view.eye) - first) * normals).sum(axis=-1) > 0.0
        for index in np.flatnonzero(visible):
            self._face(solid.faces[index], normals[index], solid.colour, solid.outlined[index])

    def line(self, points: np.ndarray, colour: Colour, width: float) -> None:
        """Draw a line through world points (N, 3) over everything so far; width in px of the finished picture."""
        cv2.polylines(self.image, [self._rounded(points)], False, colour, round(OVERSAMPLING * width), cv2.LINE_AA)

    def dot(self, point: np.ndarray, colour: Colour, radius: float) -> None:
        """Draw a dot at a world point (3,) over everything so far; radius in px of the finished picture."""
        (x, y), size = self._rounded(point[None])[0], round(OVERSAMPLING * radius)
        cv2.circle(self.image, (int(x), int(y)), size, colour, -1, cv2.LINE_AA)

    def finished(self) -> np.ndarray:
        """Return the picture (H, W, 3) uint8."""
        return cv2.resize(self.image, self.view.size, interpolation=cv2.INTER_AREA)

    def _face(self, points: np.ndarray, normal: np.ndarray, colour: Colour, outlined: bool) -> None:
        pixels = self._rounded(points)
        left, top = np.maximum(pixels.min(axis=0), 0)
        right, bottom = np.minimum(pixels.max(axis=0) + 1, self.image.shape[1::-1])
        if left >= right or top >= bottom:
            return
        window = np.s_[top:bottom, left:right]
        mask = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillConvexPoly(mask, pixels - (left, top), 1)
        if outlined:
            cv2.polylines(mask, [pixels - (left, top)], True, 2, OVERSAMPLING)
        depth = self._plane(points[0], normal, np.arange(left, right), np.arange(top, bottom))
        # An edge belongs to two faces and to whatever touches it: drawn a little nearer, it is never half hidden.
        depth = np.where(mask == 2, 1.002 * depth, depth)
        nearer = (mask > 0) & (depth > self.inverse_depth[window])
        shade = 0.62 + 0.38 * max(0.0, float(normal @ _LIGHT))
        shades = np.outer((0.0, shade, 0.55 * shade), colour).astype(np.uint8)
        self.image[window][nearer] = shades[mask[nearer]]
        self.inverse_depth[window][nearer] = depth[nearer]

    def _plane(self, point: np.ndarray, normal: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """1 / depth of a plane at pixels: it is linear in them, n . ray / n . point in camera axes."""
        n, p = self.view.rotation @ normal, self.view.in_camera(point[None])[0]
        height, width = self.image.shape[:2]
        focal = OVERSAMPLING * self.view.focal
        x, y = (columns - width / 2) / focal, (rows - height / 2) / focal
        return ((n[0] * x)[None, :] + (n[1] * y)[:, None] + n[2]) / (n @ p)

    def _rounded(self, points: np.ndarray) -> np.ndarray:
        """Pixels (N, 2) int32 of world points (N, 3)."""
        camera = self.view.in_camera(np.asarray(points, float))
        depth = np.maximum(camera[:, 2:], 0.05)
        height, width = self.image.shape[:2]
        pixels = OVERSAMPLING * self.view.focal * camera[:, :2] / depth + (width / 2, height / 2)
        return np.round(np.clip(np.nan_to_num(pixels), -2e4, 2e4)).astype(np.int32)
