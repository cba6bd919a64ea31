"""Slices chosen among those of one object: spread evenly, far from others, or where least is known."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

APART = 2  # slices from a prompted one, and from each other, at least


def spread(shown: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """``count`` of the slices (N,) in ``shown``, spread evenly over them; all, where there are fewer."""
    count = min(count, len(shown))
    return shown[((np.arange(count) + 0.5) * len(shown) / max(count, 1)).astype(int)]


def from_end_to_end(frames: Sequence[int], most: int) -> list[int]:
    """``most`` of the frames, the first, the last and evenly between them; all where there are fewer."""
    return [frames[int(n)] for n in np.unique(np.linspace(0, len(frames) - 1, most).round())]


def distances(depth: int, chosen: Collection[int]) -> NDArray[np.float64]:
    """(D,) slices from each of ``depth`` to the nearest ``chosen`` one; infinite where none is."""
    far = np.full(depth, np.inf)
    for one in chosen:
        far = np.minimum(far, np.abs(np.arange(depth) - one))
    return far


def farthest(shown: NDArray[np.intp], chosen: Collection[int], depth: int, count: int) -> list[int]:
    """``count`` more of the slices in ``shown``, one after the other as far as can be from all that are chosen."""
    found: list[int] = []
    for _ in range(count):
        far = distances(depth, [*chosen, *found])[shown]
        if not len(shown) or not far.max():
            break
        found.append(int(shown[far.argmax()]))
    return found


def least_sure(expected: NDArray[np.float64], distance: NDArray[np.float64], count: int, apart: int) -> list[int]:
    """Up to ``count`` slices, the lowest ``expected`` Dice (D,) first, NaN where it is unknown.

    They lie `APART` slices from a prompted one, to which ``distance`` (D,) counts, and ``apart`` from each other.
    """
    found: list[int] = []
    known = np.flatnonzero(np.isfinite(expected) & (distance >= APART)).tolist()
    for frame in sorted(known, key=lambda one: (expected[one], -distance[one], one)):
        if all(abs(frame - other) >= apart for other in found):
            found.append(frame)
    return found[:count]
