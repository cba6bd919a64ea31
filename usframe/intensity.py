"""From stored intensities to grey in 0-1, slice by slice: a volume is never held as float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from usframe.arrays import blocks
from usframe.errors import CaseError

DARK = 0.1
PERCENT = (0.5, 99.5)
Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Grey:
    """A volume ``stored`` as (D, H, W) whose slices are float32 in 0-1: ``grey[frame]`` (H, W), ``grey[2:5]``.

    ``black`` becomes 0, ``white`` 1, and what is beyond them too; NaN and infinite voxels are black.
    """

    stored: NDArray[Any]
    black: float
    white: float
    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.stored.shape

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, frames: Any) -> Float:
        values = _float32(self.stored[frames])
        finite = np.isfinite(values)
        values -= np.float32(self.black)
        values /= np.float32(self.white - self.black or 1.0)
        values[~finite] = 0
        return np.clip(values, 0, 1, out=values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or np.float32, copy=False)


Slices: TypeAlias = "Float | Grey"  # (D, H, W) float32 in 0-1, by number or several at once


def normalise_intensity(data: NDArray[Any], mode: str = "auto") -> tuple[Grey, tuple[str, ...]]:
    """A volume (D, H, W) as `Grey`, with one note for everything that was decided or repaired.

    ``auto`` divides 8-bit grey by 255 (uint8, or whole numbers of another type whose brightest is 128 to 255),
    leaves data already within 0-1 alone, and otherwise does ``percentile``.
    ``none`` demands uint8 or 0-1. ``minmax`` stretches the extremes, ``percentile`` the 0.5th to the 99.5th, of
    the whole volume. NaN and infinite voxels become 0 (black). Raises `CaseError` for a volume of no finite
    value, or for values beyond 0-1 with ``none``.
    """
    notes: list[str] = []
    count, low, high = _range(data)
    if not count:
        raise CaseError("the volume has no finite value")
    if broken := data.size - count:
        notes.append(f"{broken} NaN or infinite voxels were set to black")
    black, white = low, high
    if mode in ("auto", "none") and data.dtype == np.uint8:
        black, white = 0.0, 255.0
    elif mode in ("auto", "none") and low >= 0 and high <= 1:
        black, white = 0.0, 1.0
    elif mode == "none":
        raise CaseError(f"values run from {low:g} to {high:g}, but intensity=none expects 0-1; use intensity=auto")
    elif mode == "auto" and _is_8_bit(data, low, high):
        black, white = 0.0, 255.0
        notes.append(f"whole numbers up to 255 stored as {data.dtype} were read as 8-bit grey")
    elif mode != "minmax":
        lower, upper = percentiles(data, count)
        black, white = (lower, upper) if upper > lower else (low, high)
        if mode == "auto":
            limits = f"from {black:g} to {white:g} (0.5th to 99.5th percentile)"
            notes.append(f"intensities {limits} were mapped to 0-1")
    if low == high:
        notes.append("all voxels have the same value")
    elif high - black < DARK * (white - black):
        notes.append(f"all voxels are below {DARK:.0%} of white: labels instead of a volume? Else intensity=minmax")
    return Grey(data, black, white), tuple(notes)


def _float32(values: NDArray[Any]) -> Float:
    """A copy in float32; what is beyond its range is infinite."""
    with np.errstate(over="ignore"):
        return np.array(values, np.float32)


def _finite(data: NDArray[Any]) -> Iterator[Float]:
    """The finite values (N,) of ``data`` as float32, block by block."""
    for part in blocks(data.shape):
        values = _float32(data[part]).ravel()
        finite = np.isfinite(values)
        yield values if finite.all() else values[finite]


def _range(data: NDArray[Any]) -> tuple[int, float, float]:
    """How many values are finite, the lowest and the highest of them."""
    if data.dtype.kind != "f":
        return data.size, float(np.float32(data.min())), float(np.float32(data.max()))
    count, low, high = 0, np.inf, -np.inf
    for values in _finite(data):
        if len(values):
            count += len(values)
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    return count, low, high


def _is_8_bit(data: NDArray[Any], low: float, high: float) -> bool:
    """Whether these are grey values 0 to 255 that merely went through a wider type."""
    if not (low >= 0 and 128 <= high <= 255):
        return False
    return data.dtype.kind != "f" or all((values == np.rint(values)).all() for values in _finite(data))


def percentiles(data: NDArray[Any], count: int) -> tuple[float, float]:
    """The 0.5th and the 99.5th percentile of the ``count`` finite values, as `numpy.percentile` has them.

    Values are counted by the upper half of their bits, and where a wanted one lies, by the lower half, so that
    nothing is sorted.
    """
    places = np.array(PERCENT) / 100 * (count - 1)
    before = np.floor(places).astype(np.int64)
    ranks = np.concatenate([before, np.minimum(before + 1, count - 1)])
    upper = np.zeros(2**16, np.int64)
    for bits in _ordered(data):
        upper += np.bincount(bits >> 16, minlength=2**16)
    ends = np.cumsum(upper)
    bins = np.searchsorted(ends, ranks, side="right")
    lower = {int(one): np.zeros(2**16, np.int64) for one in bins}
    for bits in _ordered(data):
        for one, counts in lower.items():
            counts += np.bincount(bits[bits >> 16 == one] & 0xFFFF, minlength=2**16)
    inside = ranks - (ends[bins] - upper[bins])
    found = [
        (int(one) << 16) | int(np.searchsorted(np.cumsum(lower[int(one)]), rank, side="right"))
        for one, rank in zip(bins, inside, strict=True)
    ]
    values = _unordered(np.array(found, np.uint32)).reshape(2, -1)
    low, high = (
        float(np.quantile(values[:, n], np.array([place - first]))[0])
        for n, (place, first) in enumerate(zip(places, before, strict=True))
    )
    return low, high


SIGN = np.uint32(1 << 31)


def _ordered(data: NDArray[Any]) -> Iterator[NDArray[np.uint32]]:
    """The bits of the finite values, changed so that they are in the order of the values."""
    for values in _finite(data):
        bits = values.view(np.uint32)
        yield np.where(bits & SIGN, ~bits, bits | SIGN)


def _unordered(bits: NDArray[np.uint32]) -> Float:
    return np.where(bits & SIGN, bits ^ SIGN, ~bits).astype(np.uint32).view(np.float32)
