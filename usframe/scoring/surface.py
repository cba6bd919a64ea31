"""Distances between the surfaces of two masks, of which HD95, ASSD and NSD are made.

The surface of a mask are its voxels with a face on the outside, the edge of the image included: the mask without
its erosion. Nikolov et al., J Med Internet Res 2021; Maier-Hein et al., Nature Methods 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from scipy.spatial import KDTree

from usframe.types import Surfaces

Distances = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MeasuredSurfaces:
    """The `Surfaces` of a whole volume, and the frame that each of their voxels is on: (N,) and (M,)."""

    surfaces: Surfaces
    answer_frames: NDArray[np.intp]
    reference_frames: NDArray[np.intp]

    def on(self, chosen: NDArray[np.bool_]) -> Surfaces:
        """The surface voxels on the frames that are true in ``chosen`` (D,), their distances unchanged."""
        answer, reference = chosen[self.answer_frames], chosen[self.reference_frames]
        return Surfaces(self.surfaces.answer[answer], self.surfaces.reference[reference])


def measure_surfaces(
    answer: NDArray[np.bool_], reference: NDArray[np.bool_], spacing: Sequence[float]
) -> MeasuredSurfaces:
    """How far the surfaces of two masks (D, H, W) are apart, with ``spacing`` (3,) along D, H, W.

    A volume of one slice is measured in its plane; in any other the first and the last slice end an object.
    """
    points = [_surface_points(mask) for mask in (answer, reference)]
    scaled = [np.asarray(one * np.asarray(spacing), np.float64) for one in points]
    first, second = _nearest(scaled[0], scaled[1]), _nearest(scaled[1], scaled[0])
    return MeasuredSurfaces(Surfaces(first, second), points[0][:, 0], points[1][:, 0])


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
    return np.asarray(KDTree(others).query(points, workers=-1)[0], np.float64)
