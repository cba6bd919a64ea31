"""The built-in steps after the network: largest piece, holes, specks. Each is done to every object of a mask.

Pieces are those in 3D; voxels that share a face, an edge or a corner (26-connected) are one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from usframe import CaseError
from usframe.types import Spacing

Mask = NDArray[np.uint8]
TOUCHING = np.ones((3, 3, 3), bool)


def largest_component(mask: Mask, *, spacing_mm: Spacing | None = None) -> Mask:
    """Only the largest piece of each object is kept."""
    cleaned = mask.copy()
    for object_id, part in _objects(cleaned):
        _drop(part, object_id, lambda sizes: np.arange(len(sizes)) != sizes.argmax())
    return cleaned


def fill_holes(mask: Mask, *, spacing_mm: Spacing | None = None) -> Mask:
    """Background that an object encloses on a slice becomes part of it, unless another object lies in there."""
    cleaned = mask.copy()
    for object_id, part in _objects(cleaned):
        for plane in part:
            found = plane == object_id
            marks, count = ndimage.label(ndimage.binary_fill_holes(found) & ~found)
            if count:
                empty = ndimage.maximum(plane, marks, range(1, count + 1)) == 0
                plane[np.isin(marks, 1 + np.flatnonzero(empty))] = object_id
    return cleaned


def min_volume_ml(mask: Mask, *, spacing_mm: Spacing | None, ml: float) -> Mask:
    """Pieces smaller than this many millilitres are removed.

    Raises `CaseError` where the spacing, and so the volume of a piece, is unknown.
    """
    cleaned = mask.copy()
    if not ml:
        return cleaned
    if spacing_mm is None:
        raise CaseError(f"postprocess.min_volume_ml={ml:g} cannot be measured: the spacing is unknown")
    least = 1000 * ml / float(np.prod(spacing_mm))
    for object_id, part in _objects(cleaned):
        _drop(part, object_id, lambda sizes: sizes < least)
    return cleaned


def _objects(mask: Mask) -> Iterator[tuple[int, Mask]]:
    """Each object id and the part of ``mask`` that holds it, to be changed in place."""
    for object_id, place in enumerate(ndimage.find_objects(mask), 1):
        if place is not None:
            yield object_id, mask[place]


def _drop(part: Mask, object_id: int, unwanted: Callable[[NDArray[np.intp]], NDArray[np.bool_]]) -> None:
    """Remove the pieces of an object whose sizes in voxels are ``unwanted``; entry 0 is not a piece."""
    marks, _ = ndimage.label(part == object_id, structure=TOUCHING)
    sizes = np.bincount(marks.ravel())
    sizes[0] = 0
    dropped = unwanted(sizes)
    dropped[0] = False
    part[dropped[marks]] = 0
