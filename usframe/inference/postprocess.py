"""Masks made tidier after the network: largest piece, holes, specks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from usframe.errors import CaseError

TOUCHING = np.ones((3, 3, 3), bool)  # voxels that share a face, an edge or a corner are one piece


def clean_mask(
    mask: NDArray[np.uint8],
    *,
    largest_component: bool = False,
    fill_holes: bool = False,
    min_volume_ml: float = 0.0,
    spacing_mm: Sequence[float] | None = None,
) -> NDArray[np.uint8]:
    """A copy of ``mask`` (D, H, W; 0 is background) with these done to every object, in this order.

    ``largest_component``: only its largest piece in 3D (26-connected) is kept. ``fill_holes``: background that it
    encloses on a slice becomes part of it, unless another object lies in there. ``min_volume_ml``: its pieces in
    3D that are smaller are removed; needs ``spacing_mm`` (3,) along D, H, W. Raises `CaseError` without it.
    """
    voxels = min_voxels(min_volume_ml, spacing_mm)
    cleaned = mask.copy()
    for object_id, place in enumerate(ndimage.find_objects(mask), 1):
        if place is None:
            continue
        part = cleaned[place]
        if largest_component:
            _drop_pieces(part, object_id, 0, largest=True)
        if fill_holes:
            _fill_holes(part, object_id)
        if voxels:
            _drop_pieces(part, object_id, voxels)
    return cleaned


def min_voxels(min_volume_ml: float, spacing_mm: Sequence[float] | None) -> float:
    """``min_volume_ml`` in voxels. Raises `CaseError` where the spacing is unknown."""
    if not min_volume_ml:
        return 0.0
    if spacing_mm is None:
        raise CaseError(f"postprocess.min_volume_ml={min_volume_ml:g} cannot be measured: the spacing is unknown")
    return 1000 * min_volume_ml / float(np.prod(spacing_mm))


def _drop_pieces(part: NDArray[np.uint8], object_id: int, least: float, *, largest: bool = False) -> None:
    marks, _ = ndimage.label(part == object_id, structure=TOUCHING)
    sizes = np.bincount(marks.ravel())
    sizes[0] = 0
    dropped = np.arange(len(sizes)) != sizes.argmax() if largest else sizes < least
    dropped[0] = False
    part[dropped[marks]] = 0


def _fill_holes(part: NDArray[np.uint8], object_id: int) -> None:
    for plane in part:
        found = plane == object_id
        marks, count = ndimage.label(ndimage.binary_fill_holes(found) & ~found)
        if count:
            empty = ndimage.maximum(plane, marks, range(1, count + 1)) == 0
            plane[np.isin(marks, 1 + np.flatnonzero(empty))] = object_id
