"""What the built-in readers share: the order of a file's axes, and the grid that a mask is put back on.

A *layout* spells the stored axes in the order the format indexes them: "whd" is stored[column, row, slice].
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usframe import ReadError, RequestError, Volume
from usframe.arrays import blocks, gather
from usframe.types import Grid, Role, Spacing

Affine = NDArray[np.float64]
SMALLEST_MM, LARGEST_MM = 1e-6, 1e5
TIME = "the third axis is time: a spacing of 1 stands for one frame, not for a millimetre"
SHEARED = "the header's axes are not at right angles: distances are measured along each axis with its own spacing"


@dataclass(frozen=True, eq=False)
class FileGrid:
    """The `usframe.types.Grid` of one file that a built-in reader made.

    ``format``: the reader that knows ``native``, its own header. ``layout``: the stored axes. ``shape``: the
    stored shape; axes beyond D, H and W have length 1.
    """

    format: str
    layout: str
    shape: tuple[int, ...]
    affine: Affine | None = None
    spacing_mm: Spacing | None = None
    native: Any = None

    def to_stored(self, mask: NDArray[Any]) -> NDArray[Any]:
        """A mask (D, H, W) with the file's own axes and shape."""
        return mask.transpose(["dhw".index(axis) for axis in self.layout]).reshape(self.shape)


def own_grid(grid: Grid, format: str) -> FileGrid | None:
    """``grid``, if the reader of ``format`` made it; None for that of anybody else."""
    return grid if isinstance(grid, FileGrid) and grid.format == format else None


def axis_order(layout: str, natural: str) -> str:
    """``layout`` checked, or the format's ``natural`` one for "auto". Raises `RequestError`."""
    if layout == "auto":
        return natural
    if sorted(layout) != ["d", "h", "w"]:
        raise RequestError(f"layout={layout}: must be auto or an order of the letters d, h and w, such as hwd")
    return layout


def kept_axes(shape: tuple[int, ...], path: Path) -> tuple[int, ...]:
    """Which axes of a NIfTI or ITK file hold the voxels: both or all three, (i, j, k, 1) or (i, j, 1, t).

    Raises `ReadError` for several volumes in one file.
    """
    if len(shape) < 2:
        raise ReadError(f"{path}: has the shape {shape}; a picture needs two axes, a volume three")
    if len(shape) < 4:
        return tuple(range(len(shape)))
    long = [axis for axis in range(2, len(shape)) if shape[axis] != 1] or [2]
    if len(long) > 1 or long[0] > 3:
        raise ReadError(
            f"{path}: has the shape {shape}, several volumes in one file; "
            + f"time_point=N reads one of its {shape[3]} (0 to {shape[3] - 1}), or " * (len(shape) == 4)
            + "save one file per volume (or a clip as columns x rows x 1 x time)"
        )
    return (0, 1, long[0])


def check_time(shape: tuple[int, ...], time_point: int | None, path: Path, *, labels: bool) -> int | None:
    """Which of the volumes (i, j, k, t) of a file is to be read; None where it holds a single one.

    Labels of a single volume are those of the time point that was chosen. Raises `ReadError` for others.
    """
    several = len(shape) == 4 and shape[2] > 1 and shape[3] > 1
    if time_point is None or (labels and not several):
        return None
    if len(shape) == 4 and shape[2] == 1 and shape[3] > 1:
        raise ReadError(
            f"{path}: time_point={time_point}, but its {shape[3]} are the frames of one clip; leave it out"
        )
    count = shape[3] if several else 1
    if not 0 <= time_point < count:
        has = "a single volume, time point 0" if count == 1 else f"{count} time points, 0 to {count - 1}"
        raise ReadError(f"{path}: time_point={time_point} is not there; the file holds {has}")
    return time_point if several else None


def time_note(time_point: int, count: int) -> str:
    return f"of {count} time points in one file number {time_point} was read (counted from 0)"


def three_axes(shape: tuple[int, ...], kept: tuple[int, ...], layout: str) -> tuple[int, ...]:
    """The lengths of the ``kept`` two or three axes; a picture gets a D of 1 where ``d`` stands."""
    lengths = [shape[axis] for axis in kept]
    if len(lengths) == 2:
        lengths.insert(layout.index("d"), 1)
    return tuple(lengths)


