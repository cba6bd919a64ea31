"""What the augmentations share: the arrays of a clip, and numbers drawn within the limits that a user gives."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Frames: TypeAlias = NDArray[np.float32]
Masks: TypeAlias = NDArray[Any]


def between(rng: np.random.Generator, least: float, most: float) -> float:
    """A number drawn evenly. Raises `ValueError` where ``least`` is above ``most``."""
    if least > most:
        raise ValueError(f"least={least:g} is above most={most:g}; exchange them")
    return rng.uniform(least, most)


def within(rng: np.random.Generator, name: str, limit: float) -> float:
    """A number drawn evenly from -``limit`` to it. Raises `ValueError`, with its ``name``, where it is below 0."""
    check_limit(name, limit)
    return rng.uniform(-limit, limit)


def check_limit(name: str, limit: float) -> None:
    """Raise `ValueError` for a limit below 0."""
    if limit < 0:
        raise ValueError(f"{name}={limit:g} is below 0; give how far it may go, without a sign")


def clipped(frames: NDArray[Any]) -> Frames:
    """Grey values within 0-1, as float32."""
    return np.asarray(np.clip(frames, 0, 1), np.float32)
