"""Augmentations in a row, each with its probability, and what a plugin returned checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usframe.errors import CaseError
from usframe.plugins.registry import blame
from usframe.types import Augmentation


class Augment:
    """Applies ``{name: (augmentation, probability)}`` in the order given, each at its rate."""

    def __init__(self, augmentations: Mapping[str, tuple[Augmentation, float]]) -> None:
        self.augmentations = dict(augmentations)

    def __call__(
        self, frames: NDArray[np.float32], masks: NDArray[np.bool_], /, *, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Frames (T, H, W) in 0-1 and masks (T, O, H, W), changed; the arguments stay as they are.

        Raises `CaseError` for an unusable answer.
        """
        for name, (augment, probability) in self.augmentations.items():
            own = np.random.default_rng(rng.integers(2**63))
            if rng.random() >= probability:
                continue
            try:
                answer: Any = augment(frames.copy(), masks.copy(), rng=own)
                changed, moved = answer
            except Exception as error:
                raise CaseError(f"augmentation {name} failed: {blame(error)}") from error
            frames, masks = _checked(name, "frames", changed, frames), _checked(name, "masks", moved, masks)
            if not (np.isfinite(frames).all() and frames.min(initial=0) >= 0 and frames.max(initial=1) <= 1):
                raise CaseError(f"augmentation {name} returned frames beyond 0-1")
        return frames, masks


def _checked(name: str, what: str, after: Any, before: NDArray[Any]) -> NDArray[Any]:
    """The answer, where it has the shape and dtype of what it was made from; frames of float64 become float32."""
    if isinstance(after, np.ndarray) and after.dtype.kind == before.dtype.kind and after.shape == before.shape:
        return after.astype(before.dtype, copy=False)
    got = f"{after.dtype} {after.shape}" if isinstance(after, np.ndarray) else type(after).__name__
    raise CaseError(f"augmentation {name} returned {got} for {what}, not {before.dtype} {before.shape}")
