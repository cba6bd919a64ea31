"""NRRD, MetaImage and Analyze/NIfTI pairs (.nrrd, .mha, .mhd, .hdr), through SimpleITK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from usframe import ReadError, Volume, WriteError
from usframe.types import Grid, Spacing

from .grid import (
    TIME,
    Affine,
    FileGrid,
    affine_dhw,
    axis_order,
    check_file,
    in_dhw,
    kept_axes,
    one_line,
    own_grid,
    plain_affine,
    spacing_of,
    three_axes,
    to_dhw,
)
from .slicer import merge_segments, resample

NATURAL = "whd"
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


class SimpleITKReader:
    """NRRD, MetaImage and Analyze, and 3D Slicer segmentations, through SimpleITK.

    Stored axes (x, y, z) are columns, rows and slices, as in NIfTI.

    A .seg.nrrd is a 3D Slicer segmentation: its segments become one label map, on the grid of ``onto``.
    """

    def read(self, path: Path, *, layout: str = "auto", onto: Volume | None = None) -> Volume:
        order = axis_order(layout, NATURAL)
        image = _open(path)
        notes: tuple[str, ...] = ()
        if path.name.lower().endswith(".seg.nrrd"):
            image, notes = merge_segments(image, path)
            if onto is not None:
                return resample(image, onto, path, notes)
        if (values := image.GetNumberOfComponentsPerPixel()) > 1:
            raise ReadError(
                f"{path}: has {values} values per voxel (colour or a sequence); save one grey volume per file"
            )
        shape = image.GetSize()
        kept = kept_axes(shape, path)
        stored = sitk.GetArrayFromImage(image).T
        data = to_dhw(stored, three_axes(shape, kept, order), order, path)
        affine, spacing, time = _geometry(image, kept, order)
        native = (image.GetOrigin(), image.GetSpacing(), image.GetDirection())
        return Volume(data, spacing, FileGrid("itk", order, shape, affine, spacing, native), notes + time)

    def shape(self, path: Path, *, layout: str = "auto") -> tuple[int, int, int]:
        order = axis_order(layout, NATURAL)
        header = _header(path)
        shape = header.GetSize()
        return in_dhw(three_axes(shape, kept_axes(shape, path), order), order)

    def write(self, path: Path, mask: NDArray[np.uint8], grid: Grid) -> None:
        own = own_grid(grid, "itk")
        stored = own.to_stored(mask) if own else mask.transpose(2, 1, 0)
        image = sitk.GetImageFromArray(np.ascontiguousarray(stored.T), isVector=False)
        origin, spacing, direction = own.native if own else _plain(grid)
        image.SetOrigin(origin)
        image.SetSpacing(spacing)
        image.SetDirection(direction)
        try:
            sitk.WriteImage(image, str(path), useCompression=path.suffix.lower() != ".hdr")
        except RuntimeError as error:
            raise WriteError(f"{path}: cannot be written ({one_line(error)})") from error


def _open(path: Path) -> sitk.Image:
    check_file(path)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise _damaged(path, error) from error
    voxels = path.with_suffix(".img")
    needed = image.GetNumberOfPixels() * image.GetSizeOfPixelComponent() * image.GetNumberOfComponentsPerPixel()
    if path.suffix.lower() == ".hdr" and voxels.exists() and voxels.stat().st_size < needed:
        raise ReadError(f"{voxels}: is shorter than its header says, the file is damaged")
    return image


def _damaged(path: Path, error: RuntimeError) -> ReadError:
    reason = one_line(error)
    if reason.startswith("Reason:"):
        reason = "or the data file beside it is missing"
    return ReadError(f"{path}: cannot be decoded, damaged or not of this format ({reason})")


def _header(path: Path) -> sitk.ImageFileReader:
    check_file(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _damaged(path, error) from error
    return reader


def _geometry(
    image: sitk.Image, kept: tuple[int, ...], order: str
) -> tuple[Affine | None, Spacing | None, tuple[str, ...]]:
    """Affine (d, h, w, 1) -> mm RAS, voxel size, and a note where the third axis is time."""
    size = image.GetDimension()
    if kept == (0, 1, 3):
        i, j = image.GetSpacing()[:2]
        return None, in_dhw((i, j, 1.0), order), (TIME,)
    affine = np.eye(4)
    used = min(size, 3)
    direction = np.array(image.GetDirection()).reshape(size, size)[:used, :used]
    affine[:used, :used] = direction * image.GetSpacing()[:used]
    affine[:used, 3] = image.GetOrigin()[:used]
    affine = affine_dhw(LPS_TO_RAS @ affine, kept, order)
    return affine, spacing_of(affine), ()


def _plain(grid: Grid) -> tuple[list[float], list[float], list[float]]:
    """Origin, spacing and direction (ITK, LPS) of a mask (w, h, d) whose volume came from elsewhere."""
    affine = LPS_TO_RAS @ plain_affine(grid)[:, [2, 1, 0, 3]]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    return affine[:3, 3].tolist(), spacing.tolist(), (affine[:3, :3] / spacing).ravel().tolist()
