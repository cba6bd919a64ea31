"""NRRD, MetaImage and Analyze/NIfTI pairs (.nrrd, .mha, .mhd, .hdr), through SimpleITK."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from usframe import ReadError, Volume, WriteError
from usframe.types import Grid, Role, Spacing

from .grid import (
    SHEARED,
    TIME,
    Affine,
    FileGrid,
    affine_dhw,
    axis_order,
    check_file,
    check_time,
    in_dhw,
    is_sheared,
    kept_axes,
    one_line,
    own_grid,
    plain_affine,
    role_of,
    spacing_of,
    three_axes,
    time_note,
    to_dhw,
)
from .headers import Header, read_header
from .slicer import merge_segments, resample, segment_keys
from .streams import check_voxels, listening

NATURAL = "whd"
COMPLAINT = re.compile(r"MetaImage|MetaObject|rror|not read|failed")
PAIRED = (".img", ".img.gz", ".IMG", ".IMG.gz", ".IMG.GZ")
FORMATS = {".mha": "MetaImageIO", ".mhd": "MetaImageIO", ".hdr": "NiftiImageIO"}
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


class SimpleITKReader:
    """NRRD, MetaImage and Analyze, and 3D Slicer segmentations, through SimpleITK.

    Stored axes (x, y, z) are columns, rows and slices, as in NIfTI.

    A .seg.nrrd is a 3D Slicer segmentation: its segments become one label map, on the grid of ``onto``.
    """

    def read(
        self,
        path: Path,
        *,
        layout: str = "auto",
        onto: Volume | None = None,
        role: Role | None = None,
        time_point: int | None = None,
    ) -> Volume:
        order = axis_order(layout, NATURAL)
        image, header = _open(path)
        notes: tuple[str, ...] = ()
        names: dict[int, str] = {}
        cropped = path.name.lower().endswith(".seg.nrrd")
        if cropped:
            image, notes, names = merge_segments(image, path)
            if onto is not None:
                return resample(image, onto, path, notes, names)
        if (values := image.GetNumberOfComponentsPerPixel()) > 1:
            raise ReadError(
                f"{path}: has {values} values per voxel (colour or a sequence); save one grey volume per file"
            )
        shape = image.GetSize()
        chosen = check_time(shape, time_point, path, labels=role_of(role, onto) != "volume")
        if chosen is not None:
            notes += (time_note(chosen, shape[3]),)
            image, header = _at_time(image, chosen), None if header is None else _first_axes(header)
            shape = image.GetSize()
        kept = kept_axes(shape, path)
        data = _voxels(image, three_axes(shape, kept, order), order, path)
        time = kept == (0, 1, 3) or (header is not None and header.kinds[2:] == ("time",))
        affine, spacing, told = _geometry(image, header, kept, order, time)
        unit = (header.unit if header else None) or 1.0
        scaled = ([x * unit for x in image.GetOrigin()], [x * unit for x in image.GetSpacing()])
        grid = FileGrid("itk", order, shape, affine, spacing, (*scaled, image.GetDirection()))
        frames = time and order[2] == "d"
        flat = len(kept) == 2
        return Volume(data, spacing, grid, notes + told, time=frames, flat=flat, cropped=cropped, names=names)

    def files(self, path: Path) -> list[Path]:
        """The data files that a header names."""
        if path.suffix.lower() == ".hdr":
            names = (f"{path.stem}{suffix}" for suffix in PAIRED)
            return [path.with_name(name) for name in names if path.with_name(name).exists()]
        try:
            header = read_header(path)
        except (ReadError, OSError):
            return []
        return [] if header is None else list(header.data)

    def shape(self, path: Path, *, layout: str = "auto") -> tuple[int, int, int]:
        order = axis_order(layout, NATURAL)
        header = _header(path)
        shape = header.GetSize()
        return in_dhw(three_axes(shape, kept_axes(shape, path), order), order)

    def write(
        self, path: Path, mask: NDArray[np.uint8], grid: Grid, *, names: Mapping[int, str] = MappingProxyType({})
    ) -> None:
        """In .nrrd the ``names`` of objects stand where 3D Slicer looks for those of segments."""
        own = own_grid(grid, "itk")
        stored = own.to_stored(mask) if own else mask.transpose(2, 1, 0)
        image = sitk.GetImageFromArray(np.ascontiguousarray(stored.T), isVector=False)
        origin, spacing, direction = own.native if own else _plain(grid)
        image.SetOrigin(origin)
        image.SetSpacing(spacing)
        image.SetDirection(direction)
        if path.suffix.lower() == ".nrrd":
            for key, text in segment_keys(stored, names).items():
                image.SetMetaData(key, text)
        try:
            sitk.WriteImage(image, str(path), useCompression=path.suffix.lower() != ".hdr")
        except RuntimeError as error:
            raise WriteError(f"{path}: cannot be written ({one_line(error)})") from error


def _open(path: Path) -> tuple[sitk.Image, Header | None]:
    """The image, and its header where it is NRRD or MetaImage, whose voxels are checked before they are read."""
    check_file(path)
    header = read_header(path)
    if header is not None:
        share = header.needed if len(header.data) == 1 else 0
        for file in header.data:
            check_voxels(file, header.start, header.encoding, share)
    elif path.suffix.lower() == ".hdr":
        if not path.with_suffix(".img").is_file():
            raise ReadError(f"{path}: its voxels are missing, {path.with_suffix('.img').name} is no file")
        image = _header(path)
        voxel = np.dtype(sitk.GetArrayFromImage(sitk.Image([1, 1], image.GetPixelID())).dtype).itemsize
        needed = int(np.prod(image.GetSize(), dtype=float)) * image.GetNumberOfComponents() * voxel
        check_voxels(path.with_suffix(".img"), 0, "raw", needed)
    with _decoding(path):
        return sitk.ReadImage(str(path), imageIO=_format(path)), header


def _at_time(image: sitk.Image, number: int) -> sitk.Image:
    """The volume (i, j, k) of an image (i, j, k, t)."""
    size, start = [*image.GetSize()[:3], 0], [0, 0, 0, number]
    return sitk.Extract(image, size, start, sitk.ExtractImageFilter.DIRECTIONCOLLAPSETOSUBMATRIX)


def _first_axes(header: Header) -> Header:
    """What a header says of the first three axes."""
    return replace(header, spaced=header.spaced[:3], kinds=header.kinds[:3])


def _format(path: Path) -> str:
    """The format of a suffix: bytes of another one, which may name other files, are an error."""
    return FORMATS.get(path.suffix.lower(), "NrrdImageIO")


def _voxels(image: sitk.Image, lengths: tuple[int, ...], order: str, path: Path) -> NDArray[Any]:
    """The voxels (D, H, W) of an image, which keeps none of them: a view of it does not outlive it."""
    stored = sitk.GetArrayViewFromImage(image).T
    return to_dhw(stored, lengths, order, path, scale=np.array)


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """What SimpleITK raises, or only prints, is a `ReadError`."""
    reason = ""
    with listening() as heard:
        try:
            yield
        except RuntimeError as error:
            reason = one_line(error)
            if reason.startswith("Reason:"):
                reason = "or the data file beside it is missing"
    reason = reason or next((line for line in heard if COMPLAINT.search(line)), "")
    if reason:
        raise ReadError(f"{path}: cannot be decoded, damaged or not of this format ({reason[:200]})")


def _header(path: Path) -> sitk.ImageFileReader:
    check_file(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(_format(path))
    with _decoding(path):
        reader.ReadImageInformation()
    return reader


def _geometry(
    image: sitk.Image, header: Header | None, kept: tuple[int, ...], order: str, time: bool
) -> tuple[Affine | None, Spacing | None, tuple[str, ...]]:
    """Affine (d, h, w, 1) -> mm RAS and voxel size, None where the header does not say, and notes."""
    size = image.GetDimension()
    if header is not None and header.unit is None:
        return None, None, ("the header gives lengths in a unit that is not known, so the voxel size is unknown",)
    unit = 1.0 if header is None or header.unit is None else header.unit
    spaced = [True] * size if header is None or len(header.spaced) != size else header.spaced
    if not all(spaced[axis] for axis in (kept[:2] if time else kept)):
        return None, None, ("the header gives no usable voxel size",) + (TIME,) * time
    if time:
        i, j = (unit * mm for mm in image.GetSpacing()[:2])
        return None, in_dhw((i, j, 1.0), order), (TIME,)
    affine = np.eye(4)
    used = min(size, 3)
    direction = np.array(image.GetDirection()).reshape(size, size)[:used, :used]
    affine[:used, :used] = direction * image.GetSpacing()[:used] * unit
    affine[:used, 3] = np.array(image.GetOrigin()[:used]) * unit
    affine = affine_dhw(LPS_TO_RAS @ affine, kept, order)
    return affine, spacing_of(affine), (SHEARED,) * is_sheared(affine)


def _plain(grid: Grid) -> tuple[list[float], list[float], list[float]]:
    """Origin, spacing and direction (ITK, LPS) of a mask (w, h, d) whose volume came from elsewhere."""
    affine = LPS_TO_RAS @ plain_affine(grid)[:, [2, 1, 0, 3]]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    return affine[:3, 3].tolist(), spacing.tolist(), (affine[:3, :3] / spacing).ravel().tolist()
