"""The built-in scores: how well the mask of one object agrees with its reference.

A score of nothing against nothing is undefined, which is None. Nikolov et al., J Med Internet Res 2021 (NSD);
Maier-Hein et al., "Metrics reloaded", Nature Methods 2024 (all).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from usframe.types import Surfaces

Mask = NDArray[np.bool_]
AT_LEAST = 1 + 1e-6  # what lies at the tolerance is within it; spacing has the digits of float32 in headers


def dice(reference: Mask, mask: Mask) -> float | None:
    """Dice: 2 |A B| / (|A| + |B|) of the voxels; None where both are empty."""
    return _share(2 * _common(reference, mask), np.count_nonzero(reference) + np.count_nonzero(mask))


def iou(reference: Mask, mask: Mask) -> float | None:
    """Intersection over union of the voxels; None where both are empty."""
    common = _common(reference, mask)
    return _share(common, np.count_nonzero(reference) + np.count_nonzero(mask) - common)


def hd95_mm(reference: Mask, mask: Mask, *, surfaces: Surfaces) -> float | None:
    """Hausdorff distance: the larger of the 95th percentiles of both directions; None where a mask is empty."""
    if not _measured(surfaces):
        return None
    return max(float(np.percentile(side, 95)) for side in (surfaces.answer, surfaces.reference) if len(side))


def assd_mm(reference: Mask, mask: Mask, *, surfaces: Surfaces) -> float | None:
    """Mean distance of all surface voxels of both masks to the other surface; None where a mask is empty."""
    if not _measured(surfaces):
        return None
    return float(np.concatenate([surfaces.answer, surfaces.reference]).mean())


def nsd(reference: Mask, mask: Mask, *, surfaces: Surfaces, tolerance_mm: float) -> float | None:
    """Share of the surface voxels of both masks within the tolerance; None where there are none."""
    both = np.concatenate([surfaces.answer, surfaces.reference])
    return float((both <= tolerance_mm * AT_LEAST).mean()) if len(both) else None


def _common(reference: Mask, mask: Mask) -> int:
    """Voxels of both, counted slice by slice: a copy of all may not fit in memory."""
    return sum(int(np.count_nonzero(one & other)) for one, other in zip(reference, mask, strict=True))


def _share(part: Any, whole: Any) -> float | None:
    return float(part / whole) if whole else None


def _measured(surfaces: Surfaces) -> bool:
    """Whether there is a surface, and another for all of it to be measured to."""
    sides = (surfaces.answer, surfaces.reference)
    return any(len(side) for side in sides) and all(bool(np.isfinite(side).all()) for side in sides)
