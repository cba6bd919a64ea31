"""Distances between the surfaces of two masks, of which HD95, ASSD and NSD are made.

The surface of a mask are its voxels with a face on the outside, the edge of the image included: the mask without
its erosion. Nikolov et al., J Med Internet Res 2021; Maier-Hein et al., Nature Methods 2024.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from usframe.arrays import blocks
from usframe.types import Surfaces

Distances = NDArray[np.float64]
Points = NDArray[np.int32]
IN_TREE, AT_ONCE = 2**21, 2**18  # points
MAPPED, DENSE = 2**23, 6  # voxels: at most, and for each point


def measure_surfaces(
    answer: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    spacing: Sequence[float],
    origin: Sequence[int] = (0, 0, 0),
) -> Surfaces:
    """How far the surfaces of two masks (D, H, W) are apart, with ``spacing`` (3,) along D, H, W.

    ``origin``: where the first voxel of the masks is in the volume that they were cut from. A volume of one slice
    is measured in its plane; in any other the first and the last slice end an object.
    """
    axes = (1, 2) if len(answer) == 1 else (0, 1, 2)
    first, second = (_surface_points(mask, axes) + np.array(origin, np.int32) for mask in (answer, reference))
    return Surfaces(_nearest(first, second, spacing), _nearest(second, first, spacing))


def measure_planes(
    answer: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    spacing: Sequence[float],
    origin: Sequence[int] = (0, 0, 0),
) -> list[Surfaces]:
    """`measure_surfaces` of each slice in its plane, of all at once: they lie farther apart than they are wide."""
    apart = 1 + 2 * float(np.hypot(*np.multiply(answer.shape[1:], spacing[1:])))
    first, second = (_surface_points(mask, (1, 2)) + np.array(origin, np.int32) for mask in (answer, reference))
    sides = []
    for points, others in ((first, second), (second, first)):
        distances = _nearest(points, others, (apart, *spacing[1:]))
        distances[distances > apart / 2] = np.inf
        sides.append(np.split(distances, np.searchsorted(points[:, 0] - origin[0], np.arange(1, len(answer)))))
    return [Surfaces(*pair) for pair in zip(*sides, strict=True)]


def _surface_points(mask: NDArray[np.bool_], axes: Sequence[int]) -> Points:
    """Indices (N, 3) of the voxels with a face on the outside along one of ``axes``, ascending."""
    if not mask.any():
        return np.empty((0, 3), np.int32)
    window = tuple(
        slice(*np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))[[0, -1]] + [0, 1]) for axis in range(3)
    )
    inside = mask[window]
    found = []
    for part in blocks(inside.shape):
        first = max(part.start - 1, 0)  # a voxel's neighbours lie on the slice before and the slice behind it
        slab = inside[first : part.stop + 1]
        core = _inside(slab, axes)
        own = slice(part.start - first, part.stop - first)
        points = np.argwhere(slab[own] & ~core[own]) + np.array([part.start, 0, 0])
        found.append(points.astype(np.int32))
    return np.concatenate(found) + np.array([part.start for part in window], np.int32)


def _inside(mask: NDArray[np.bool_], axes: Sequence[int]) -> NDArray[np.bool_]:
    """The voxels whose neighbours along ``axes`` are all in the mask (D, H, W); outside of it there is nothing."""
    core = mask.copy()
    for axis in axes:
        moved, own = np.moveaxis(mask, axis, 0), np.moveaxis(core, axis, 0)
        own[1:] &= moved[:-1]
        own[:-1] &= moved[1:]
        own[[0, -1]] = False
    return core


def _nearest(points: Points, others: Points, spacing: Sequence[float]) -> Distances:
    """From each of ``points`` (N, 3) to the nearest of ``others``, infinite where there are none.

    Where ``points`` fill their box, as those of ragged masks do, all of it is mapped: a tree takes longest where it
    is asked from afar.
    """
    if not len(points) or not len(others):
        return np.full(len(points), np.inf)
    corner = np.minimum(points.min(0), others.min(0))
    shape = np.maximum(points.max(0), others.max(0)) - corner + 1
    if np.prod(shape, dtype=np.int64) <= min(MAPPED, DENSE * len(points)):
        return _on_map(points - corner, others - corner, shape, spacing)
    return _in_tree(points, others, spacing)


def _on_map(points: Points, others: Points, shape: NDArray[np.int32], spacing: Sequence[float]) -> Distances:
    """By a map of a box of ``shape``, on which every voxel has the nearest of ``others``."""
    from scipy.ndimage import distance_transform_edt

    free = np.ones(shape, bool)
    free[tuple(others.T)] = False
    nearest = distance_transform_edt(free, sampling=spacing, return_distances=False, return_indices=True)
    distances = np.empty(len(points))
    for begin in range(0, len(points), AT_ONCE):
        mine = points[begin : begin + AT_ONCE]
        apart = (mine - nearest[(slice(None), *mine.T)].T) * np.asarray(spacing)
        distances[begin : begin + AT_ONCE] = np.linalg.norm(apart, axis=1)
    return distances


def _in_tree(points: Points, others: Points, spacing: Sequence[float]) -> Distances:
    """By a tree that holds a part of ``others`` at a time."""
    from scipy.spatial import KDTree

    nearest = np.full(len(points), np.inf)
    for first in range(0, len(others), IN_TREE):
        placed = others[first : first + IN_TREE] * np.asarray(spacing, np.float64)
        tree = KDTree(placed, balanced_tree=False)  # it is built in less time, and asked once
        for begin in range(0, len(points), AT_ONCE):
            mine = slice(begin, begin + AT_ONCE)
            np.minimum(nearest[mine], tree.query(points[mine] * np.asarray(spacing))[0], out=nearest[mine])
    return nearest
