"""Bright echoes come back deeper, at even distances and weaker each time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from usframe import hookimpl
from usframe.hookspecs import Register


def reverberation(
    frames: NDArray[np.float32],
    masks: NDArray[np.bool_],
    *,
    rng: np.random.Generator,
    strength: float = 0.4,
    echoes: int = 3,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Bright echoes come back deeper, at even distances and weaker each time.

    ``frames``: (T, H, W) from 0 to 1, with the probe at the top. ``masks``: (T, O, H, W), one row per object.
    ``strength``: of the first echo at most, as a share of what it is one of; ``echoes``: how many there are.
    """
    height = frames.shape[1]
    distance = max(1, round(height * rng.uniform(0.1, 0.3)))
    weakened = rng.uniform(0, strength)
    bright = np.clip(frames - 0.5, 0, None)  # a reflector, and not the speckle around it
    heard = frames.copy()
    for nth in range(1, echoes + 1):
        depth = nth * distance
        if depth < height:
            heard[:, depth:] += weakened**nth * bright[:, : height - depth]
    return np.clip(heard, 0, 1).astype(np.float32), masks


@hookimpl
def usframe_register_augmentations(register: Register) -> None:
    register("reverberation", reverberation)
