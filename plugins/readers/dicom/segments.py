"""DICOM segmentations: segments frame by frame, put on the slices of the volume that they were drawn on.

The attributes are those of the segmentation image (PS3.3 C.8.20.2) and of the label map (C.8.20.2, SegmentationType
LABELMAP). A frame names its plane in space, the source frames that it was drawn on, or both.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from usframe import ReadError, Volume

from ..grid import FileGrid, own_grid, spacing_of, to_dhw
from .files import frames_in, reading
from .pixels import Frames
from .places import LPS_TO_RAS, Planes, pixel_spacing
from .segment_frames import (
    axes_of,
    planes_of,
    segment_numbers,
    slices_by_place,
    slices_by_source,
    sources_of,
    step_of,
)

TYPES = ("BINARY", "FRACTIONAL", "LABELMAP")
TRACKED = re.compile(r"usframe object (\d{1,3})")
IN_ORDER = "the segmentation names neither places nor source images: its frames were taken in their order"

Labels = NDArray[np.uint8]


@dataclass
class Merged:
    """Label maps (rows, columns) by plane; where segments overlap, the later one is there. ``overlap``: voxels."""

    planes: dict[int, Labels] = field(default_factory=dict)
    overlap: int = 0

    def add(self, plane: int, inside: NDArray[np.bool_], value: int) -> None:
        labels = self.planes.setdefault(plane, np.zeros(inside.shape, np.uint8))
        self.overlap += int(np.count_nonzero(labels[inside] & (labels[inside] != value)))
        labels[inside] = value

    def stack(self, count: int, shape: tuple[int, int]) -> Labels:
        data = np.zeros((count, *shape), np.uint8)
        for plane, labels in self.planes.items():
            data[plane] = labels
        return data


def is_segmentation(header: Dataset) -> bool:
    """Whether a file holds segments, and not a picture."""
    return "SegmentSequence" in header or "SegmentationType" in header


def read_segments(path: Path, header: Dataset, onto: Volume | None) -> Volume:
    """The label map on the voxels of ``onto``; without it the planes that the file holds, `Volume.cropped`.

    Frames lie on the slices that they name as their source, or else where their planes are. Raises `ReadError`
    where nothing says on which slices they belong.
    """
    with reading(path):
        values, names = _segments(path, header)
        sources = None if onto is None else own_grid(onto.grid, "dicom") if onto.grid is not None else None
        known = [] if sources is None else [(one.uid, one.frame) for one in sources.native]
        shape = (int(header.Rows), int(header.Columns))
        if sources is not None and sources.shape[1:] == shape and (at := slices_by_source(header, known)):
            data, notes = _merge(path, header, at, values, len(known))
            placed = to_dhw(data, data.shape, sources.layout, path)
            assert onto is not None
            return Volume(placed, onto.spacing_mm, onto.grid, notes, time=onto.time, names=names)
        if (planes := planes_of(header)) is not None:
            _check_space(path, header, sources)
            if onto is not None and (at := slices_by_place(header, planes, onto)):
                data, notes = _merge(path, header, at, values, len(onto.data))
                return Volume(data, onto.spacing_mm, onto.grid, notes, time=onto.time, names=names)
            read = _stacked(path, header, planes, values, names, onto)
            if onto is None:
                return read
            if onto.grid is not None and onto.grid.affine is not None:
                return _resampled(path, read, onto)
        return _in_order(path, header, values, names, onto)


def _check_space(path: Path, header: Dataset, sources: FileGrid | None) -> None:
    """Raises `ReadError` where places are told in another frame of reference than the volume's."""
    own = str(header.get("FrameOfReferenceUID", ""))
    others = {one.space for one in sources.native} - {""} if sources is not None else set()
    if own and others and own not in others:
        raise ReadError(
            f"{path}: tells its places in another frame of reference than its volume, and does not name the slices "
            "of that; is it of another recording?"
        )


def _segments(path: Path, header: Dataset) -> tuple[dict[int, int], dict[int, str]]:
    """Segment number -> label value, and the names by value. Raises `ReadError` for what fits in no mask."""
    kind = str(header.get("SegmentationType", ""))
    if kind not in TYPES:
        raise ReadError(f"{path}: is a segmentation of the type {kind or 'nothing'}; known: {', '.join(TYPES)}")
    segments = list(header.get("SegmentSequence") or ())
    numbers = [int(segment.SegmentNumber) for segment in segments]
    tracked = [TRACKED.fullmatch(str(segment.get("TrackingID", "")).strip()) for segment in segments]
    own = [int(found[1]) for found in tracked if found]
    values = dict(zip(numbers, own if len(own) == len(numbers) else numbers, strict=True))
    if kind == "LABELMAP":
        values = {number: value for number, value in values.items() if number}
    if not values or len({*values.values()}) < len(values) or not all(1 <= one <= 255 for one in values.values()):
        raise ReadError(f"{path}: its segments have the numbers {sorted(numbers)[:5]}; 1 to 255 fit in a mask")
    named = {
        values.get(number): str(one.get("SegmentLabel", "")) for number, one in zip(numbers, segments, strict=True)
    }
    return values, {
        value: name.strip()
        for value, name in named.items()
        if value and name.strip() and name.strip() != f"object {value}"
    }


