"""How much larger (or, below 0, smaller) the mask is than the reference, in percent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from usframe import hookimpl
from usframe.hookspecs import Register
from usframe.types import Spacing


def volume_difference(
    reference: NDArray[np.bool_], mask: NDArray[np.bool_], *, spacing_mm: Spacing
) -> float | None:
    """How much larger (or, below 0, smaller) the mask is than the reference, in percent.

    ``reference`` and ``mask``: (D, H, W), one object. None, undefined, where the reference is empty.
    """
    wanted = np.count_nonzero(reference)
    return 100 * (np.count_nonzero(mask) - wanted) / wanted if wanted else None


@hookimpl
def usframe_register_metrics(register: Register) -> None:
    register("volume_difference", volume_difference)
