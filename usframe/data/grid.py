"""Grids for volumes whose reader says no more than the spacing, or nothing that others can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from usframe.types import Spacing


@dataclass(frozen=True)
class PlainGrid:
    """The grid of a volume made in memory: only its spacing (3,) in mm along D, H, W, if that."""

    spacing_mm: Spacing | None
    affine: None = None


@dataclass(frozen=True, eq=False)
class OpaqueGrid:
    """What a reader keeps of its files that is no `usframe.types.Grid`: only ``reader`` gets ``native`` back."""

    reader: str
    native: Any
    spacing_mm: Spacing | None
    affine: None = None
