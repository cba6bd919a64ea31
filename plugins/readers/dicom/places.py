"""Where the frames of DICOM files lie: pixel size, positions, and whether their axis is space or time.

The pixel size is that of the ultrasound regions (PS3.3 C.8.5.5) or else PixelSpacing (C.10.7.1.3); positions are
those of the image plane (C.7.6.2) or of the frames (C.7.6.16.2, in an Enhanced US Volume C.8.24.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from usframe import ReadError
from usframe.types import Spacing

from ..grid import LARGEST_MM, SHEARED, SMALLEST_MM, TIME, Affine, is_sheared, spacing_of
from .files import Slice, frames_in, reading

CENTIMETRES = 3  # as PhysicalUnitsXDirection, PS3.3 C.8.5.5.1.15
TISSUE = 1  # as RegionSpatialFormat: 2D, the others are traces over time
LPS_TO_RAS = np.array([[-1.0], [-1.0], [1.0]])
SAME = 1e-3  # of a millimetre between slices, or in the direction of an axis
STEPS = ("SpacingBetweenSlices", "SliceThickness")
UNEVEN = 0.05  # of the distance between slices

Pixel = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Place:
    """``affine``: (4, 4), (frame, row, column, 1) to mm RAS; ``spacing`` along these in mm; None where unknown."""

    affine: Affine | None
    spacing: Spacing | None
    time: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Planes:
    """Of each frame: ``origin`` (N, 3) of its first pixel, ``directions`` (N, 6) of its rows and columns; LPS."""

    origin: NDArray[np.float64]
    directions: NDArray[np.float64]

    @property
    def along(self) -> NDArray[np.float64]:
        """(N,) how far each frame lies along the normal of the first, in mm."""
        axis = np.cross(self.directions[0, :3], self.directions[0, 3:])
        return np.asarray(self.origin @ axis)

    @property
    def parallel(self) -> bool:
        return bool(np.abs(self.directions - self.directions[0]).max() <= SAME)


def place_of(path: Path, slices: Sequence[Slice]) -> tuple[list[int], Place]:
    """Which slice of the volume each frame is, in the order of the files, and where these lie.

    Raises `ReadError` where several frames lie at one place, but not all.
    """
    with reading(path):
        pixel, notes = _pixel_size([header for _, header in slices])
        planes, numbers = planes_in([header for _, header in slices]), _numbers(slices)
        count = len(numbers)
        if planes is not None and not usable(planes):
            planes, notes = None, [*notes, "the header's positions are no usable numbers and were left out"]
        if planes is not None and count > 1 and planes.parallel and np.ptp(planes.along) > SAME:
            return _stacked(path, planes, pixel, notes)
        order = np.argsort(numbers, kind="stable")
        ranks = np.argsort(order).tolist()
        if count == 1:
            affine = _affine(planes, pixel, None) if planes is not None else None
            flat = None if pixel is None else (1.0, *pixel)
            return ranks, Place(affine, flat, False, tuple(notes))
        if len(slices) > 1:
            why = "do not say where they lie" if planes is None else "lie at one place or are not parallel"
            notes.append(f"the {count} files {why}: they were read in the order of their InstanceNumber, as frames")
        thick = _thickness(slices[0][1])
        if len(slices) == 1 and thick and pixel:
            return ranks, Place(None, (thick, *pixel), False, tuple(notes))
        return ranks, Place(None, None if pixel is None else (1.0, *pixel), True, (*notes, TIME))


def _stacked(path: Path, planes: Planes, pixel: Pixel | None, notes: list[str]) -> tuple[list[int], Place]:
    """Frames side by side, in the order of their positions."""
    order = np.argsort(planes.along, kind="stable")
    gaps = np.diff(planes.along[order])
    if gaps.min() <= SAME:
        raise ReadError(
            f"{path}: several slices lie at one place, so it holds several volumes (time points, echoes); "
            "save one volume per case"
        )
    mean = gaps.mean()
    if np.abs(gaps - mean).max() > UNEVEN * mean:
        notes.append(
            f"the slices are {gaps.min():.3g} to {gaps.max():.3g} mm apart, {mean:.3g} on average, which was taken "
            "for all: is one missing?"
        )
    ordered = Planes(planes.origin[order], planes.directions[order])
    step = (ordered.origin[-1] - ordered.origin[0]) / (len(order) - 1)
    affine = _affine(ordered, pixel, step)
    spacing = None if affine is None else spacing_of(affine)
    notes += [SHEARED] * (affine is not None and is_sheared(affine))
    return np.argsort(order).tolist(), Place(affine, spacing, False, tuple(notes))


def _affine(planes: Planes, pixel: Pixel | None, step: NDArray[np.float64] | None) -> Affine | None:
    """``step``: from frame to frame, None for a single one, which is taken to be 1 mm thick."""
    if pixel is None:
        return None
    rows, columns = planes.directions[0, 3:], planes.directions[0, :3]
    depth = np.cross(columns, rows) if step is None else step
    affine = np.eye(4)
    axes = np.stack([depth, rows * pixel[0], columns * pixel[1], planes.origin[0]], axis=1)
    affine[:3] = axes * LPS_TO_RAS
    return affine


def usable(planes: Planes) -> bool:
    """Whether all are numbers, and the axes of each frame are of length 1 and at right angles."""
    columns, rows = planes.directions[:, :3], planes.directions[:, 3:]
    if not (np.isfinite(planes.origin).all() and np.isfinite(planes.directions).all()):
        return False
    lengths = np.linalg.norm(np.stack([columns, rows]), axis=-1)
    return bool(np.abs(lengths - 1).max() <= 0.01 and np.abs((columns * rows).sum(1)).max() <= 0.01)


def planes_in(headers: Sequence[Dataset]) -> Planes | None:
    """The planes of all frames of some files, None unless every one has its own."""
    found = [plane for header in headers for plane in _planes_of(header)]
    if not found or any(origin is None or directions is None for origin, directions in found):
        return None
    origin, directions = (np.array(part, float) for part in zip(*found, strict=True))
    return Planes(origin, directions) if origin.shape[1:] == (3,) and directions.shape[1:] == (6,) else None


def _planes_of(header: Dataset) -> Iterator[tuple[Any, Any]]:
    """(position, directions) of each frame of a file, None where it does not say."""
    frames = list(header.get("PerFrameFunctionalGroupsSequence") or ())
    shared = list(header.get("SharedFunctionalGroupsSequence") or ())
    if not frames:
        yield header.get("ImagePositionPatient") or None, header.get("ImageOrientationPatient") or None
        return
    for frame in frames:
        groups = [frame, *shared]
        position = _first(groups, "PlanePositionVolumeSequence", "ImagePositionVolume")
        directions = _first(groups, "PlaneOrientationVolumeSequence", "ImageOrientationVolume")
        yield (
            position or _first(groups, "PlanePositionSequence", "ImagePositionPatient"),
            directions or _first(groups, "PlaneOrientationSequence", "ImageOrientationPatient"),
        )


def _first(groups: Sequence[Dataset], sequence: str, name: str) -> Any:
    """The value of the first functional group that has it."""
    found = (item.get(name) for group in groups for item in group.get(sequence) or ())
    return next((value for value in found if value is not None), None)


def _numbers(slices: Sequence[Slice]) -> list[int]:
    """By what frames are in order where they have no positions."""
    if len(slices) == 1:
        return list(range(frames_in(slices[0][1])))
    return [int(header.get("InstanceNumber") or at) for at, (_, header) in enumerate(slices, 1)]


def _thickness(header: Dataset) -> float | None:
    """The distance of frames that are none of a clip."""
    cine = any(header.get(name) for name in ("FrameTime", "FrameTimeVector", "CineRate"))
    distance = abs(float(header.get("SpacingBetweenSlices") or 0))
    return None if cine or not SMALLEST_MM <= distance <= LARGEST_MM else distance


def _pixel_size(headers: Sequence[Dataset]) -> tuple[Pixel | None, list[str]]:
    """(row, column) distance in mm, None where it is not known or not the same everywhere, and notes."""
    found = {size for header in headers for size in _regions(header)}
    plain = {size for header in headers if (size := pixel_spacing(header))}
    if len(found) > 1 and _differ(found):
        return None, [
            "the header's ultrasound regions have pixels of different sizes, so the voxel size is unknown"
        ]
    if not found and len(plain) > 1 and _differ(plain):
        return None, ["the files have pixels of different sizes, so the voxel size is unknown"]
    notes = []
    if found and plain and _differ(found | plain):
        (a, b), (c, d) = min(found), min(plain)
        notes.append(
            f"the header's ultrasound region has pixels of {b:.4g} x {a:.4g} mm and its PixelSpacing {d:.4g} x "
            f"{c:.4g}: the region was used"
        )
    return (min(found or plain) if found or plain else None), notes


def _differ(sizes: set[Pixel]) -> bool:
    table = np.array(sorted(sizes))
    return bool((np.ptp(table, axis=0) > 0.01 * table.min(axis=0)).any())


def _regions(header: Dataset) -> Iterator[Pixel]:
    """The pixel sizes of the regions that show tissue and are measured in cm."""
    for region in header.get("SequenceOfUltrasoundRegions") or ():
        units = {int(region.get(f"PhysicalUnits{axis}Direction", 0)) for axis in "XY"}
        if units == {CENTIMETRES} and int(region.get("RegionSpatialFormat", TISSUE)) == TISSUE:
            size = tuple(abs(float(region.get(f"PhysicalDelta{axis}", 0))) * 10 for axis in "YX")
            if pixel := _pixel(size):
                yield pixel


def pixel_spacing(header: Dataset) -> Pixel | None:
    """(row, column) distance in mm that a file states for all of its frames."""
    measured = _first(_measures(header), "PixelMeasuresSequence", "PixelSpacing")
    return _pixel(measured or header.get("PixelSpacing") or ())


def slice_step(header: Dataset) -> float | None:
    """How far the slices are apart that the frames of a file lie on, in mm; None where it does not say."""
    found = (_first(_measures(header), "PixelMeasuresSequence", name) for name in STEPS)
    return next((float(step) for step in found if step and SMALLEST_MM <= float(step) <= LARGEST_MM), None)


def _measures(header: Dataset) -> list[Dataset]:
    return [
        *list(header.get("SharedFunctionalGroupsSequence") or ()),
        *list(header.get("PerFrameFunctionalGroupsSequence") or ())[:1],
    ]


def _pixel(sizes: Sequence[Any]) -> Pixel | None:
    mm = [float(size) for size in sizes]
    return (mm[0], mm[1]) if len(mm) == 2 and all(SMALLEST_MM <= size <= LARGEST_MM for size in mm) else None
