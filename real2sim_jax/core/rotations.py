"""Rotations that robot and simulator share: unit quaternions wxyz, rotation vectors, azimuth and elevation.

Every function takes arrays of numpy (on the robot) or jax (in the simulator) with any leading batch axes, and is
differentiable in the rotation's singular points (the unused branch of a `where` is made safe first).
"""

from typing import Any

import numpy as np

from real2sim_jax.core.arrays import namespace

Array = Any


def multiply(a: Array, b: Array) -> Array:
    """Hamilton product a * b of quaternions (..., 4): the rotation b followed by a."""
    xp = namespace(a, b)
    aw, ax, ay, az = (a[..., i] for i in range(4))
    bw, bx, by, bz = (b[..., i] for i in range(4))
    return xp.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def conjugate(q: Array) -> Array:
    """Inverse of unit quaternions (..., 4)."""
    xp = namespace(q)
    return q * xp.asarray([1.0, -1.0, -1.0, -1.0], dtype=q.dtype)


def rotate(q: Array, v: Array) -> Array:
    """Rotate vectors v (..., 3) by unit quaternions q (..., 4).

    A quarter of a turn about z takes x to y:

    >>> quarter = wxyz_from_rotvec(np.array([0.0, 0.0, np.pi / 2]))
    >>> np.abs(rotate(quarter, np.array([1.0, 0.0, 0.0])).round(6)).tolist()
    [0.0, 1.0, 0.0]
    """
    xp = namespace(q, v)
    w, u = q[..., :1], q[..., 1:]
    t = 2.0 * xp.cross(u, v)
    return v + w * t + xp.cross(u, t)


def matrix_from_wxyz(q: Array) -> Array:
    """Rotation matrices (..., 3, 3) of unit quaternions (..., 4)."""
    xp = namespace(q)
    w, x, y, z = (q[..., i] for i in range(4))
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return xp.stack([xp.stack(row, axis=-1) for row in rows], axis=-2)


def wxyz_from_rotvec(rotvec: Array) -> Array:
    """Quaternions (..., 4) of rotation vectors (..., 3) in rad."""
    xp = namespace(rotvec)
    squared = xp.sum(rotvec * rotvec, axis=-1, keepdims=True)
    small = squared < 1e-8
    angle = xp.sqrt(xp.where(small, 1.0, squared))
    # Series of sin(a/2)/a near zero: exact to float32 below 1e-4 rad.
    scale = xp.where(small, 0.5 - squared / 48.0, xp.sin(angle / 2.0) / angle)
    w = xp.where(small, 1.0 - squared / 8.0, xp.cos(angle / 2.0))
    return xp.concatenate([w, scale * rotvec], axis=-1)


def rotvec_from_wxyz(q: Array) -> Array:
    """Rotation vectors (..., 3), angle in [0, pi] rad, of unit quaternions (..., 4)."""
    xp = namespace(q)
    q = xp.where(q[..., :1] < 0.0, -q, q)
    w, u = q[..., :1], q[..., 1:]
    squared = xp.sum(u * u, axis=-1, keepdims=True)
    small = squared < 1e-8
    norm = xp.sqrt(xp.where(small, 1.0, squared))
    scale = xp.where(small, 2.0 / xp.where(small, w, 1.0), 2.0 * xp.arctan2(norm, w) / norm)
    return scale * u


def wxyz_from_azimuth_elevation(azimuth: Array, elevation: Array) -> Array:
    """Orientation Rz(azimuth) Ry(pi/2 + elevation) of hand and gripper, (..., 4); positive elevation points down."""
    xp = namespace(azimuth, elevation)
    half_azimuth, half_pitch = azimuth / 2.0, np.pi / 4.0 + elevation / 2.0
    ca, sa, cp, sp = xp.cos(half_azimuth), xp.sin(half_azimuth), xp.cos(half_pitch), xp.sin(half_pitch)
    return xp.stack([ca * cp, -sa * sp, ca * sp, sa * cp], axis=-1)


def azimuth_elevation_from_wxyz(q: Array) -> tuple[Array, Array]:
    """Azimuth in (-pi, pi] and elevation in [-pi/2, pi/2] rad of where the approach axis (+z) points.

    >>> pose = wxyz_from_azimuth_elevation(np.deg2rad(90.0), np.deg2rad(30.0))
    >>> [round(float(np.rad2deg(angle)), 6) for angle in azimuth_elevation_from_wxyz(pose)]
    [90.0, 30.0]
    """
    xp = namespace(q)
    w, x, y, z = (q[..., i] for i in range(4))
    dx, dy, dz = 2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)
    horizontal = dx * dx + dy * dy
    vertical = horizontal < 1e-12
    azimuth = xp.arctan2(dy, xp.where(vertical, 1.0, dx))
    return azimuth, xp.arctan2(-dz, xp.sqrt(xp.where(vertical, 1e-12, horizontal)))


def twist(q: Array, axis: Any) -> Array:
    """How far a rotation (4,) turns about an axis (3,), rad: its twist (swing-twist decomposition).

    >>> round(float(np.rad2deg(twist(wxyz_from_rotvec(np.deg2rad([0.0, 0.0, 40.0])), (0.0, 0.0, 1.0)))), 6)
    40.0
    """
    xp = namespace(q)
    return 2.0 * xp.arctan2(q[1:] @ xp.asarray(axis), q[0])


def wrap(angle: Array) -> Array:
    """The same angle in [-pi, pi) rad.

    >>> round(float(np.rad2deg(wrap(np.deg2rad(270.0)))), 6)
    -90.0
    """
    return (angle + np.pi) % (2.0 * np.pi) - np.pi
