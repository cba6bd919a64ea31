"""Masks made tidier after the network, by the steps that a request names."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from usframe.arrays import values_of
from usframe.errors import CaseError, UsframeError
from usframe.plugins.registry import blame
from usframe.types import Postprocessing, Spacing


def clean_mask(
    mask: NDArray[np.uint8], steps: Mapping[str, Postprocessing], spacing_mm: Spacing | None
) -> NDArray[np.uint8]:
    """``mask`` (D, H, W; 0 is background) after each of ``steps`` (name -> step) in turn.

    ``spacing_mm``: (3,) along D, H, W, or None. Raises `CaseError` for a step that fails, or answers otherwise.
    """
    for name, step in steps.items():
        try:
            cleaned = step(mask.copy(), spacing_mm=spacing_mm)
        except UsframeError:
            raise
        except Exception as error:
            raise CaseError(f"postprocessing {name} failed: {blame(error)}") from error
        if not isinstance(cleaned, np.ndarray) or (cleaned.shape, cleaned.dtype) != (mask.shape, mask.dtype):
            got = f"{cleaned.dtype} {cleaned.shape}" if isinstance(cleaned, np.ndarray) else type(cleaned).__name__
            raise CaseError(f"postprocessing {name} returned {got}, not uint8 {mask.shape}")
        if extra := sorted({*values_of(cleaned)} - {*values_of(mask), 0}):
            raise CaseError(f"postprocessing {name} made up object {extra[0]}, which the mask did not have")
        mask = cleaned
    return mask
