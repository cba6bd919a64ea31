"""Volumes and labels as plain arrays on disk, of which a training reads only the slices that it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from usframe.arrays import blocks
from usframe.data.case import Case, PromptRow
from usframe.data.volumes import files_of
from usframe.errors import ReadError, WriteError
from usframe.files import digest, whole_file, write_json
from usframe.intensity import Slices
from usframe.plain import read_json
from usframe.plugins import Plugins


class About(TypedDict):
    """What is known about a case: its row of fingerprint.csv, voxel size in mm along D, H, W, notes, a picture."""

    fingerprint: dict[str, str | int | float | bool | None]
    spacing_mm: list[float] | None
    notes: list[str]
    picture: str


class Cached(TypedDict):
    """What a record of the cache holds. ``sources``: name, size and time of the files."""

    sources: list[list[str | int]]
    about: About


@dataclass(frozen=True)
class Cache:
    """``volumes/CASE.npy`` and ``labels/CASE.npy`` in ``folder``, and a record of what each case was made from."""

    folder: Path
    plugins: Plugins

    def volume(self, case: str) -> Path:
        return self.folder / "volumes" / f"{case}.npy"

    def labels(self, case: str) -> Path:
        return self.folder / "labels" / f"{case}.npy"

    def put(self, case: Case, data: Slices, labels: NDArray[np.uint8], about: Mapping[str, Any]) -> None:
        """Keep ``data`` and ``labels``, both (D, H, W), and what is known ``about`` them. Raises `WriteError`."""
        kept: Sequence[tuple[Path, Slices | NDArray[np.uint8]]]
        kept = ((self.volume(case.name), data), (self.labels(case.name), labels))
        for path, array in kept:
            form = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
            with whole_file(path) as file:
                np.lib.format.write_array_header_1_0(file, form)
                for part in blocks(array.shape):
                    file.write(np.ascontiguousarray(array[part]).data)
        write_json(self._record(case.name), {"sources": self._sources(case), "about": about})

    def remove(self, case: str) -> None:
        """Take a case away. Raises `WriteError`."""
        for path in (self._record(case), self.volume(case), self.labels(case)):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise WriteError(f"{path}: cannot be removed ({error.strerror})") from error

    def about(self, case: Case) -> dict[str, Any] | None:
        """What was put about a case; None unless it is complete and of the files as they are now."""
        try:
            record: Cached = read_json(self._record(case.name), Cached)
            complete = self.volume(case.name).exists() and self.labels(case.name).exists()
            return {**record["about"]} if complete and record["sources"] == self._sources(case) else None
        except (OSError, ValueError):
            return None

    def _record(self, case: str) -> Path:
        return self.folder / "records" / f"{case}.json"

    def _sources(self, case: Case) -> list[list[Any]]:
        """Name, size and time of the files of a case, which tell whether they have changed."""
        paths = every_file(case, self.plugins).values()
        inner = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
        states = [(path.name, path.stat()) for path in inner]
        return [[name, state.st_size, state.st_mtime_ns] for name, state in states]


def open_cached(path: Path) -> NDArray[Any]:
    """The array (D, H, W) of a .npy file, read-only; slices are read from disk when they are looked at.

    An open array keeps a file open, so open it for each use. Raises `ReadError`.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        cause = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ReadError(f"{path}: cannot be opened as an array ({cause})") from error
    if not isinstance(array, np.ndarray) or array.ndim != 3:
        raise ReadError(f"{path}: holds no array of three axes (D, H, W)")
    return array


def every_file(case: Case, plugins: Plugins) -> dict[str, Path]:
    """The files of a case by role; those that a header names are its role and a number."""
    found: dict[str, Path] = {}
    for role, path in case.files.items():
        if path is not None:
            first, *others = files_of(path, plugins)
            found |= {role: first} | {f"{role} {number}": other for number, other in enumerate(others, 2)}
    return found


def describe_inputs(case: Case, plugins: Plugins, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a case is made from: its patient, prompts, what its label values mean in the run, and the size, time and
    SHA-256 of its files; plain data.

    A file of the size and time that are ``known`` is not read again; one of another time with the same bytes counts
    as known, so that the answer equals ``known`` unless something differs. Raises `OSError`.
    """
    found: dict[str, Any] = {"group": case.group, "prompts": [_plain(row) for row in case.prompts]}
    if case.meaning:
        asked = (known or {}).get("meaning", {})
        found["meaning"] = case.meaning.decided(None if known is None else asked if isinstance(asked, dict) else ())
    for role, path in every_file(case, plugins).items():
        earlier = (known or {}).get(role, {})
        earlier = earlier if isinstance(earlier, dict) else {}
        fresh = {"file": path.name, "size": path.stat().st_size, "time": path.stat().st_mtime_ns}
        if fresh != {key: earlier.get(key) for key in fresh} or path.is_dir():
            fresh["sha256"] = digest(path)
            same = all(fresh[key] == earlier.get(key) for key in ("file", "size", "sha256"))
            found[role] = earlier if same else fresh
        else:
            found[role] = earlier
    return found


def _plain(row: PromptRow) -> list[Any]:
    arrays = (row.points, row.point_labels, row.box)
    drawn = [None if array is None else np.asarray(array).tolist() for array in arrays]
    found = None if row.detected is None else [*row.detected.edges, *(row.detected.size or ())]
    plain = [row.frame, row.object_id, *drawn, None if row.mask is None else digest(row.mask)]
    return [*plain, row.score, [*row.pictures], found]
