"""What speaks for an answer where nobody has labels to hold against it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Quality:
    """Of the objects of an answer on every slice; all (O, D) float32, NaN where there is nothing to tell.

    ``presence``: logit that the object is on the slice. ``agreement``: Dice between two ways to the same mask, the
    two directions of a walk or the image and the shape. ``error``: 1 - Dice as it is expected.
    """

    presence: NDArray[np.float32]
    agreement: NDArray[np.float32]
    error: NDArray[np.float32]
