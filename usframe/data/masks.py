"""A mask and the labels it is held against, read onto one grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usframe.config.schema import Score
from usframe.data.alignment import affine_of, resample
from usframe.data.axis import measured
from usframe.data.meaning import Meaning
from usframe.data.reading import judged, on_grid
from usframe.data.volumes import PlacedGrid, read_volume, reader_takes_role
from usframe.errors import ReadError
from usframe.plugins import Plugins
from usframe.types import Role, Volume

MOST_VOXELS = 2**31


@dataclass(frozen=True, eq=False)
class MaskPair:
    """Labels and a mask on the same voxels.

    ``labels`` and ``mask``: `Volume` of uint8 (D, H, W), 0 background, each with its own notes. ``per_frame``: D
    counts frames. ``notes``: those of both files and of the grid, each once. ``ignored`` and ``known``: see
    `usframe.data.reading.Reading`.
    """

    labels: Volume
    mask: Volume
    per_frame: bool
    notes: tuple[str, ...]
    ignored: NDArray[np.bool_] | None = None
    known: NDArray[np.bool_] | None = None


def read_masks(
    labels_path: Path,
    mask_path: Path,
    settings: Score,
    plugins: Plugins,
    *,
    image: Path | None = None,
    meaning: Meaning | None = None,
) -> MaskPair:
    """The labels and the mask of a case on one grid.

    That is the grid of the labels. Files that hold only the part of it that shows an object are put on the one
    that is whole, that of ``image`` first, or on what covers both. ``meaning``: of the values in the run.
    Raises `ReadError` in one line.
    """

    def read(path: Path, role: Role, onto: Volume | None = None) -> Volume:
        outside = settings.allow_outside
        return read_volume(
            path,
            layout=settings.layout,
            onto=onto,
            role=role,
            allow_outside=outside,
            time_point=settings.time_point,
            plugins=plugins,
        )

    labels = read(labels_path, "labels")
    mask = read(mask_path, "mask", None if reader_takes_role(mask_path, plugins) else labels)
    if labels.frames and image is not None and len(labels.data) != len(mask.data):  # masks of some frames
        labels = read(labels_path, "labels", read(image, "volume"))
    grid, notes = labels, labels.notes
    if labels.cropped or mask.cropped:
        whole = read(image, "volume") if image is not None else None
        grid = _common(mask_path, labels, mask, whole)
        labels, mask = _onto(labels_path, labels, grid), _onto(mask_path, mask, grid)
        notes = (*grid.notes, *labels.notes)
    place = partial(on_grid, volume=grid, geometry=settings.geometry, meaning=meaning, ignore=settings.ignore)
    reference = place(labels_path, replace(labels, notes=()), role="labels")
    answer = place(mask_path, mask, role="mask")
    sized, per_frame, assumed, taken = measured(grid, settings.axis, settings.spacing)
    data, ignored, known, counted = judged(
        reference.data, settings.ignore, sparse=settings.sparse, known=labels.known
    )
    told = (*notes, *reference.notes, *answer.notes, *taken, *counted, *([assumed] if assumed else []))
    size: dict[str, Any] = {"spacing_mm": sized.spacing_mm, "grid": sized.grid}
    reference, answer = replace(reference, data=data, **size), replace(answer, **size)
    return MaskPair(reference, answer, per_frame, tuple(dict.fromkeys(told)), ignored, known)


def _common(path: Path, labels: Volume, mask: Volume, image: Volume | None) -> Volume:
    """The grid for labels and a mask of which at least one is cropped. Raises `ReadError` for masks far apart."""
    if image is not None and affine_of(image) is not None:
        return replace(image, notes=())
    if whole := [one for one in (labels, mask) if not one.cropped and affine_of(one) is not None]:
        return replace(whole[0], notes=())
    mine, other = affine_of(labels), affine_of(mask)
    if mine is None or other is None:
        return replace(labels, notes=())
    corners = np.array([[*corner, 1] for corner in product(*((0, n - 1) for n in mask.data.shape))], float)
    placed = (corners @ (np.linalg.inv(mine) @ other).T)[:, :3]
    low = np.minimum(np.floor(placed.min(0) + 0.01), 0).astype(int)
    high = np.maximum(np.ceil(placed.max(0) - 0.01), np.array(labels.data.shape) - 1).astype(int)
    shape = high - low + 1
    if np.prod(shape, dtype=float) > MOST_VOXELS:
        raise ReadError(f"{path}: lies far from its labels; do they belong to the same recording?")
    affine = mine.copy()
    affine[:3, 3] += mine[:3, :3] @ low
    data: NDArray[np.uint8] = np.zeros(tuple(shape), np.uint8)
    note = "labels and mask are cropped differently: they were put on the grid that covers both"
    same = data.shape == labels.data.shape == mask.data.shape
    return Volume(data, labels.spacing_mm, PlacedGrid(affine, labels.spacing_mm), () if same else (note,))


def _onto(path: Path, one: Volume, grid: Volume) -> Volume:
    if not one.cropped or affine_of(one) is None or affine_of(grid) is None:
        return one
    data, lost = resample(path, one, grid)
    return replace(one, data=data, grid=grid.grid, spacing_mm=grid.spacing_mm, notes=(*one.notes, *lost))