def to_dhw(
    stored: NDArray[Any],
    lengths: tuple[int, ...],
    layout: str,
    path: Path,
    scale: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
) -> NDArray[Any]:
    """The voxels (D, H, W), contiguous and of native byte order, each changed by ``scale``.

    An array that has to be changed is put together as `usframe.arrays.Planes` are. Raises `ReadError` for what is
    no number.
    """
    if stored.dtype.fields is not None:
        raise ReadError(f"{path}: colour (RGB) voxels; convert the file to grey")
    if stored.dtype.kind not in "biuf":
        raise ReadError(f"{path}: {stored.dtype} values cannot be shown as grey; save them as real numbers")
    if 0 in stored.shape:
        raise ReadError(f"{path}: holds no voxels, its shape is {stored.shape}")
    data = np.asarray(stored).reshape(lengths).transpose([layout.index(axis) for axis in "dhw"])
    plain = data.dtype.newbyteorder("=") if data.dtype.kind != "b" else np.dtype(np.uint8)
    dtype = plain if scale is None else scale(data[:1, :1, :1]).dtype
    if scale is None and data.flags.c_contiguous and data.dtype == dtype:
        return data
    change = scale or np.asarray
    return gather((change(data[part]) for part in blocks(data.shape)), data.shape, dtype)


def in_dhw(values: Any, layout: str) -> tuple[Any, Any, Any]:
    """Three values of the stored axes, in the order D, H, W."""
    d, h, w = (values[layout.index(axis)] for axis in "dhw")
    return d, h, w


def affine_dhw(affine: Affine, kept: tuple[int, ...], layout: str) -> Affine:
    """Turn an affine over the first three stored axes into one over (d, h, w)."""
    columns = list(kept)
    if len(columns) == 2:
        columns.insert(layout.index("d"), 2)
    return affine[:, [*in_dhw(columns, layout), 3]]


def spacing_of(affine: Affine) -> Spacing | None:
    """The voxel size (3,) in mm along D, H, W; None unless all are of this world and the axes span a volume."""
    d, h, w = (float(size) for size in np.linalg.norm(affine[:3, :3], axis=0))
    usable = all(SMALLEST_MM <= size <= LARGEST_MM for size in (d, h, w))
    usable = usable and abs(np.linalg.det(affine[:3, :3])) > 1e-6 * d * h * w
    return (d, h, w) if usable else None


def is_sheared(affine: Affine) -> bool:
    """Whether some axes of an affine (4, 4) are not at right angles, beyond what rounding leaves."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if not (np.isfinite(sizes).all() and sizes.all()):
        return False
    axes = affine[:3, :3] / sizes
    return bool(np.abs(axes.T @ axes - np.eye(3)).max() > 1e-3)


def role_of(role: Role | None, onto: Volume | None) -> Role:
    """What is wanted of a file, where the caller says nothing else than the volume that it belongs to."""
    return role or ("volume" if onto is None else "labels")


def plain_affine(grid: Grid) -> Affine:
    """The affine (4, 4) of a grid that another reader made; its spacing, or 1 mm, where it has none."""
    if grid.affine is not None:
        return np.asarray(grid.affine, float)
    d, h, w = grid.spacing_mm or (1.0, 1.0, 1.0)
    return np.array([[0, 0, w, 0], [0, h, 0, 0], [d, 0, 0, 0], [0, 0, 0, 1]], float)


def check_file(path: Path) -> None:
    """Raise `ReadError` unless ``path`` is a file with something in it."""
    if not path.exists():
        raise ReadError(f"{path}: {'the link leads to no file' if path.is_symlink() else 'no such file'}")
    if not path.is_file():
        raise ReadError(f"{path}: is {'a folder' if path.is_dir() else 'a pipe, a socket or a device'}, not a file")
    if path.stat().st_size == 0:
        raise ReadError(f"{path}: the file is empty")


def natural_order(paths: Iterable[Path]) -> list[Path]:
    """Paths by their names, in which numbers count as such: 2 before 10."""

    def key(path: Path) -> tuple[list[tuple[int, str]], str]:
        parts = re.split(r"(\d+)", path.name)
        return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in parts if part], path.name

    return sorted(paths, key=key)


def one_line(error: Exception) -> str:
    """The last line of a library's message, which is where it gives its reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]
