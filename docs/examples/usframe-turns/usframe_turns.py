"""The slices where the area of the object turns most: its ends, and where it widens or narrows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from usframe import hookimpl
from usframe.hookspecs import Register


def turns(area: NDArray[np.int64], count: int, *, chosen: Sequence[int] = ()) -> list[int]:
    """The slices where the area of the object turns most: its ends, and where it widens or narrows.

    ``area``: (D,), the pixels of the object on each slice. ``chosen``: slices that are prompted already. Between
    slices that were chosen the area is taken to change evenly, and the next is where that is least true.
    """
    shown = np.flatnonzero(area)
    found: list[int] = []
    while len(found) < count:
        known = sorted({*chosen, *found})
        left = [int(frame) for frame in shown if frame not in known]
        if not left:
            break
        expected = np.interp(left, known, area[known]) if known else np.zeros(len(left))
        found.append(left[int(np.abs(area[left] - expected).argmax())])
    return found


@hookimpl
def usframe_register_selections(register: Register) -> None:
    register("turns", turns)
