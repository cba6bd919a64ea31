"""How a volume is measured: its voxel size, whether distances are taken within each frame, what a voxel holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import is_dataclass, replace
from typing import Any

import numpy as np

from usframe.types import Volume

UNKNOWN = "the voxel size is unknown"
PLACEHOLDER = "a third spacing of exactly 1 in a header without position or orientation looks like a placeholder"
ASSUMED = "{}: the third axis was taken as time and distances are measured per frame; axis=space measures in 3D"


def measured(volume: Volume, axis: str, given: Sequence[float]) -> tuple[Volume, bool, str, tuple[str, ...]]:
    """``volume`` with the voxel size ``given`` (x, y, z) in mm, where its file tells none or has a placeholder.

    After it, `is_per_frame` with its note, and notes on what became of ``given``.
    """
    spacing = volume.spacing_mm
    if not given:
        return volume, *is_per_frame(volume, axis), ()
    told = "spacing=[" + ", ".join(f"{mm:g}" for mm in given) + "]"
    d, h, w = (float(mm) for mm in reversed(given))
    if spacing is None or (not (volume.time or volume.flat) and looks_like_placeholder(volume)):
        grid: Any = volume.grid
        if is_dataclass(grid) and not isinstance(grid, type):
            grid = replace(grid, affine=None, spacing_mm=(d, h, w))
        sized = replace(volume, spacing_mm=(d, h, w), grid=grid)
        per_frame, _ = is_per_frame(sized, "space" if axis == "auto" and not volume.time else axis)
        why = "tells no voxel size" if spacing is None else "has a placeholder for its voxel size"
        return sized, per_frame, "", (f"the file {why}: {told} was taken, in mm",)
    first = 1 if volume.time or volume.flat else 0
    notes: tuple[str, ...] = ()
    if not np.allclose((d, h, w)[first:], spacing[first:], rtol=0.01):
        size = " x ".join(f"{mm:.4g}" for mm in reversed(spacing))
        notes = (f"the file tells its voxel size, {size} mm, which was kept: {told} is for files that tell none",)
    return volume, *is_per_frame(volume, axis), notes


def is_per_frame(volume: Volume, axis: str = "auto") -> tuple[bool, str]:
    """Whether D counts frames, and a note where that had to be assumed, else "".

    ``axis``: ``space`` or ``time`` say so; ``auto`` believes the header, and takes an unknown spacing and a
    `looks_like_placeholder` for time. A single slice is never a clip.
    """
    if len(volume.data) == 1 or axis == "space":
        return False, ""
    if axis == "time" or volume.time:
        return True, ""
    if volume.spacing_mm is None:
        return True, ASSUMED.format(UNKNOWN)
    if looks_like_placeholder(volume):
        return True, ASSUMED.format(PLACEHOLDER)
    return False, ""


def looks_like_placeholder(volume: Volume) -> bool:
    """Whether D has the spacing 1 because nobody knew one.

    That is so where it is 1 to the bit, the pixels are smaller than 1 (or everything is 1), and the header says
    nothing more: no origin, no rotation, the third axis along z. A volume from a scanner has a place in space.
    """
    assert volume.spacing_mm is not None
    d, *pixel = volume.spacing_mm
    if d != 1 or not (all(size < 1 for size in pixel) or pixel == [1, 1]):
        return False
    affine = None if volume.grid is None else volume.grid.affine
    if affine is None:
        return True
    h, w = pixel
    plain = np.array([[0, 0, w], [0, h, 0], [1, 0, 0]])
    signs = ((1, 1), (-1, -1))  # NIfTI's identity, and that of ITK, whose x and y run the other way
    unturned = any(np.allclose(affine[:3, :3], plain * [[x], [y], [1]], atol=1e-6) for x, y in signs)
    return unturned and not affine[:3, 3].any()


def voxel_ml(volume: Volume) -> float | None:
    """The volume of a voxel, also where axes are not at right angles; None where it has or tells none."""
    if volume.spacing_mm is None or volume.time or volume.flat:
        return None
    box = float(np.prod(volume.spacing_mm))
    affine = None if volume.grid is None else volume.grid.affine
    sheared = box if affine is None else abs(float(np.linalg.det(affine[:3, :3])))
    return (box if abs(sheared - box) < 1e-3 * box else sheared) / 1000
