"""From the files of a case to its voxels: the one way in which every task reads.

What a reader answers is checked here, and what it raises becomes a `ReadError` that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from usframe.config.schema import Paired
from usframe.data.case import Case
from usframe.data.grid import OpaqueGrid
from usframe.errors import CaseError, ReadError, UsframeError
from usframe.geometry import normalise_intensity
from usframe.plugins import Plugins, load_plugins
from usframe.plugins.registry import Entry, blame
from usframe.types import Grid, Reader, Volume

MANY_OBJECTS = 32
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Reading:
    """A case as it was read.

    ``volume``: as its reader gave it. ``labels``: (D, H, W) uint8, 0 background, on the same voxels; None where the
    case has none. ``data``: (D, H, W) float32 in 0-1. ``notes``: what was assumed or repaired, one sentence each.
    """

    volume: Volume
    labels: NDArray[np.uint8] | None
    data: NDArray[np.float32]
    notes: tuple[str, ...]

    @property
    def empty_slices(self) -> int | None:
        """Slices without an object; None without labels."""
        return None if self.labels is None else int((~self.labels.any((1, 2))).sum())


def read_case(case: Case, settings: Paired, plugins: Plugins) -> Reading:
    """The volume of a case, its labels where it has any, and its intensities in 0-1.

    Raises `CaseError` in one line for files that cannot be used.
    """
    volume = read_volume(case.volume, layout=settings.layout, plugins=plugins)
    notes, labels = volume.notes, None
    if case.labels is not None:
        layout = settings.label_layout or settings.layout
        read = read_labels(case.labels, volume, layout=layout, plugins=plugins)
        labels, notes = read.data, notes + read.notes
    try:
        data, repaired = normalise_intensity(volume.data, settings.intensity)
    except CaseError as error:
        raise CaseError(f"{case.volume}: {error}") from error
    return Reading(volume, labels, data, notes + repaired)


def read_volume(
    path: Path | str, *, layout: str = "auto", onto: Volume | None = None, plugins: Plugins | None = None
) -> Volume:
    """Read one file; its suffix decides the reader.

    ``layout`` names the stored axes, see `usframe.types.Reader`. ``onto`` is the volume that the file holds
    the labels of. Raises `ReadError` in one line for a file that is missing, damaged or of unknown suffix.
    """
    path = Path(path)
    _, entry = (plugins or load_plugins()).readers.for_path(path)
    volume = _ask(entry, path, lambda reader: reader.read(path, layout=layout, onto=onto))
    if problem := _unusable(volume):
        raise ReadError(f"{path}: reader {entry.name} ({entry.owner}) returned {problem}")
    if volume.grid is None or isinstance(volume.grid, Grid):
        return volume
    grid = OpaqueGrid(entry.name, volume.grid, volume.spacing_mm)
    return Volume(volume.data, volume.spacing_mm, grid, volume.notes)


def read_shape(path: Path, *, layout: str = "auto", plugins: Plugins) -> tuple[int, int, int]:
    """(D, H, W) of a file, from its header where the format allows it. Raises `ReadError` in one line."""
    _, entry = plugins.readers.for_path(path)
    d, h, w = _ask(entry, path, lambda reader: reader.shape(path, layout=layout))
    return d, h, w


def check_readers(paths: Iterable[Path], plugins: Plugins) -> None:
    """Raise `PluginError` where the reader of one of the files cannot be had."""
    for entry in {plugins.readers.for_path(path)[1] for path in paths}:
        entry.load()


def read_labels(path: Path, volume: Volume, *, layout: str = "auto", plugins: Plugins | None = None) -> Volume:
    """The labels in a file as a `Volume` of uint8 (D, H, W), 0 background, on the voxels of ``volume``.

    Whole numbers from 0 to 255 are kept, whatever their dtype; the two values {0, 255} become {0, 1}, with a
    note. Labels without an object, or with more than `MANY_OBJECTS`, and a position in space that differs from
    the volume's are notes too: labels are matched voxel by voxel.
    Raises `ReadError` for other values, for NaN and for another shape.
    """
    read = read_volume(path, layout=layout, onto=volume, plugins=plugins)
    if read.data.shape != volume.data.shape:
        raise ReadError(_shape_problem(path, read.data.shape, volume.data.shape))
    notes = list(read.notes)
    data = _whole_numbers(path, read.data)
    values = np.unique(data)
    if np.array_equal(values, (0, 255)):
        data = (data > 0).astype(np.uint8)
        notes.append("the label values 0 and 255 were read as 0 and 1")
    if not values.any():
        notes.append("the labels hold no object, so there is nothing to prompt or score")
    if np.count_nonzero(values) > MANY_OBJECTS:
        notes.append(f"the labels hold more than {MANY_OBJECTS} objects: are they labels, or a volume?")
    if _apart(read, volume):
        notes.append("the labels' header places them elsewhere than the volume's; they were matched voxel by voxel")
    return Volume(data, volume.spacing_mm, volume.grid, tuple(notes))


def _ask(entry: Entry, path: Path, what: Callable[[Reader], T]) -> T:
    """What a reader answers; what it raises, unless it is meant for the user, names it and the file."""
    make: Any = entry.load()
    try:
        return what(make())
    except UsframeError:
        raise
    except Exception as error:
        raise ReadError(f"{path}: reader {entry.name} ({entry.owner}) failed: {blame(error)}") from error


def _unusable(volume: object) -> str:
    """What is wrong with a reader's answer; nothing, and it can be used."""
    if not isinstance(volume, Volume):
        return f"a {type(volume).__name__} instead of a Volume"
    if not isinstance(volume.data, np.ndarray) or volume.data.dtype.kind not in "biuf" or not volume.data.size:
        return f"a Volume of {getattr(volume.data, 'dtype', type(volume.data))}, not of real numbers, or of none"
    spacing = volume.spacing_mm
    if spacing is not None and not (len(spacing) == 3 and all(np.isfinite(mm) and mm > 0 for mm in spacing)):
        return f"the spacing {spacing}, not three lengths above 0 or None"
    return ""


def _shape_problem(path: Path, labels: tuple[int, ...], volume: tuple[int, ...]) -> str:
    hint = ""
    if sorted(labels) == sorted(volume):
        hint = "; the same axes in another order: name the stored one, as in label_layout=hwd (layout= for both)"
    return f"{path}: labels of shape (D, H, W) = {labels} for a volume of {volume}{hint}"


def _whole_numbers(path: Path, data: NDArray[Any]) -> NDArray[np.uint8]:
    if data.dtype.kind == "f":
        if not np.isfinite(data).all():
            raise ReadError(f"{path}: labels contain NaN or infinite values")
        broken = data[data != np.rint(data)]
        if broken.size:
            raise ReadError(f"{path}: label values must be whole numbers, found {broken.flat[0]:g}")
    low, high = data.min(), data.max()
    if low < 0 or high > 255:
        raise ReadError(f"{path}: label values must be from 0 to 255, found {low:g} to {high:g}")
    return data.astype(np.uint8)


def _apart(labels: Volume, volume: Volume) -> bool:
    """Whether both grids have an ``affine`` (4, 4), (d, h, w, 1) to mm, and a corner is 0.1 voxel off."""
    first, second = (None if one.grid is None else one.grid.affine for one in (labels, volume))
    if first is None or second is None:
        return False
    corners = np.array([[*corner, 1] for corner in product(*((0, length - 1) for length in volume.data.shape))])
    distance = np.linalg.norm((corners @ (first - second).T)[:, :3], axis=1).max()
    return bool(distance > 0.1 * np.linalg.norm(second[:3, :3], axis=0).min())
