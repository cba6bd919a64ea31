"""Grids for volumes whose reader says no more than the spacing, or nothing that others can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usframe.types import Spacing


@dataclass(frozen=True)
class PlainGrid:
    """The grid of a volume made in memory: only its spacing (3,) in mm along D, H, W, if that."""

    spacing_mm: Spacing | None
    affine: None = None


@dataclass(frozen=True, eq=False)
class PlacedGrid:
    """A grid that no file has: its ``affine`` (4, 4), (d, h, w, 1) to mm, and its spacing."""

    affine: NDArray[np.float64]
    spacing_mm: Spacing | None


@dataclass(frozen=True, eq=False)
class OpaqueGrid:
    """What a reader keeps of its files that is no `usframe.types.Grid`: only ``reader`` gets ``native`` back."""

    reader: str
    native: Any
    spacing_mm: Spacing | None
    affine: None = None
