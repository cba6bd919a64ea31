"""Distances between the surfaces of two masks, and the scores made of them: HD95, ASSD and NSD.

The surface of a mask are its voxels with a face on the outside, the edge of the image included: the mask without
its erosion. Nikolov et al., J Med Internet Res 2021 (NSD); Maier-Hein et al., Nature Methods 2024 (all three).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from scipy.spatial import KDTree

Distances = NDArray[np.float64]
AT_LEAST = 1 + 1e-9  # what lies at the tolerance is within it, however its distance was rounded


@dataclass(frozen=True, eq=False)
class Surfaces:
    """How far every surface voxel of one mask is from the other mask's surface, and the frame that it is on.

    ``answer`` and ``reference``: (N,) and (M,) distances in the unit of the spacing, infinite where the other mask
    is empty; ``answer_frames`` and ``reference_frames``: the same shapes.
    """

    answer: Distances
    reference: Distances
    answer_frames: NDArray[np.intp]
    reference_frames: NDArray[np.intp]

    def on(self, chosen: NDArray[np.bool_]) -> Surfaces:
        """The surface voxels on the frames that are true in ``chosen`` (D,), their distances unchanged."""
        answer, reference = chosen[self.answer_frames], chosen[self.reference_frames]
        return Surfaces(
            self.answer[answer],
            self.reference[reference],
            self.answer_frames[answer],
            self.reference_frames[reference],
        )

    def hd95(self) -> float | None:
        """The larger of the 95th percentiles of both directions; None where a mask is empty."""
        if not self._measured():
            return None
        return max(float(np.percentile(side, 95)) for side in (self.answer, self.reference) if len(side))

    def assd(self) -> float | None:
        """The mean distance of all surface voxels of both masks; None where a mask is empty."""
        return float(np.concatenate([self.answer, self.reference]).mean()) if self._measured() else None

    def nsd(self, tolerance: float) -> float | None:
        """The share of the surface voxels of both that lie within ``tolerance``; None where there are none."""
        both = np.concatenate([self.answer, self.reference])
        return float((both <= tolerance * AT_LEAST).mean()) if len(both) else None

    def _measured(self) -> bool:
        return bool(len(self.answer) or len(self.reference)) and bool(
            np.isfinite(self.answer).all() and np.isfinite(self.reference).all()
        )


def measure_surfaces(answer: NDArray[np.bool_], reference: NDArray[np.bool_], spacing: Sequence[float]) -> Surfaces:
    """The `Surfaces` of two masks (D, H, W) with ``spacing`` (3,) along D, H, W.

    A volume of one slice is measured in its plane; in any other the first and the last slice end an object.
    """
    points = [_surface_points(mask) for mask in (answer, reference)]
    scaled = [np.asarray(one * np.asarray(spacing), np.float64) for one in points]
    first, second = _nearest(scaled[0], scaled[1]), _nearest(scaled[1], scaled[0])
    return Surfaces(first, second, points[0][:, 0], points[1][:, 0])


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
