"""NumPy arrays (.npy, .npz), among them MedSAM2's training files (``imgs``, ``gts``, ``spacing``)."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usframe import ReadError, Volume
from usframe.types import Grid, Role

from .grid import (
    LARGEST_MM,
    SMALLEST_MM,
    FileGrid,
    axis_order,
    check_file,
    in_dhw,
    one_line,
    own_grid,
    plain_affine,
    role_of,
    three_axes,
    to_dhw,
)
from .streams import check_end, check_promise

NATURAL = "dhw"
HEADER = 128  # bytes of a .npy before its array, at least
MOST_SPACING = 4096  # bytes of three numbers and their header, and more
VOLUME_KEYS = ("imgs",)
LABEL_KEYS = ("gts", "segs")
KEYS: dict[Role, tuple[str, ...]] = {"volume": VOLUME_KEYS, "labels": LABEL_KEYS, "mask": LABEL_KEYS[::-1]}
DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    SyntaxError,
    RuntimeError,
    MemoryError,
    OverflowError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


class NumpyReader:
    """NumPy arrays, and the .npz files of MedSAM2.

    Arrays are (D, H, W), or (H, W) for a picture.

    An .npz with several arrays must name them as MedSAM2 does: ``imgs`` is the volume; ``gts``, or else ``segs``,
    are its labels, and the other way round where a mask is asked for;
    ``spacing`` is (x, y, z) in mm. A mask is written as ``segs``.
    """

    def read(
        self, path: Path, *, layout: str = "auto", onto: Volume | None = None, role: Role | None = None
    ) -> Volume:
        order = axis_order(layout, NATURAL)
        stored, spacing, told = _load(path, KEYS[role_of(role, onto)])
        kept, notes = _kept(stored.shape, path)
        data = to_dhw(stored, three_axes(stored.shape, kept, order), order, path)
        spacing_mm = None if spacing is None or len(kept) < 3 else in_dhw(spacing, order)
        grid = FileGrid("numpy", order, stored.shape, spacing_mm=spacing_mm, native=spacing)
        return Volume(data, spacing_mm, grid, notes + told, flat=len(kept) == 2)

    def shape(self, path: Path, *, layout: str = "auto") -> tuple[int, int, int]:
        order = axis_order(layout, NATURAL)
        shape = _load(path, VOLUME_KEYS)[0].shape
        return in_dhw(three_axes(shape, _kept(shape, path)[0], order), order)

    def write(self, path: Path, mask: NDArray[np.uint8], grid: Grid) -> None:
        """A .npz states the spacing where ``grid`` knows it; a .npy cannot."""
        own = own_grid(grid, "numpy")
        stored = own.to_stored(mask) if own else mask
        if path.suffix.lower() != ".npz":
            with path.open("wb") as file:
                np.save(file, stored)
            return
        arrays: dict[str, Any] = {"segs": stored}
        if own:
            if own.native is not None:
                arrays["spacing"] = np.array(own.native[::-1], float)
        elif grid.affine is not None or grid.spacing_mm is not None:
            arrays["spacing"] = np.linalg.norm(plain_affine(grid)[:3, 2::-1], axis=0)
        with path.open("wb") as file:
            np.savez_compressed(file, **arrays)


def _load(path: Path, keys: tuple[str, ...]) -> tuple[NDArray[Any], tuple[float, ...] | None, tuple[str, ...]]:
    """The stored array, mapped from a .npy, its spacing along the stored axes if it gives one, and notes."""
    check_file(path)
    try:
        with np.errstate(over="ignore"):  # of lengths beyond counting, which are an error then
            loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            check_end(path, loaded.nbytes, path.stat().st_size - HEADER)
            return loaded, None, ()
        with loaded:
            key = _key(path, loaded.files, keys)
            check_promise(path, *_packed(loaded, key), gzipped=True)
            stored = loaded[key]
            if not isinstance(stored, np.ndarray):
                raise ReadError(f"{path}: {key} is no array")
            return stored, *_spacing(loaded)
    except DAMAGED as error:
        raise ReadError(f"{path}: not a readable NumPy file ({one_line(error)})") from error


def _key(path: Path, names: list[str], keys: tuple[str, ...]) -> str:
    for key in keys:
        if key in names:
            return key
    arrays = [name for name in names if name != "spacing"]
    if len(arrays) == 1 and arrays[0] not in VOLUME_KEYS + LABEL_KEYS:
        return arrays[0]
    wanted = " or ".join(repr(key) for key in keys)
    raise ReadError(f"{path}: holds the arrays {', '.join(names) or 'none'}; expected {wanted}, or only one")


def _packed(arrays: Any, name: str) -> tuple[int, int]:
    """The bytes that an array of a .npz unpacks to, and those that it takes in the file."""
    entries = {entry.filename: entry for entry in arrays.zip.infolist()}
    entry = entries.get(f"{name}.npy") or entries[name]
    return entry.file_size, entry.compress_size


def _spacing(arrays: Any) -> tuple[tuple[float, ...] | None, tuple[str, ...]]:
    if "spacing" not in arrays.files or _packed(arrays, "spacing")[0] > MOST_SPACING:
        return None, ()
    spacing = np.asarray(arrays["spacing"], float).ravel()
    if spacing.shape != (3,) or not ((spacing >= SMALLEST_MM) & (spacing <= LARGEST_MM)).all():
        return None, (f"its spacing {' '.join(f'{size:g}' for size in spacing[:4])} is no usable voxel size",)
    return tuple(float(size) for size in spacing[::-1]), ()


def _kept(shape: tuple[int, ...], path: Path) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The axes that hold the voxels. Of four, one of length 1 is a channel or batch axis and is dropped."""
    axes = range(len(shape))
    if len(shape) in (2, 3):
        return tuple(axes), ()
    dropped = [axis for axis in (3, 0, 1) if len(shape) == 4 and shape[axis] == 1][:1]
    if not dropped:
        raise ReadError(
            f"{path}: has the shape {shape}; expected (D, H, W) or (H, W). "
            "Save one array per volume, and colour as grey"
        )
    kept = tuple(axis for axis in axes if axis not in dropped)
    left = tuple(shape[axis] for axis in kept)
    return kept, (f"the array of shape {shape} was read as {left}: an axis of length 1 was dropped",)
