"""What each frame of a DICOM segmentation says of itself: its segment, its sources, and where it lies.

The functional groups are those of the segmentation image (PS3.3 C.8.20.2 and C.7.6.16.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom import Dataset

from .files import frames_in
from .places import Planes, pixel_spacing, planes_in, usable

Named = tuple[str, int]  # the SOPInstanceUID of a file, and a frame in it, from 1


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
    """The source frames that each frame names."""
    return [
        [
            (str(item.ReferencedSOPInstanceUID), frame)
            for group in groups
            for derived in group.get("DerivationImageSequence") or ()
            for item in derived.get("SourceImageSequence") or ()
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
    found = list(planes_in(header, alone=False))
    if not found or pixel_spacing(header) is None or len(found) != frames_in(header):
        return None
    if any(origin is None or directions is None for origin, directions in found):
        return None
    planes = Planes(*(np.array(part, float) for part in zip(*found, strict=True)))
    return planes if usable(planes) and planes.parallel else None
