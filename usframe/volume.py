"""A volume as readers return it: its voxels, and where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Spacing: TypeAlias = tuple[float, float, float]
Role: TypeAlias = Literal["volume", "labels", "mask"]


@runtime_checkable
class Grid(Protocol):
    """Where the voxels of a volume lie. Every writer gets one, whichever reader (or none) made it.

    ``affine``: (4, 4), takes (d, h, w, 1) to millimetres with x to the right, y to the front and z up (RAS, as in
    NIfTI); None where the source does not say. ``spacing_mm``: (3,) along D, H, W in mm, or None.
    What else a reader keeps in its grids (a header, the stored order of axes) only this reader looks at.
    """

    @property
    def affine(self) -> NDArray[np.float64] | None: ...

    @property
    def spacing_mm(self) -> Spacing | None: ...


@dataclass(frozen=True, eq=False)
class Volume:
    """A volume, a clip, or a single picture (D = 1).

    ``data``: (D, H, W), slice axis first, any real dtype.
    ``spacing_mm``: (3,) distance between neighbours along D, H, W in mm; None where the file does not say.
    ``grid``: where the voxels lie, as its reader keeps it; None for arrays made in memory.
    ``notes``: what the reader assumed or repaired, one sentence each, shown to the user. ``time``: the header says
    that D counts frames, so its spacing is none. ``flat``: the file has two axes, so D has no thickness.
    ``cropped``: the file holds only the part of its grid that shows an object. ``names``: of objects, by value.
    ``frames``: what the file of each slice is called, without its suffix, where every slice is one. ``known``: (D,)
    bool, of labels, the slices that they tell about; None for all.
    """

    data: NDArray[Any]
    spacing_mm: Spacing | None = None
    grid: Grid | None = None
    notes: tuple[str, ...] = ()
    time: bool = False
    flat: bool = False
    cropped: bool = False
    names: Mapping[int, str] = field(default_factory=dict)
    frames: tuple[str, ...] = ()
    known: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.data.ndim != 3:
            raise ValueError(f"Volume.data must have three axes (D, H, W), not shape {self.data.shape}")
