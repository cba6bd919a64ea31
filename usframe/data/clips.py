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

    ``asked``: the labels that prompts are drawn from, (T, H, W); others than ``labels`` where a prompt is to point
    at what is not there. ``view``: a number of this picture; the same number is the same picture, augmented alike.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.uint8]
    asked: NDArray[np.uint8]
    origin: str
    view: int


Source: TypeAlias = Callable[[int], Clip]
