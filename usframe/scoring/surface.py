"""Distances between the surfaces of two masks, of which HD95, ASSD and NSD are made.

The surface of a mask are its voxels with a face on the outside, the edge of the image included: the mask without
its erosion. Nikolov et al., J Med Internet Res 2021; Maier-Hein et al., Nature Methods 2024.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from scipy.spatial import KDTree

from usframe.types import Surfaces

Distances = NDArray[np.float64]


def measure_surfaces(answer: NDArray[np.bool_], reference: NDArray[np.bool_], spacing: Sequence[float]) -> Surfaces:
    """How far the surfaces of two masks (D, H, W) are apart, with ``spacing`` (3,) along D, H, W.

    A volume of one slice is measured in its plane; in any other the first and the last slice end an object.
    """
    points = [np.asarray(_surface_points(mask) * np.asarray(spacing), np.float64) for mask in (answer, reference)]
    return Surfaces(_nearest(points[0], points[1]), _nearest(points[1], points[0]))


def _surface_points(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Indices (N, 3) of the surface voxels."""
    if not mask.any():
        return np.empty((0, 3), np.intp)
    window = tuple(
        slice(*np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))[[0, -1]] + [0, 1]) for axis in range(3)
    )
    inside = mask[window]
    cross = binary_erosion(inside[0])[None] if len(mask) == 1 else binary_erosion(inside)
    return np.argwhere(inside & ~cross) + [part.start for part in window]


def _nearest(points: Distances, others: Distances) -> Distances:
    if not len(points) or not len(others):
        return np.full(len(points), np.inf)
    return np.asarray(KDTree(others).query(points)[0], np.float64)
