"""Between a slice and the network's square input: intensity, size, and pixel <-> model coordinates.

Pixel centres are whole numbers, so a point ``x`` of a slice ``W`` pixels wide lies at ``(x + 0.5) * S / W - 0.5``
in a network input of side ``S``; that is where `cv2.resize` puts it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from usframe.errors import CaseError
from usframe.types import Prompt

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)
DARK = 0.1


def normalise_intensity(data: NDArray[Any], mode: str = "auto") -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Map a volume (D, H, W) to float32 in 0-1, with one note for everything that was decided or repaired.

    ``auto`` divides 8-bit grey by 255 (uint8, or whole numbers of another type whose brightest is 128 to 255),
    leaves data already within 0-1 alone, and otherwise does ``percentile``.
    ``none`` demands uint8 or 0-1. ``minmax`` stretches the extremes, ``percentile`` the 0.5th to the 99.5th, of
    the whole volume. NaN and infinite voxels become 0 (black). Raises `CaseError` for a volume of no finite
    value, or for values beyond 0-1 with ``none``.
    """
    notes: list[str] = []
    with np.errstate(over="ignore"):  # they are infinite then
        values = data.astype(np.float32)
    finite = np.isfinite(values)
    if not finite.any():
        raise CaseError("the volume has no finite value")
    if broken := int(finite.size - finite.sum()):
        notes.append(f"{broken} NaN or infinite voxels were set to black")
    known = values[finite] if broken else values
    black, white = low, high = float(known.min()), float(known.max())
    if mode in ("auto", "none") and data.dtype == np.uint8:
        black, white = 0.0, 255.0
    elif mode in ("auto", "none") and low >= 0 and high <= 1:
        black, white = 0.0, 1.0
    elif mode == "none":
        raise CaseError(f"values run from {low:g} to {high:g}, but intensity=none expects 0-1; use intensity=auto")
    elif mode == "auto" and _is_8_bit(known, low, high):
        black, white = 0.0, 255.0
        notes.append(f"whole numbers up to 255 stored as {data.dtype} were read as 8-bit grey")
    elif mode != "minmax":
        lower, upper = (float(limit) for limit in np.percentile(known, (0.5, 99.5)))
        black, white = (lower, upper) if upper > lower else (low, high)
        if mode == "auto":
            limits = f"from {black:g} to {white:g} (0.5th to 99.5th percentile)"
            notes.append(f"intensities {limits} were mapped to 0-1")
    if low == high:
        notes.append("all voxels have the same value")
    elif high - black < DARK * (white - black):
        notes.append(f"all voxels are below {DARK:.0%} of white: labels instead of a volume? Else intensity=minmax")
    values -= np.float32(black)
    values /= np.float32(white - black or 1.0)
    values[~finite] = 0
    return np.clip(values, 0, 1, out=values), tuple(notes)


def _is_8_bit(values: NDArray[np.float32], low: float, high: float) -> bool:
    """Whether these are grey values 0 to 255 that merely went through a wider type."""
    return low >= 0 and 128 <= high <= 255 and bool((values == np.rint(values)).all())


def resize_slice(image: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Resize (H, W) to (height, width): area-averaged along an axis that shrinks, linear along one that grows."""
    resized: Any = image
    for size in ((width, image.shape[0]), (width, height)):
        shrinks = size[0] < resized.shape[1] or size[1] < resized.shape[0]
        resized = cv2.resize(resized, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized


def resize_mask(mask: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """Nearest-neighbour resize of (H, W) to (side, side); an object too small to be hit keeps one pixel."""
    small = cv2.resize(mask.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST_EXACT) > 0
    if mask.any() and not small.any():
        rows, columns = np.nonzero(mask)
        middle = len(rows) // 2
        small[rows[middle] * side // mask.shape[0], columns[middle] * side // mask.shape[1]] = True
    return small


def to_network(slices: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Slices (B, H, W) in 0-1 as the network sees them: (B, 3, side, side), ImageNet mean and deviation."""
    grey = np.stack([resize_slice(image, side, side) for image in slices])
    return (grey[:, None] - IMAGENET_MEAN[:, None, None]) / IMAGENET_STD[:, None, None]


def to_model(prompt: Prompt, shape: tuple[int, int], side: int) -> Prompt:
    """The same prompt in pixels of a ``side`` x ``side`` network input; ``shape`` is the slice's (H, W)."""
    scale = side / np.array([shape[1], shape[0]], np.float32)

    def move(xy: NDArray[Any]) -> NDArray[np.float32]:
        return ((xy.reshape(-1, 2) + 0.5) * scale - 0.5).astype(np.float32).reshape(xy.shape)

    return replace(
        prompt,
        points=None if prompt.points is None else move(prompt.points),
        box=None if prompt.box is None else move(prompt.box),
        mask=None if prompt.mask is None else resize_mask(prompt.mask, side),
    )


def from_model(logits: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Decoder logits (N, s, s) on the original slice, (N, H, W), interpolated before any threshold."""
    height, width = shape
    size = (width, height)
    return np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in logits])
