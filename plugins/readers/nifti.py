"""NIfTI-1 and NIfTI-2 (.nii, .nii.gz), through nibabel."""

from __future__ import annotations

import zlib
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, HeaderTypeError
from nibabel.volumeutils import apply_read_scaling
from numpy.typing import NDArray

from usframe import ReadError, Volume
from usframe.arrays import array_in
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
from .streams import check_promise, unpack_gzip
from .upright import stands_upright

NATURAL = "whd"
MILLIMETRES = {1: 1000.0, 2: 1.0, 3: 0.001}  # NIFTI_UNITS_METER, _MM, _MICRON; 0 is unknown
DAMAGED = (
    ImageFileError,
    HeaderDataError,
    HeaderTypeError,
    OSError,
    EOFError,
    zlib.error,
    ValueError,
    OverflowError,
    MemoryError,
)


class NiftiReader:
    """NIfTI-1 and NIfTI-2, through nibabel.

    Stored axes (i, j, k) are columns, rows and slices. (i, j, 1, t) is a clip, (i, j, k, 1) a volume.
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
        image = _open(path)
        chosen = check_time(image.shape, time_point, path, labels=role_of(role, onto) != "volume")
        shape = image.shape if chosen is None else image.shape[:3]
        kept = kept_axes(shape, path)
        if image.get_data_dtype().fields is not None:
            raise ReadError(f"{path}: colour (RGB) voxels; convert the file to grey")
        notes = _check_header(image, path)
        stored, scale = _voxels(image, path)
        if chosen is not None:
            stored = stored[..., chosen]
            notes.append(time_note(chosen, image.shape[3]))
        data = to_dhw(stored, three_axes(stored.shape, kept, order), order, path, scale)

        unsaid = layout == "auto" and data.shape[0] > 1 and np.array_equal(image.affine, np.eye(4))
        if unsaid and not (stands_upright(data) if role_of(role, onto) == "volume" else _lies_as(data, onto)):
            notes.append(
                "the header gives no orientation (identity affine): axes were read as columns, rows, slices, "
                "voxels as 1 mm; layout=hwd reads rows, columns, slices, and layout=dhw slices, rows, columns"
            )
        affine, spacing = _geometry(image, kept, order, notes)
        grid = FileGrid("nifti", order, shape, affine, spacing, (type(image), image.header.copy()))
        frames = kept == (0, 1, 3) and order[2] == "d"
        return Volume(data, spacing, grid, tuple(notes), time=frames, flat=len(kept) == 2)

    def shape(self, path: Path, *, layout: str = "auto") -> tuple[int, int, int]:
        order = axis_order(layout, NATURAL)
        image = _open(path)
        return in_dhw(three_axes(image.shape, kept_axes(image.shape, path), order), order)

    def write(self, path: Path, mask: NDArray[np.uint8], grid: Grid) -> None:
        if own := own_grid(grid, "nifti"):
            kind, header = own.native
            header = header.copy()
            header.extensions.clear()
            header.set_data_dtype(np.uint8)
            header["cal_min"] = header["cal_max"] = 0
            # No affine beside the header: nibabel then keeps qform, sform and pixdim to the bit.
            image = kind(own.to_stored(mask), None, header)
        else:
            image = nib.Nifti1Image(mask.transpose(2, 1, 0), plain_affine(grid)[:, [2, 1, 0, 3]])
            image.header.set_data_dtype(np.uint8)
            image.header.set_xyzt_units("mm")
        image.to_filename(path)


def _lies_as(labels: NDArray[Any], volume: Volume | None) -> bool:
    """Whether labels can only lie as their volume does, which stands upright: else their shape would be another."""
    _, height, width = labels.shape
    return (
        volume is not None and labels.shape == volume.data.shape and height != width and stands_upright(volume.data)
    )


def _open(path: Path) -> Any:
    check_file(path)
    log = nib.imageglobals.logger
    try:
        log.disabled = True  # what it says is raised, or is in the header as it is stored
        image = nib.load(path, mmap="r")
    except DAMAGED as error:
        raise ReadError(f"{path}: not a readable NIfTI file ({one_line(error)})") from error
    finally:
        log.disabled = False
    if not isinstance(image, nib.Nifti1Image):
        raise ReadError(f"{path}: is {type(image).__name__}, not a NIfTI image")
    return image


def _check_header(image: Any, path: Path) -> list[str]:
    """Notes on the header as it is stored. Raises `ReadError` where it contradicts itself."""
    kind = type(image.header)
    with image.file_map["image"].get_prepare_fileobj("rb") as file:
        stored = kind(file.read(kind.sizeof_hdr), endianness=image.header.endianness, check=False)
    bits, told = 8 * image.get_data_dtype().itemsize, int(stored["bitpix"])
    lengths = stored["dim"][1 : 1 + stored["dim"][0]]
    if stored["sizeof_hdr"] != kind.sizeof_hdr or stored["magic"] != kind.single_magic:
        raise ReadError(f"{path}: not a readable NIfTI file (its header has another length or mark)")
    if told not in (0, bits):
        raise ReadError(
            f"{path}: the header contradicts itself, its datatype has {bits} bits and its bitpix {told}"
        )
    if (lengths < 0).any():
        raise ReadError(f"{path}: the header has a length below 0, its dim is {' '.join(map(str, lengths))}")
    slope, intercept = float(stored["scl_slope"]), float(stored["scl_inter"])
    if not np.isfinite((slope, intercept)).all():
        return [f"the header's slope {slope} and intercept {intercept} are no numbers: stored values were taken"]
    return []


def _voxels(image: Any, path: Path) -> tuple[NDArray[Any], Any]:
    """The stored voxels, mapped from the file or a temporary one, and what scales them (None: nothing).

    Raises `ReadError` for a file that cannot hold what its header says, and for a damaged .gz.
    """
    count = np.prod([float(length) for length in image.shape])
    needed = int(count * image.get_data_dtype().itemsize)
    gzipped = path.suffix.lower() == ".gz"
    start = int(image.dataobj.offset)
    check_promise(path, needed + start, path.stat().st_size, gzipped=gzipped)
    if gzipped:
        file = unpack_gzip(path, needed + start)
        stored = array_in(file, image.shape, image.get_data_dtype(), offset=start, order="F")
    else:
        try:
            stored = image.dataobj.get_unscaled()
        except DAMAGED as error:
            raise ReadError(
                f"{path}: the voxels cannot be decoded, the file is damaged ({one_line(error)})"
            ) from error
    slope, inter = np.asanyarray(image.dataobj.slope), np.asanyarray(image.dataobj.inter)
    plain = (slope, inter) == (1, 0)
    return stored, None if plain else partial(apply_read_scaling, slope=slope, inter=inter)


def _geometry(
    image: Any, kept: tuple[int, ...], order: str, notes: list[str]
) -> tuple[Affine | None, Spacing | None]:
    """Affine (d, h, w, 1) -> mm and voxel size; what had to be assumed is added to ``notes``."""
    unit = MILLIMETRES.get(int(image.header["xyzt_units"]) & 7, 1.0)
    affine = np.diag([unit, unit, unit, 1.0]) @ image.affine
    if kept == (0, 1, 3):
        notes.append(TIME)
        i, j = np.linalg.norm(affine[:3, :2], axis=0)
        return None, in_dhw((float(i), float(j), 1.0), order)
    placed = bool(image.header["sform_code"] or image.header["qform_code"])
    affine = affine_dhw(affine, kept, order)
    spacing = spacing_of(affine)
    if spacing is None:
        notes.append("the header gives no usable voxel size")
        return affine, spacing
    notes += [SHEARED] * is_sheared(affine)
    pixdim = [abs(float(size)) * unit for size in image.header["pixdim"][1:4]]
    sizes = np.linalg.norm(image.affine[:3, :3], axis=0) * unit
    if apart := [at for at in kept if at < 3 and not abs(pixdim[at] - sizes[at]) <= 0.001 * sizes[at]]:
        told = ", ".join(f"{pixdim[at]:.4g} and {sizes[at]:.4g} mm along stored axis {at + 1}" for at in apart)
        notes.append(f"the header's pixdim and affine give different voxel sizes ({told}): the affine was used")
    return affine if placed else None, spacing
