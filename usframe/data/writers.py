"""Masks on the source grid. A file appears under its name only when it is complete."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usframe.data.case import Case
from usframe.data.volumes import OpaqueGrid, PlainGrid
from usframe.errors import RequestError, UsframeError, WriteError
from usframe.files import Manifest, publish
from usframe.plugins.arguments import takes
from usframe.plugins.load import Plugins, load_plugins
from usframe.plugins.registry import blame
from usframe.types import Volume

DICOM = (".dcm", ".dicom", ".ima")
OTHERS = {
    **{".jpg": ".png", ".jpeg": ".png", ".seg.nrrd": ".nrrd"},
    **dict.fromkeys((".mp4", ".avi", ".mov", ".mkv"), ".tif"),
    **dict.fromkeys((*DICOM, *(f"/{suffix}" for suffix in DICOM)), ".nii.gz"),
}

FORMATS = {"dicom": ".dcm", "slicer": ".seg.nrrd"}


def mask_suffix(source_suffix: str, mask_format: str = "auto") -> str:
    """The suffix of a mask for a source: the same, unless it loses values or cannot be written.

    That is .png for .jpg, .nrrd for .seg.nrrd, .nii.gz for DICOM, and .tif for videos and folders of pictures.
    In the ``mask_format`` dicom it is .dcm, and in slicer .seg.nrrd.
    """
    suffix = source_suffix.lower()
    if mask_format in FORMATS:
        return FORMATS[mask_format]
    return OTHERS.get(suffix, ".tif" if suffix.startswith("/") else source_suffix)


def check_mask_format(mask_format: str, cases: Sequence[Case]) -> None:
    """Raise `RequestError` where the masks of some cases cannot be written in that format."""
    if mask_format != "dicom":
        return
    if find_spec("highdicom") is None:
        raise RequestError(
            "mask_format=dicom needs highdicom, which is not installed: pip install 'usframe[dicom]'"
        )
    if others := [case.volume.name for case in cases if case.suffix.lower().lstrip("/") not in DICOM]:
        which = others[0] + (f" and {len(others) - 1} more are" if len(others) > 1 else " is")
        raise RequestError(f"mask_format=dicom is for DICOM volumes, and {which} none; leave it out")


def write_mask(
    path: Path | str,
    mask: NDArray[Any],
    volume: Volume,
    *,
    names: Mapping[int, str] = MappingProxyType({}),
    plugins: Plugins | None = None,
) -> None:
    """Write ``mask`` (D, H, W), 0 background and else the object id up to 255, on the grid of ``volume``.

    ``names``: of objects, by value, for formats that keep them. The suffix of ``path`` decides the format. Missing
    folders are made, and an existing file is replaced only by a complete one. Raises `WriteError` for a mask that
    does not fit the volume and for a file that cannot be written; `ReadError` for a suffix without a reader.
    """
    path = Path(path)
    _, entry = (plugins or load_plugins()).readers.for_path(path)
    if mask.shape != volume.data.shape:
        raise WriteError(f"{path}: the mask {mask.shape} does not have the volume's shape {volume.data.shape}")
    if mask.dtype.kind not in "bui" or (mask.size and not 0 <= int(mask.min()) <= int(mask.max()) <= 255):
        raise WriteError(f"{path}: a mask holds whole numbers from 0 to 255, not {mask.dtype} beyond that")
    grid: Any = PlainGrid(volume.spacing_mm) if volume.grid is None else volume.grid
    if isinstance(grid, OpaqueGrid) and grid.reader == entry.name:
        grid = grid.native
    make: Any = entry.load()
    try:
        if Manifest.current:
            Manifest.current.check_there(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".usframe-") as folder:
            try:
                writer = make()
                named = {"names": names} if takes(writer.write, "names") else {}
                writer.write(Path(folder) / path.name, mask.astype(np.uint8, copy=False), grid, **named)
            except WriteError as error:
                raise WriteError(str(error).replace(folder, str(path.parent))) from error
            except (OSError, UsframeError):
                raise
            except Exception as error:
                who = f"reader {entry.name} ({entry.owner})"
                raise WriteError(f"{path}: {who} failed to write it: {blame(error)}") from error
            _publish(Path(folder), path)
    except OSError as error:
        raise WriteError(f"{path}: cannot be written ({error.strerror or error})") from error


def _publish(folder: Path, path: Path) -> None:
    """Move a written file beside ``path``, after the data files that some formats keep next to it."""
    for file in sorted(folder.iterdir(), key=lambda file: file.name == path.name):
        publish(file, path.parent / file.name)
