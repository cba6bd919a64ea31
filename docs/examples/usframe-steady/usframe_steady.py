"""A pixel becomes what at least two of its slice and the two beside it say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from usframe import hookimpl
from usframe.hookspecs import Register
from usframe.types import Spacing


def steady(mask: NDArray[np.uint8], *, spacing_mm: Spacing | None) -> NDArray[np.uint8]:
    """A pixel becomes what at least two of its slice and the two beside it say.

    ``mask``: (D, H, W), 0 or the object id. The first and the last slice stay, and so does a pixel of which all
    three slices say something else. What flickers from slice to slice goes.
    """
    before, now, after = mask[:-2], mask[1:-1], mask[2:]
    steadied = mask.copy()
    steadied[1:-1] = np.where(before == after, before, now)
    return steadied


@hookimpl
def usframe_register_postprocessing(register: Register) -> None:
    register("steady", steady)
