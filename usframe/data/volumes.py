"""One file read by the reader of its suffix, and the grids of volumes that have no reader's own.

What a reader answers is checked here, and what it raises becomes a `ReadError` that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from usframe.errors import CaseError, ReadError, UsframeError
from usframe.plugins import Plugins, load_plugins
from usframe.plugins.arguments import takes
from usframe.plugins.entry import Entry
from usframe.plugins.registry import Registry, blame
from usframe.types import Grid, Reader, Role, Spacing, Volume

T = TypeVar("T")


@dataclass(frozen=True)
class PlainGrid:
    """The grid of a volume made in memory: only its spacing (3,) in mm along D, H, W, if that."""

    spacing_mm: Spacing | None
    affine: None = None


@dataclass(frozen=True, eq=False)
class PlacedGrid:
    """A grid that no file has: its ``affine`` (4, 4), (d, h, w, 1) to mm, and its spacing."""

    affine: NDArray[np.float64]
    spacing_mm: Spacing | None


@dataclass(frozen=True, eq=False)
class OpaqueGrid:
    """What a reader keeps of its files that is no `usframe.types.Grid`: only ``reader`` gets ``native`` back."""

    reader: str
    native: Any
    spacing_mm: Spacing | None
    affine: None = None


def read_volume(
    path: Path | str,
    *,
    layout: str = "auto",
    onto: Volume | None = None,
    role: Role | None = None,
    allow_outside: bool = False,
    time_point: int | None = None,
    plugins: Plugins | None = None,
) -> Volume:
    """Read one file; its suffix decides the reader.

    ``layout`` names the stored axes, see `usframe.types.Reader`. ``onto`` is the volume that the file holds
    the labels of. ``role``: what is wanted of a file that holds several things; None is ``labels`` with ``onto``
    and ``volume`` without. ``time_point``: which volume of a file that holds several, from 0. Raises `ReadError` in
    one line for a file that is missing, damaged or of unknown suffix, and, unless ``allow_outside``, for one whose
    data lie outside its folder.
    """
    path = Path(path)
    _, entry = (plugins or load_plugins()).readers.for_path(path)

    def read(reader: Reader) -> Volume:
        if not allow_outside:
            _check_inside(path, reader)
        more: dict[str, Any] = {"role": role} if role is not None and takes_role(reader) else {}
        if time_point is not None and takes(reader.read, "time_point"):
            more["time_point"] = time_point
        elif time_point and onto is None and role in (None, "volume"):
            raise ReadError(f"{path}: time_point={time_point}, but reader {entry.name} reads one volume per file")
        return reader.read(path, layout=layout, onto=onto, **more)

    volume = _ask(entry, path, read)
    if problem := _unusable(volume):
        raise ReadError(f"{path}: reader {entry.name} ({entry.owner}) returned {problem}")
    if volume.grid is None or isinstance(volume.grid, Grid):
        return volume
    return replace(volume, grid=OpaqueGrid(entry.name, volume.grid, volume.spacing_mm))


def read_shape(path: Path, *, layout: str = "auto", plugins: Plugins) -> tuple[int, int, int]:
    """(D, H, W) of a file, from its header where the format allows it. Raises `ReadError` in one line."""
    _, entry = plugins.readers.for_path(path)
    d, h, w = _ask(entry, path, lambda reader: reader.shape(path, layout=layout))
    return d, h, w


def files_of(path: Path, plugins: Plugins) -> list[Path]:
    """``path`` and the files that its header names, those that its data are in; a folder is all that it holds."""
    if path.is_dir():
        return [path]
    _, entry = plugins.readers.for_path(path)
    try:
        return list(dict.fromkeys([path, *_ask(entry, path, lambda reader: _named(reader, path))]))
    except CaseError:  # whoever reads it will say so
        return [path]


def check_readers(paths: Iterable[Path], plugins: Plugins) -> None:
    """Raise `PluginError` where the reader of one of the files cannot be had."""
    for entry, path in {plugins.readers.for_path(path)[1]: path for path in paths}.items():
        entry.load()
        with suppress(CaseError):
            _ask(entry, path, takes_role)  # makes one, which may need a package that is not installed


def takes_folders(path: Path, readers: Registry[Any]) -> bool:
    """Whether ``path`` is a folder that can be read as one case."""
    try:
        _, entry = readers.for_path(path)
    except CaseError:
        return False
    return bool(_ask(entry, path, lambda reader: getattr(reader, "folders", False)))


def reader_takes_role(path: Path, plugins: Plugins) -> bool:
    """Whether the reader of a file `takes_role`."""
    _, entry = plugins.readers.for_path(path)
    return _ask(entry, path, takes_role)


def takes_role(reader: Reader) -> bool:
    """Whether a reader can be told what is wanted of a file; those of earlier versions cannot."""
    return takes(reader.read, "role")


def _check_inside(path: Path, reader: Reader) -> None:
    """Raise `ReadError` for a link out of the folder of ``path``, and for a header that names data elsewhere."""
    folder = path.parent.resolve()
    if path.exists() and not path.resolve().is_relative_to(folder):
        raise ReadError(f"{path}: is a link to {path.resolve()}, outside its folder; allow_outside=true follows it")
    for file in _named(reader, path):
        if not file.resolve().is_relative_to(folder):
            raise ReadError(f"{path}: its data are outside its folder, in {file}; allow_outside=true reads them")


def _named(reader: Reader, path: Path) -> list[Path]:
    """The files that the header of ``path`` names, or a folder holds, for a reader that knows of such."""
    files: Any = getattr(reader, "files", None)
    return [Path(file) for file in files(path)] if files and (path.is_file() or path.is_dir()) else []


def _ask(entry: Entry, path: Path, what: Callable[[Reader], T]) -> T:
    """What a reader answers; what it raises, unless it is meant for the user, names it and the file."""
    make: Any = entry.load()
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what comes of absurd numbers is looked at afterwards
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
