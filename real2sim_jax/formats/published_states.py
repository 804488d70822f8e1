"""The published interchange format of state estimation: one CSV per video, one row per frame.

Columns: camera (distance, azimuth, elevation), per object size and position, hand position, azimuth and elevation,
per object rotation vector, touch. With two objects, o0 is the one that stays and o1 the one that the hand moves;
with one object o0 is moved. Source: Petrik et al., CoRL 2020 (published state files).
"""

from pathlib import Path

import numpy as np

from real2sim_jax.core.errors import UserError
from real2sim_jax.core.rotations import (
    azimuth_elevation_from_wxyz,
    rotvec_from_wxyz,
    wxyz_from_azimuth_elevation,
    wxyz_from_rotvec,
)
from real2sim_jax.data.artefacts import checked, read_columns, write_csv
from real2sim_jax.data.types import ANCHOR, FAR_M, HAND, MOVED, CuboidTrack
from real2sim_jax.geometry.cameras import IMAGE_SIZE_PX, look_at_camera
from real2sim_jax.geometry.cuboids import HAND_HALF_EXTENTS_M

AXES = ("x", "y", "z")
CAMERA_COLUMNS = ("cdis", "cazi", "cele")
PUBLISHED_AZIMUTH_RANGE_RAD = np.pi / 4.0


def column_names(objects: int) -> list[str]:
    """Return the published columns of a file with one or two objects, in order."""
    names = list(CAMERA_COLUMNS)
    for number in range(objects):
        names += [f"o{number}sz{axis}" for axis in AXES] + [f"o{number}pos{axis}" for axis in AXES]
    names += [*(f"hpos{axis}" for axis in AXES), "hazi", "hele"]
    names += [f"o{number}rot{i}" for number in range(objects) for i in range(3)]
    return [*names, "touch"]


def write_states(path: str | Path, track: CuboidTrack) -> None:
    """Write a track's valid frames in the published layout; full sizes in m, angles in rad."""
    valid = np.asarray(track.valid, bool)
    frames = int(valid.sum())
    azimuth, elevation = azimuth_elevation_from_wxyz(np.asarray(track.wxyz)[valid][:, HAND])
    camera = [track.camera.distance, track.camera.azimuth, track.camera.elevation]
    columns = {name: np.full(frames, float(value)) for name, value in zip(CAMERA_COLUMNS, camera, strict=True)}
    for number, body in enumerate(_bodies_in_file(track.position.shape[1] - 1)):
        rotation = rotvec_from_wxyz(np.asarray(track.wxyz)[valid][:, body])
        for i, axis in enumerate(AXES):
            columns[f"o{number}sz{axis}"] = np.full(frames, 2.0 * float(track.half_extents[body, i]))
            columns[f"o{number}pos{axis}"] = np.asarray(track.position)[valid][:, body, i]
            columns[f"o{number}rot{i}"] = rotation[:, i]
    columns |= {f"hpos{axis}": np.asarray(track.position)[valid][:, HAND, i] for i, axis in enumerate(AXES)}
    columns |= {"hazi": azimuth, "hele": elevation, "touch": np.asarray(track.touching)[valid].astype(int)}
    write_csv(path, {name: columns[name] for name in column_names(track.position.shape[1] - 1)})


def read_states(path: str | Path, *, dt: float = 1.0 / 12.0, published_camera: bool = False) -> CuboidTrack:
    """Read a published state file, ours or another system's, with or without an index column in front.

    A touch of -1 (unknown) reads as not touching. Sizes that vary over time are averaged. All frames act.
    published_camera: the file's camera azimuth lacks its range factor of 45 deg, as the published ones do.
    UserError when a column is missing or a value is not a finite number or larger than anything that is filmed.
    """
    columns, objects = _read_columns(path)
    bodies = _bodies_in_file(objects)
    frames = len(columns["touch"])
    half_extents = np.empty((objects + 1, 3), np.float32)
    half_extents[HAND] = HAND_HALF_EXTENTS_M
    position, wxyz = np.empty((frames, objects + 1, 3)), np.empty((frames, objects + 1, 4))
    for number, body in enumerate(bodies):
        half_extents[body] = 0.5 * _vectors(columns, f"o{number}sz", AXES).mean(axis=0)
        position[:, body] = _vectors(columns, f"o{number}pos", AXES)
        wxyz[:, body] = wxyz_from_rotvec(_vectors(columns, f"o{number}rot", ("0", "1", "2")))
    position[:, HAND] = _vectors(columns, "hpos", AXES)
    wxyz[:, HAND] = wxyz_from_azimuth_elevation(columns["hazi"], columns["hele"])
    azimuth = columns["cazi"][0] * (PUBLISHED_AZIMUTH_RANGE_RAD if published_camera else 1.0)
    camera = look_at_camera(columns["cdis"][0], azimuth, columns["cele"][0], np.asarray(IMAGE_SIZE_PX))
    everywhere = np.ones(frames, bool)
    track = CuboidTrack(
        half_extents=half_extents,
        position=position.astype(np.float32),
        wxyz=wxyz.astype(np.float32),
        touching=columns["touch"] > 0.5,
        acting=everywhere,
        valid=everywhere,
        dt=np.float32(dt),  # type: ignore[arg-type]
        camera=camera,
        quality={},
    )
    checked(path, track)
    return track


def _read_columns(path: str | Path) -> tuple[dict[str, np.ndarray], int]:
    """The columns of a state file by name, and its number of objects."""
    columns = read_columns(path, column_names(1))
    objects = 2 if any(name.startswith("o1") for name in columns) else 1
    for name in column_names(objects):
        if name not in columns:
            raise UserError(f"{path}: column {name!r} is missing; expected the {objects}-object layout")
        largest = np.abs(columns[name]).max()
        # Before anything is made of it: what comes out would be infinite.
        if largest > FAR_M:
            raise UserError(f"{path}: column {name!r} reaches {largest:g}, expected metres and radians up to {FAR_M:g}")
    return columns, objects


def _bodies_in_file(objects: int) -> tuple[int, ...]:
    """Body index of o0, o1: the published files number the object that stays first."""
    return (MOVED,) if objects == 1 else (ANCHOR, MOVED)


def _vectors(columns: dict[str, np.ndarray], prefix: str, suffixes: tuple[str, ...]) -> np.ndarray:
    return np.stack([columns[prefix + suffix] for suffix in suffixes], axis=-1)
