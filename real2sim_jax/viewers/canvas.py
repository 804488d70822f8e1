"""Shaded convex solids on a table, drawn in software: pictures where there is no OpenGL."""

from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import cv2
import numpy as np

from real2sim_jax.core.rotations import rotate

Colour = tuple[int, int, int]

BACKGROUND: Colour = (250, 250, 252)
TABLE: Colour = (232, 228, 220)
GRID: Colour = (205, 199, 188)
SHADOW: Colour = (186, 181, 172)
REACH, SPACING = 0.5, 0.1
"""Of the table around the origin and of its grid, m."""
OVERSAMPLING = 2
_LIGHT = np.array([-0.35, -0.55, 0.76])
_LIGHT_SLOPE = _LIGHT[:2] / _LIGHT[2]


@dataclass(frozen=True)
class Viewpoint:
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
    """One picture of the table in the making, with a depth for every pixel."""

    view: Viewpoint
    image: np.ndarray = field(init=False)
    inverse_depth: np.ndarray = field(init=False)

    def __post_init__(self):
        self.image = _table(self.view).copy()
        self.inverse_depth = np.zeros(self.image.shape[:2], np.float32)

    def shadow(self, solid: Solid) -> None:
        """Draw the solid's shadow on the table."""
        points = np.concatenate(solid.faces)
        fallen = points[:, :2] - np.maximum(points[:, 2:], 0.0) * _LIGHT_SLOPE
        pixels = _rounded(self.view, np.column_stack([fallen, np.zeros(len(fallen))]))
        cv2.fillConvexPoly(self.image, cv2.convexHull(pixels), SHADOW, cv2.LINE_AA)

    def solid(self, solid: Solid) -> None:
        """Draw the faces that look at the camera, behind nearer ones drawn before."""
        first, second, third = (np.stack([points[i] for points in solid.faces]) for i in range(3))
        normals = np.cross(second - first, third - second)
        normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
        visible = ((np.asarray(self.view.eye) - first) * normals).sum(axis=-1) > 0.0
        lengths = np.cumsum([len(face) for face in solid.faces])[:-1]
        pixels = np.split(_rounded(self.view, np.concatenate(solid.faces)), lengths)
        # Of visible faces only: the plane of another may go through the camera, and n . point is nought then.
        seen = np.flatnonzero(visible)
        shades = 0.62 + 0.38 * np.maximum(0.0, normals[seen] @ _LIGHT)
        turned = normals[seen] @ self.view.rotation.T
        planes = turned / (turned * self.view.in_camera(first[seen])).sum(axis=-1, keepdims=True)
        for index, shade, plane in zip(seen, shades, planes, strict=True):
            colours = np.outer((0.0, shade, 0.55 * shade), solid.colour).astype(np.uint8)
            self._face(pixels[index], plane, colours, solid.outlined[index])

    def line(self, points: np.ndarray, colour: Colour, width: float) -> None:
        """Draw a line through world points (N, 3) over everything so far; width in px of the finished picture."""
        _line(self.image, self.view, points, colour, width)

    def dot(self, point: np.ndarray, colour: Colour, radius: float) -> None:
        """Draw a dot at a world point (3,) over everything so far; radius in px of the finished picture."""
        (x, y), size = _rounded(self.view, point[None])[0], round(OVERSAMPLING * radius)
        cv2.circle(self.image, (int(x), int(y)), size, colour, -1, cv2.LINE_AA)

    def finished(self) -> np.ndarray:
        """Return the picture (H, W, 3) uint8."""
        return cv2.resize(self.image, self.view.size, interpolation=cv2.INTER_AREA)

    def _face(self, pixels: np.ndarray, plane: np.ndarray, colours: np.ndarray, outlined: bool) -> None:
        """Draw a face at pixels (n, 2); colours (3, 3) of nothing, its inside and its outline."""
        left, top = np.maximum(pixels.min(axis=0), 0)
        right, bottom = np.minimum(pixels.max(axis=0) + 1, self.image.shape[1::-1])
        if left >= right or top >= bottom:
            return
        window = np.s_[top:bottom, left:right]
        mask = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillConvexPoly(mask, pixels - (left, top), 1)
        if outlined:
            cv2.polylines(mask, [pixels - (left, top)], True, 2, OVERSAMPLING)
        depth = self._depth(plane, np.arange(left, right), np.arange(top, bottom))
        # An edge belongs to two faces and to whatever touches it: drawn a little nearer, it is never half hidden.
        np.multiply(depth, 1.002, out=depth, where=mask == 2)
        nearer = (mask > 0) & (depth > self.inverse_depth[window])
        np.copyto(self.inverse_depth[window], depth, where=nearer)
        np.copyto(self.image[window], colours[mask], where=nearer[..., None])

    def _depth(self, plane: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """1 / depth at pixels, linear in them: `plane` is n / n . point, in camera axes."""
        height, width = self.image.shape[:2]
        focal = OVERSAMPLING * self.view.focal
        x, y = plane[0] * (columns - width / 2) / focal, plane[1] * (rows - height / 2) / focal + plane[2]
        return (x[None, :] + y[:, None]).astype(np.float32)


@lru_cache(maxsize=16)
def _table(view: Viewpoint) -> np.ndarray:
    """The empty table with its grid, oversampled; to be copied."""
    width, height = (OVERSAMPLING * length for length in view.size)
    image = np.full((height, width, 3), BACKGROUND, np.uint8)
    corners = REACH * np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], float)
    cv2.fillConvexPoly(image, _rounded(view, corners), TABLE, cv2.LINE_AA)
    for at in np.arange(-REACH, REACH + SPACING / 2, SPACING):
        _line(image, view, np.array([(at, -REACH, 0), (at, REACH, 0)]), GRID, 1.0)
        _line(image, view, np.array([(-REACH, at, 0), (REACH, at, 0)]), GRID, 1.0)
    return image


def _line(image: np.ndarray, view: Viewpoint, points: np.ndarray, colour: Colour, width: float) -> None:
    cv2.polylines(image, [_rounded(view, points)], False, colour, round(OVERSAMPLING * width), cv2.LINE_AA)


def _rounded(view: Viewpoint, points: np.ndarray) -> np.ndarray:
    """Pixels (N, 2) int32 of world points (N, 3) in the oversampled picture."""
    camera = view.in_camera(np.asarray(points, float))
    depth = np.maximum(camera[:, 2:], 0.05)
    pixels = OVERSAMPLING * (view.focal * camera[:, :2] / depth + np.array(view.size) / 2)
    return np.round(np.clip(np.nan_to_num(pixels), -2e4, 2e4)).astype(np.int32)
