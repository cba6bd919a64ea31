"""Surfaces of objects as binary STL files: the border of a mask's voxels, unsmoothed.

Marching cubes at level 0.5 of the mask (Lorensen & Cline, SIGGRAPH 1987, as scikit-image has it): a surface runs
half-way between the centre of a voxel inside and that of its neighbour outside. It is closed, also at the edge of
the volume, and voxels that share no face are not joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from struct import pack
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from usframe.arrays import blocks
from usframe.errors import RequestError
from usframe.files import withdraw, write_file
from usframe.types import Volume

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
LARGEST_ID = 255


class Space(NamedTuple):
    """``affine``: (4, 4), takes (d, h, w, 1) to x, y, z. ``told``: what the header of an STL says of these."""

    affine: NDArray[np.float64]
    told: str


def check_library() -> None:
    """Raise `RequestError` unless scikit-image, which finds the triangles, is installed."""
    if find_spec("skimage") is None:
        raise RequestError(
            "surface=stl needs scikit-image, which is not installed: pip install scikit-image, or surface=none"
        )


def surface_notes(volume: Volume, *, per_frame: bool) -> tuple[str, ...]:
    """What is to be known of the surfaces of a case: that there are none, or that their unit is the voxel."""
    if len(volume.data) == 1:
        return ("no surface is written: a single slice has none",)
    if per_frame:
        return ("no surface is written: the third axis is time, so there is no solid (axis=space says there is)",)
    if volume.spacing_mm is None:
        return ("voxel size unknown: surfaces are in voxels along columns, rows and slices",)
    return ()


def space_of(volume: Volume) -> Space:
    """Where the surfaces of a volume lie: in patient space (LPS, mm) where its file has one.

    Else x, y and z run along columns, rows and slices from the centre of the first voxel, in mm where the spacing
    is known and in voxels where it is not.
    """
    affine = None if volume.grid is None else volume.grid.affine
    usable = affine is not None and np.isfinite(affine).all() and np.linalg.det(affine[:3, :3]) != 0
    if affine is not None and usable and volume.spacing_mm:
        return Space(RAS_TO_LPS @ affine, "usframe SPACE=LPS, in mm")
    d, h, w = volume.spacing_mm or (1.0, 1.0, 1.0)
    along = np.array([[0, 0, w, 0], [0, h, 0, 0], [d, 0, 0, 0], [0, 0, 0, 1]], float)
    return Space(along, f"usframe, along columns, rows and slices in {'mm' if volume.spacing_mm else 'voxels'}")


def write_surfaces(folder: Path, case: str, mask: NDArray[np.uint8], volume: Volume, *, per_frame: bool) -> None:
    """Write FOLDER/CASE_ID.stl for every object of ``mask`` (D, H, W), unless D counts frames or is 1.

    What an earlier run left there of objects that are gone is removed. Raises `WriteError`.
    """
    from scipy.ndimage import find_objects

    solid = len(mask) > 1 and not per_frame
    boxes = dict(enumerate(find_objects(mask) if solid else (), 1))
    space = space_of(volume)
    for object_id in range(1, LARGEST_ID + 1):
        path = folder / f"{case}_{object_id}.stl"
        if box := boxes.get(object_id):
            origin = np.array([part.start for part in box])
            parts = (_placed(part + origin, space.affine) for part in _triangles(mask[box], object_id))
            write_file(path, stl(parts, space.told))
        else:
            withdraw(path)


def stl(parts: Iterable[NDArray[np.float64]], told: str) -> bytes:
    """A binary STL of triangles, ``parts`` of (N, 3 corners, xyz), anticlockwise as seen from outside.

    ``told``: its header, 80 bytes of ASCII at most. A triangle has 50 bytes: normal, corners, and two that are 0.
    """
    body = b"".join(_records(part).tobytes() for part in parts)
    return b"".join((told.encode().ljust(80), pack("<I", len(body) // TRIANGLE.itemsize), body))


def _records(triangles: NDArray[np.float64]) -> NDArray[np.void]:
    first, second = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    across = np.cross(first, second)
    found = np.zeros(len(triangles), TRIANGLE)
    found["normal"] = across / np.linalg.norm(across, axis=1, keepdims=True)
    found["corners"] = triangles
    return found


def _triangles(mask: NDArray[np.uint8], object_id: int) -> Iterator[NDArray[np.float64]]:
    """The surface of an object in its box of a mask (d, h, w), some slices at a time: (N, 3 corners, dhw).

    Corners are anticlockwise as seen from outside where d, h and w are right-handed.
    """
    from skimage.measure import marching_cubes

    depth, *plane = mask.shape
    for part in blocks((depth + 1, *plane)):  # from slice to slice, those beyond both ends included
        first, end = part.start - 1, min(part.stop, depth + 1)
        slab = np.pad(mask[max(first, 0) : end] == object_id, ((first < 0, end > depth), (1, 1), (1, 1)))
        if slab.any():
            corners, faces, _, _ = marching_cubes(slab, 0.5, gradient_direction="ascent", method="lorensen")
            yield (corners.astype(float) + np.array([first, -1, -1]))[faces]


def _placed(triangles: NDArray[Any], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Triangles (N, 3, dhw) in the space of ``affine``, still anticlockwise where that is a reflection."""
    moved: NDArray[np.float64] = triangles @ affine[:3, :3].T + affine[:3, 3]
    return moved[:, ::-1] if np.linalg.det(affine[:3, :3]) < 0 else moved
