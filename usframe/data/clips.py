"""What is trained on: a few slices in a row, or one, with their labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Clip:
    """``images``: (T, H, W) float32 in 0-1. ``labels``: (T, H, W) uint8, 0 is background. ``origin``: for messages.

    ``view``: a number of this picture; the same number is the same picture, augmented alike. ``absent``: nothing of
    ``labels`` is on the images; they are those of a slice near by, at which prompts point in vain.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.uint8]
    origin: str
    view: int
    absent: bool = False


Source: TypeAlias = Callable[[int], Clip]
