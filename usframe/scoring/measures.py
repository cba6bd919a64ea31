"""What clinicians measure on a mask: areas, diameters and circumferences on slices, volumes, and how two agree.

Longest and shortest diameter are the largest and the smallest distance of two parallel lines that touch the object
(Feret). The circumference is that of the ellipse with the object's second moments (Ramanujan's approximation),
which for a mask that is an ellipse is the ellipse. Agreement: Bland & Altman, Lancet 1986.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from usframe.scoring.table import RowKey
from usframe.types import Spacing

REFERENCE = "reference"  # the prompt in rows of the labels


class MeasureRow(TypedDict):
    """A row of measures.csv: an object on a slice, or, without ``frame``, in the whole volume.

    Lengths in the ``unit`` mm or px, ``area`` in its square; ``volume_ml`` where a voxel has a volume.
    """

    case: str
    prompt: str
    mode: str
    object: int
    frame: int | None
    area: float | None
    longest: float | None
    shortest: float | None
    circumference: float | None
    volume_ml: float | None
    unit: str
    name: str


class Agreement(NamedTuple):
    """Of ``n`` pairs: the mean difference (answer - reference) and its limits of agreement, bias ± 1.96 sd."""

    n: int
    bias: float
    low: float
    high: float


def measure_rows(
    key: RowKey,
    mask: NDArray[np.uint8],
    objects: Sequence[int],
    spacing_mm: Spacing | None,
    voxel_ml: float | None,
) -> Iterator[MeasureRow]:
    """The rows of ``objects`` in ``mask`` (D, H, W) on the slices that show them, and one for each whole volume.

    ``spacing_mm``: (3,) along D, H, W; None measures in pixels. ``voxel_ml``: see `usframe.data.axis.voxel_ml`.
    """
    height, width = (1.0, 1.0) if spacing_mm is None else spacing_mm[1:]
    unit = "px" if spacing_mm is None else "mm"
    for one in objects:
        voxels = 0
        for frame, plane in enumerate(mask):
            shown = plane == one
            if count := int(np.count_nonzero(shown)):
                voxels += count
                lengths = (*diameters(shown, height, width), circumference(shown, height, width))
                yield _row(key, one, unit, frame, (count * height * width, *lengths))
        if voxel_ml is not None:
            yield _row(key, one, unit, volume_ml=round(voxels * voxel_ml, 4))


def _row(
    key: RowKey,
    one: int,
    unit: str,
    frame: int | None = None,
    measured: Sequence[float | None] = (None, None, None, None),
    volume_ml: float | None = None,
) -> MeasureRow:
    area, longest, shortest, around = (None if value is None else round(value, 3) for value in measured)
    return {
        "case": key.case,
        "prompt": key.prompt,
        "mode": key.mode,
        "object": one,
        "frame": frame,
        "area": area,
        "longest": longest,
        "shortest": shortest,
        "circumference": around,
        "volume_ml": volume_ml,
        "unit": unit,
        "name": key.names.get(one, ""),
    }


def diameters(mask: NDArray[np.bool_], height: float = 1.0, width: float = 1.0) -> tuple[float, float]:
    """The longest and the shortest diameter of a mask (H, W) that shows something; pixels are ``height`` x
    ``width``.
    """
    rows = np.flatnonzero(mask.any(1))
    first, last = mask[rows].argmax(1), mask.shape[1] - 1 - mask[rows, ::-1].argmax(1)
    corners = [(x, rows + y) for x in (first - 0.5, last + 0.5) for y in (-0.5, 0.5)]
    points = np.concatenate([np.stack(corner, 1) for corner in corners]) * (width, height)
    hull = cv2.convexHull(points.astype(np.float32))[:, 0].astype(np.float64)
    longest = float(np.sqrt(((hull[:, None] - hull) ** 2).sum(2)).max())
    edges = np.roll(hull, -1, 0) - hull
    lengths = np.hypot(*edges.T)
    normals = np.stack([-edges[:, 1], edges[:, 0]], 1)[lengths > 0] / lengths[lengths > 0, None]
    return longest, float(np.ptp(hull @ normals.T, axis=0).min())


def circumference(mask: NDArray[np.bool_], height: float = 1.0, width: float = 1.0) -> float:
    """That of the ellipse with the second moments of a mask (H, W) that shows something."""
    of = cv2.moments(mask.astype(np.uint8), binaryImage=True)
    spread = np.array([[of["mu02"], of["mu11"]], [of["mu11"], of["mu20"]]]) / of["m00"] + np.eye(2) / 12
    spread *= np.outer((height, width), (height, width))
    minor, major = 2 * np.sqrt(np.linalg.eigvalsh(spread))  # half axes
    h = ((major - minor) / (major + minor)) ** 2
    return float(np.pi * (major + minor) * (1 + 3 * h / (10 + np.sqrt(4 - 3 * h))))


def agreement(pairs: Sequence[tuple[float, float]]) -> Agreement | None:
    """Of pairs (answer, reference); None for fewer than three."""
    if len(pairs) < 3:
        return None
    difference = np.array([answer - reference for answer, reference in pairs])
    bias, reach = float(difference.mean()), 1.96 * float(difference.std(ddof=1))
    return Agreement(len(pairs), bias, bias - reach, bias + reach)
