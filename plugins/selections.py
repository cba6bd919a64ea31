"""The built-in selection rules: which slices of an object somebody should label, if it is only so many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from usframe.selection import APART, distances, farthest, least_sure, spread

Area = NDArray[np.intp]


def largest(area: Area, count: int) -> list[int]:
    """The slices on which the object has most pixels, of equal ones the first."""
    order = np.argsort(-area, kind="stable")[:count]
    return [int(frame) for frame in order if area[frame]]


def uniform(area: Area, count: int) -> list[int]:
    """Slices spread evenly over those that show the object."""
    return [int(frame) for frame in spread(np.flatnonzero(area), count)]


def random(area: Area, count: int, *, rng: np.random.Generator) -> list[int]:
    """The first slices of all that show the object, in an order that is drawn."""
    return [int(frame) for frame in rng.permutation(np.flatnonzero(area))[:count]]


def lowest_expected(area: Area, count: int, *, chosen: Sequence[int], expected: NDArray[np.float64]) -> list[int]:
    """The lowest expected Dice first, as in next.csv; what that leaves open is spread far from all others."""
    depth, shown = len(area), np.flatnonzero(area)
    unsure = np.where(area > 0, expected, np.nan)
    found = least_sure(unsure, distances(depth, chosen), count, max(APART, depth // 10))
    return found + farthest(shown, [*chosen, *found], depth, count - len(found))
