"""From the files of a case to its voxels: the one way in which every task reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from usframe.arrays import blocks, gather, release, values_of
from usframe.config.schema import Paired
from usframe.crop import Window
from usframe.data.alignment import align
from usframe.data.axis import measured
from usframe.data.case import Case
from usframe.data.meaning import Meaning, mapped, whole_numbers
from usframe.data.volumes import check_readers, read_shape, read_volume
from usframe.errors import CaseError, ReadError
from usframe.intensity import Grey, normalise_intensity
from usframe.plugins import Plugins
from usframe.types import Role, Volume

__all__ = ["MANY_OBJECTS", "Reading", "check_readers", "read_case", "read_labels", "read_shape", "read_volume"]

MANY_OBJECTS = 32
SLIVER = 8  # times as long as a slice is high or wide are its other axes, where the wrong one was sliced


@dataclass(frozen=True, eq=False)
class Reading:
    """A case as it was read.

    ``volume``: as its reader gave it. ``labels``: (D, H, W) uint8, 0 background, on the same voxels; None where the
    case has none. ``data``: the slices of the volume, (D, H, W) float32 in 0-1. ``notes``: what was assumed or
    repaired, one sentence each. ``per_frame``: D counts frames, so distances are measured within each.
    ``names``: of objects, by value. ``ignored``: (D, H, W), the voxels that nobody has judged, where there are any.
    ``known``: (D,), the slices that labels tell about, where they do not about all. ``window``: the part of the
    slices that a network is shown, None for all of them.
    """

    volume: Volume
    labels: NDArray[np.uint8] | None
    data: Grey
    notes: tuple[str, ...]
    per_frame: bool = False
    names: Mapping[int, str] = field(default_factory=dict)
    ignored: NDArray[np.bool_] | None = None
    known: NDArray[np.bool_] | None = None
    window: Window | None = None

    @property
    def empty_slices(self) -> int | None:
        """Slices that are known to show no object; None without labels."""
        if self.labels is None:
            return None
        return int((~self.labels.any((1, 2)) & (True if self.known is None else self.known)).sum())

    def labels_with(self, ignore: int | None) -> NDArray[np.uint8]:
        """The labels with the value ``ignore`` where voxels are ignored."""
        assert self.labels is not None
        if self.ignored is None or ignore is None:
            return self.labels
        parts, ignored, labels = blocks(self.labels.shape), self.ignored, self.labels
        return gather((np.where(ignored[part], ignore, labels[part]) for part in parts), labels.shape, np.uint8)

    def rest(self) -> None:
        """Have voxels that are on disk in memory no longer than they are looked at."""
        release(self.volume.data, self.labels, self.ignored)


def read_case(case: Case, settings: Paired, plugins: Plugins) -> Reading:
    """The volume of a case, its labels where it has any, and its intensities in 0-1.

    Raises `CaseError` in one line for files that cannot be used.
    """
    outside = settings.allow_outside
    at = settings.time_point
    volume = read_volume(case.volume, layout=settings.layout, allow_outside=outside, time_point=at, plugins=plugins)
    if settings.layout == "auto":
        _check_slices(case.volume, volume)
    notes, labels, ignored, known = volume.notes, None, None, None
    names: Mapping[int, str] = {}
    sized, per_frame, assumed, told = measured(volume, settings.axis, settings.spacing)
    notes += told
    if case.labels is not None:
        read = read_labels(
            case.labels,
            volume,
            layout=settings.label_layout or settings.layout,
            geometry=settings.geometry,
            meaning=case.meaning,
            ignore=settings.ignore,
            allow_outside=outside,
            time_point=at,
            plugins=plugins,
        )
        names, notes = read.names, notes + read.notes + ((assumed,) if assumed else ())
        labels, ignored, known, told = judged(read.data, settings.ignore, sparse=settings.sparse, known=read.known)
        notes += told
    try:
        data, repaired = normalise_intensity(volume.data, settings.intensity)
    except CaseError as error:
        raise CaseError(f"{case.volume}: {error}") from error
    reading = Reading(sized, labels, data, notes + repaired, per_frame, names, ignored, known)
    reading.rest()
    return reading


def _check_slices(path: Path, volume: Volume) -> None:
    """Raises `ReadError` for slices that are slivers: their axes lie in another order than that of such files."""
    depth, height, width = volume.data.shape
    if SLIVER * width <= min(depth, height) or SLIVER * height <= min(depth, width):
        raise ReadError(
            f"{path}: {depth} slices of {height} x {width} pixels are slivers, so its axes seem to lie in another "
            "order; say it with layout=, such as layout=hwd for rows, columns, slices (any is taken as it is)"
        )


def read_labels(
    path: Path,
    volume: Volume,
    *,
    layout: str = "auto",
    role: Role = "labels",
    geometry: str = "refuse",
    meaning: Meaning | None = None,
    ignore: int | None = None,
    allow_outside: bool = False,
    time_point: int | None = None,
    plugins: Plugins | None = None,
) -> Volume:
    """The labels in a file as a `Volume` of uint8 (D, H, W), 0 background, on the voxels of ``volume``.

    Whole numbers from 0 to 255 are kept, whatever their dtype; ``meaning``: what they stand for in a run, that of
    the file alone where it is None. ``role`` is ``mask`` for somebody's answer. ``geometry``: see `align`. Labels
    without an object, or with more than `MANY_OBJECTS`, are notes.
    Raises `ReadError` for other values, for NaN, and for another shape or grid.
    """
    read = read_volume(
        path,
        layout=layout,
        onto=volume,
        role=role,
        allow_outside=allow_outside,
        time_point=time_point,
        plugins=plugins,
    )
    return on_grid(path, read, volume, role=role, geometry=geometry, meaning=meaning, ignore=ignore)


def judged(
    labels: NDArray[np.uint8], ignore: int | None, *, sparse: bool, known: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None, NDArray[np.bool_] | None, tuple[str, ...]]:
    """Labels without the value ``ignore``, and ``ignored``, ``known`` and notes as a `Reading` has them.

    With ``sparse`` a slice without any label is unknown instead of empty. ``known``: (D,), the slices that the file
    tells about, None for all.
    """
    ignored, notes = None, []
    if sparse and not (told := np.array([plane.any() for plane in labels])).all():
        known = told
        notes.append(f"{told.sum()} of {len(told)} slices have labels (sparse=true): only these prompt and count")
    if ignore is not None and ignore in values_of(labels):
        ignored = gather((labels[part] == ignore for part in blocks(labels.shape)), labels.shape, bool)
        share = np.mean([plane.mean() for plane in ignored])
        notes.append(f"{share:.1%} of the voxels are ignored (ignore={ignore}): they count for nothing")
        table = np.arange(256, dtype=np.uint8)
        table[ignore] = 0
        labels = mapped(labels, table)
    return labels, ignored, known, tuple(notes)


def on_grid(
    path: Path,
    read: Volume,
    volume: Volume,
    *,
    role: Role,
    geometry: str,
    meaning: Meaning | None,
    ignore: int | None = None,
) -> Volume:
    """What was read from ``path`` as labels on the voxels of ``volume``; `read_labels` has the rules."""
    placed, notes = align(path, read, volume, geometry, role=role)
    given = whole_numbers(path, placed)
    meaning = meaning or Meaning.of_one(given, role, ignore)
    data, names, meant = meaning.apply(path, given, read.names, role)
    notes += meant
    values = sorted({*values_of(data)} - meaning.left_out(role))
    who = "the mask holds" if role == "mask" else "the labels hold"
    if not any(values):
        notes.append(f"{who} no object" + ", so there is nothing to prompt or score" * (role != "mask"))
    if len([value for value in values if value]) > MANY_OBJECTS:
        notes.append(f"{who} more than {MANY_OBJECTS} objects: is it a volume?")
    return replace(volume, data=data, notes=(*read.notes, *notes), names=names, known=read.known)
