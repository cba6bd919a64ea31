"""DICOM files, and folders with those of one series, through pydicom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from usframe import ReadError, Volume, WriteError
from usframe.arrays import Planes
from usframe.errors import PluginError
from usframe.types import Grid, Role

from ..grid import FileGrid, axis_order, in_dhw, own_grid, role_of, to_dhw

if TYPE_CHECKING:
    from .places import Place

NATURAL = "dhw"


class Source(NamedTuple):
    """A slice of a volume: the SOPInstanceUID of its file, which frame of that it is, from 1, and where that lies.

    ``space``: the FrameOfReferenceUID. ``path``: of the file. What identifies an examination is not shown.
    """

    uid: str
    frame: int
    space: str
    path: Path

    def __repr__(self) -> str:
        return f"Source(frame={self.frame})"


class DicomReader:
    """DICOM, a file or the folder of a series, through pydicom.

    A file of several frames is a clip, or a volume where it says where the frames lie. The files of a folder are
    the slices of one volume, in the order of their positions. No tag about a patient is read. Pixels are made grey.
    """

    folders = True

    def __init__(self) -> None:
        if find_spec("pydicom") is None:
            raise PluginError("DICOM files need pydicom, which is not installed: pip install 'usframe[dicom]'")

    def read(
        self, path: Path, *, layout: str = "auto", onto: Volume | None = None, role: Role | None = None
    ) -> Volume:
        from .files import read_file, slices_of
        from .pixels import Frames
        from .places import place_of
        from .segments import is_segmentation, read_segments

        order = axis_order(layout, NATURAL)
        labels = role_of(role, onto) != "volume"
        slices = slices_of(path)
        if is_segmentation(slices[0][1]):
            if not labels:
                raise ReadError(
                    f"{path}: is a DICOM segmentation, which has no picture; give it with -l, as labels"
                )
            return read_segments(slices[0][0], read_file(slices[0][0]), onto)
        ranks, place = place_of(path, slices)
        planes, notes = None, []
        sources: dict[int, Source] = {}
        for number, (file, header) in enumerate(slices):
            frames = Frames(file, read_file(file), labels=labels)
            for at, frame in enumerate(frames, number):
                planes = planes or Planes((len(ranks), *frame.shape), frame.dtype)
                if frame.dtype != planes.dtype:
                    raise ReadError(f"{path}: its files differ in depth ({frame.dtype} and {planes.dtype})")
                planes.put(ranks[at], frame)
                uid, space = (str(header.get(name, "")) for name in ("SOPInstanceUID", "FrameOfReferenceUID"))
                sources[ranks[at]] = Source(uid, at - number + 1, space, file)
            notes += frames.notes
        assert planes is not None
        return _volume(
            planes.array(),
            order,
            place,
            (*place.notes, *dict.fromkeys(notes)),
            path,
            [sources[rank] for rank in sorted(sources)],
        )

    def files(self, path: Path) -> list[Path]:
        """The files in the folder of a series."""
        from .files import files_in

        return files_in(path) if path.is_dir() else []

    def shape(self, path: Path, *, layout: str = "auto") -> tuple[int, int, int]:
        from .files import frames_in, read_file, slices_of
        from .segments import is_segmentation, read_segments

        slices = slices_of(path)
        file, header = slices[0]
        if is_segmentation(header):
            d, h, w = read_segments(file, read_file(file), None).data.shape
            return d, h, w
        count = len(slices) if len(slices) > 1 else frames_in(header)
        return in_dhw((count, int(header.Rows), int(header.Columns)), axis_order(layout, NATURAL))

    def write(
        self, path: Path, mask: NDArray[np.uint8], grid: Grid, names: Mapping[int, str] = MappingProxyType({})
    ) -> None:
        """A DICOM segmentation. Raises `WriteError` for what was not read from DICOM images."""
        from .written import write_segments

        if (own := own_grid(grid, "dicom")) is None:
            raise WriteError(f"{path}: its volume is no DICOM image, so no DICOM mask refers to it; write .nii.gz")
        write_segments(path, mask, own, names)


def _volume(
    stored: NDArray[np.generic],
    order: str,
    place: Place,
    notes: tuple[str, ...],
    path: Path,
    sources: Sequence[Source],
) -> Volume:
    """``stored`` (frames, rows, columns), with its axes in the ``order`` that the user names them in."""
    data = to_dhw(stored, stored.shape, order, path)
    affine = None if place.affine is None else place.affine[:, [*in_dhw((0, 1, 2), order), 3]]
    spacing = None if place.spacing is None else in_dhw(place.spacing, order)
    grid = FileGrid("dicom", order, stored.shape, affine, spacing, tuple(sources))
    return Volume(data, spacing, grid, notes, time=place.time and order[0] == "d", flat=len(stored) == 1)