def _merge(
    path: Path, header: Dataset, at: Sequence[int], values: dict[int, int], count: int
) -> tuple[Labels, tuple[str, ...]]:
    """(count, rows, columns) of the frames, frame n on plane ``at[n]``, and notes."""
    kind, merged = str(header.SegmentationType), Merged()
    most = int(header.get("MaximumFractionalValue") or 255) if kind == "FRACTIONAL" else 1
    frames = Frames(path, header, labels=True)
    frames.kind = "MONOCHROME2"  # a palette is how a label map is shown, and not what it holds
    numbers = [None] * len(at) if kind == "LABELMAP" else segment_numbers(header)
    for plane, number, frame in zip(at, numbers, frames, strict=True):
        if number is None:
            if strange := {*np.unique(frame).tolist()} - {0, *values}:
                raise ReadError(f"{path}: holds the value {strange.pop()}, which none of its segments has")
            for one, value in values.items():
                merged.add(plane, frame == one, value)
        elif number not in values:
            raise ReadError(f"{path}: a frame is of segment {number}, which the header does not name")
        else:
            merged.add(plane, 2 * frame.astype(np.int64) >= most, values[number])
    notes = []
    if kind == "FRACTIONAL":
        notes.append(f"the segmentation is fractional: voxels of at least {(most + 1) // 2} of {most} were taken")
    if merged.overlap:
        notes.append(f"segments overlap in {merged.overlap} voxels, which went to the later segment")
    return merged.stack(count, (int(header.Rows), int(header.Columns))), tuple(notes)


def _stacked(
    path: Path, header: Dataset, planes: Planes, values: dict[int, int], names: dict[int, str], onto: Volume | None
) -> Volume:
    """The frames as a volume of its own, with empty planes where the file leaves them out."""
    pixel = pixel_spacing(header)
    assert pixel is not None
    along = planes.along - planes.along.min()
    step = step_of(header, planes, onto.spacing_mm[0] if onto is not None and onto.spacing_mm else 1.0)
    if step is None:
        raise ReadError(f"{path}: its frames are not evenly apart; save it on the slices of its volume")
    at = np.rint(along / step).astype(int)
    data, notes = _merge(path, header, at.tolist(), values, int(at.max()) + 1)
    first, last = int(along.argmin()), int(along.argmax())
    across = np.cross(planes.directions[first, :3], planes.directions[first, 3:]) * step
    if at.max():
        across = (planes.origin[last] - planes.origin[first]) / at.max()
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1:3] = across * LPS_TO_RAS[:, 0], axes_of(planes, pixel)
    affine[:3, 3] = planes.origin[first] * LPS_TO_RAS[:, 0]
    grid = FileGrid("dicom segments", "dhw", data.shape, affine, spacing_of(affine))
    return Volume(data, grid.spacing_mm, grid, notes, cropped=True, names=names)


def _resampled(path: Path, read: Volume, onto: Volume) -> Volume:
    """The label map on the voxels of ``onto`` by nearest neighbour; empty outside of what the file holds."""
    from scipy.ndimage import affine_transform

    assert read.grid is not None
    assert read.grid.affine is not None
    assert onto.grid is not None
    assert onto.grid.affine is not None
    back = np.linalg.inv(read.grid.affine) @ onto.grid.affine
    data = affine_transform(
        read.data, back[:3, :3], back[:3, 3], onto.data.shape, order=0, mode="grid-constant", prefilter=False
    )
    if read.data.any() and not data.any():
        raise ReadError(f"{path}: no segment lies inside its volume; does it belong to another recording?")
    where = np.argwhere(read.data)
    forth = np.linalg.inv(back)
    placed = np.rint(where @ forth[:3, :3].T + forth[:3, 3])
    lost = int(((placed < 0) | (placed >= onto.data.shape)).any(axis=1).sum())
    told = (f"{lost} voxels of the segments lie outside the volume and were left out",) * bool(lost)
    return Volume(data, onto.spacing_mm, onto.grid, (*read.notes, *told), names=read.names)


def _in_order(
    path: Path, header: Dataset, values: dict[int, int], names: dict[int, str], onto: Volume | None
) -> Volume:
    """Frames whose places nothing says: by the frames that they name, or each segment has one for every slice."""
    named = sources_of(header)
    notes: tuple[str, ...] = (IN_ORDER,)
    files = {uid for one in named for uid, _ in one}
    if len(files) == 1 and onto is None and all(len(one) == 1 for one in named):
        at, notes = [one[0][1] - 1 for one in named], ()
        count, whole = max(at) + 1, min(at) >= 0
    elif files:
        raise ReadError(f"{path}: its source images are not those of the volume; is it of another recording?")
    else:
        at, counts = _counted(header)
        count = max(counts.values(), default=0)
        placed = onto is not None and onto.grid is not None and onto.grid.affine is not None
        whole = not placed and {*counts.values()} == {count}  # slices have no order, as the frames of a clip have
    shape = (count, int(header.Rows), int(header.Columns))
    if not whole or (onto is not None and shape != onto.data.shape):
        raise ReadError(
            f"{path}: nothing says on which slices its frames of {header.Columns} x {header.Rows} pixels belong; "
            "save it with its source images, or as NIfTI on the voxels of the volume"
        )
    data, told = _merge(path, header, at, values, count)
    grid = FileGrid("dicom segments", "dhw", data.shape)
    return Volume(data, None, grid, (*notes, *told), time=count > 1, cropped=onto is None, names=names)


def _counted(header: Dataset) -> tuple[list[int], dict[int | None, int]]:
    """Which one of its segment each frame is, from 0, and how many every segment has."""
    label_map = str(header.SegmentationType) == "LABELMAP"
    at: list[int] = []
    counts: dict[int | None, int] = defaultdict(int)
    for number in [None] * frames_in(header) if label_map else segment_numbers(header):
        at.append(counts[number])
        counts[number] += 1
    return at, counts
