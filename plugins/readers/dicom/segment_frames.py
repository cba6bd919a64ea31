"""What each frame of a DICOM segmentation says of itself: its segment, its sources, and where it lies.

The functional groups are those of the segmentation image (PS3.3 C.8.20.2 and C.7.6.16.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from usframe import Volume

from .files import frames_in
from .places import LPS_TO_RAS, SAME, Pixel, Planes, pixel_spacing, planes_in, slice_step, usable

Named = tuple[str, int]  # the SOPInstanceUID of a file, and a frame in it, from 1

OFF = 0.1  # of a voxel, between a frame and the slice that it is taken for


def _groups(header: Dataset) -> list[list[Dataset]]:
    """The functional groups of each frame, its own first."""
    shared = list(header.get("SharedFunctionalGroupsSequence") or ())
    return [[frame, *shared] for frame in header.get("PerFrameFunctionalGroupsSequence") or ()]


def segment_numbers(header: Dataset) -> list[int | None]:
    """The segment of each frame."""
    return [
        next(
            int(item.ReferencedSegmentNumber)
            for one in groups
            for item in one.get("SegmentIdentificationSequence") or ()
        )
        for groups in _groups(header)
    ]


def sources_of(header: Dataset) -> list[list[Named]]:
    """The source frames that each frame names, without those whose pixels lie elsewhere."""
    return [
        [
            (str(item.ReferencedSOPInstanceUID), frame)
            for group in groups
            for derived in group.get("DerivationImageSequence") or ()
            for item in derived.get("SourceImageSequence") or ()
            if str(item.get("SpatialLocationsPreserved") or "YES") == "YES"
            for frame in _listed(item.get("ReferencedFrameNumber"))
        ]
        for groups in _groups(header)
    ]


def _listed(numbers: Any) -> list[int]:
    if numbers is None:
        return [1]
    return [int(number) for number in numbers] if not isinstance(numbers, int | str) else [int(numbers)]


def slices_by_source(header: Dataset, known: Sequence[Named]) -> list[int]:
    """On which slice each frame was drawn; empty unless every one names a single slice of the volume."""
    slices = {source: at for at, source in enumerate(known)}
    found = [[slices[one] for one in named if one in slices] for named in sources_of(header)]
    return [one[0] for one in found] if found and all(len(one) == 1 for one in found) else []


def planes_of(header: Dataset) -> Planes | None:
    """Where the frames lie, None unless all say so, with the size of their pixels and side by side."""
    planes = planes_in([header])
    if planes is None or pixel_spacing(header) is None or len(planes.origin) != frames_in(header):
        return None
    return planes if usable(planes) and planes.parallel else None


def slices_by_place(header: Dataset, planes: Planes, onto: Volume) -> list[int]:
    """On which slice of ``onto`` each frame lies; empty unless every one has the pixels of a slice."""
    shape, pixel = (int(header.Rows), int(header.Columns)), pixel_spacing(header)
    if onto.grid is None or onto.grid.affine is None or pixel is None or onto.data.shape[1:] != shape:
        return []
    back = np.linalg.inv(np.asarray(onto.grid.affine, float))
    apart = np.abs(back[:3, :3] @ axes_of(planes, pixel) - np.eye(3)[:, 1:]) * np.array(shape)
    first = planes.origin * LPS_TO_RAS[:, 0] @ back[:3, :3].T + back[:3, 3]
    at = np.rint(first[:, 0]).astype(int)
    off = np.abs(first - np.stack([at, 0 * at, 0 * at], axis=1))
    inside = at.min() >= 0 and at.max() < len(onto.data)
    return at.tolist() if inside and max(apart.max(), off.max()) <= OFF else []


def axes_of(planes: Planes, pixel: Pixel) -> NDArray[np.float64]:
    """(3, 2): from row to row and from column to column, in mm RAS."""
    columns, rows = planes.directions[0, :3], planes.directions[0, 3:]
    return np.asarray(np.stack([rows * pixel[0], columns * pixel[1]], axis=1) * LPS_TO_RAS)


def step_of(header: Dataset, planes: Planes, alone: float) -> float | None:
    """How far the slices are apart, in mm: as the file says, or as its nearest frames; ``alone`` for one.

    None where the frames do not lie on slices that are evenly apart.
    """
    along = planes.along - planes.along.min()
    gaps = np.diff(np.unique(np.round(along / SAME)) * SAME)
    for step in (slice_step(header), float(gaps.min()) if len(gaps) else alone):
        if step and np.abs(along / step - np.rint(along / step)).max() <= OFF:
            return step
    return None
