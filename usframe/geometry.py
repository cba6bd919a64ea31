"""Between a slice and the network's square input: size, and pixel <-> model coordinates.

Pixel centres are whole numbers, so a point ``x`` of a slice ``W`` pixels wide lies at ``(x + 0.5) * S / W - 0.5``
in a network input of side ``S``; that is where `cv2.resize` puts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from usframe.types import Prompt

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)


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
    return (to_side(slices, side)[:, None] - IMAGENET_MEAN[:, None, None]) / IMAGENET_STD[:, None, None]


def to_side(slices: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Slices (B, H, W) in 0-1 as (B, side, side)."""
    return np.stack([resize_slice(image, side, side) for image in slices])


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


def points_from_model(points: NDArray[np.float32], shape: tuple[int, int], side: int) -> NDArray[np.float32]:
    """Points (N, 2) xy of a ``side`` x ``side`` network input, on the slice (H, W) that it was made of."""
    scale = side / np.array([shape[1], shape[0]], np.float32)
    last = np.array([shape[1] - 1, shape[0] - 1], np.float32)
    return np.clip((points + 0.5) / scale - 0.5, 0, last).astype(np.float32)


def from_model(logits: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Decoder logits (N, s, s) on the original slice, (N, H, W), interpolated before any threshold."""
    height, width = shape
    size = (width, height)
    return np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in logits])


def label_slice(logits: NDArray[np.float32], ids: Sequence[int]) -> NDArray[np.uint8]:
    """(H, W): on every pixel the one of ``ids`` whose logit (N, H, W) is largest, 0 where none is above 0."""
    label, largest = np.zeros(logits.shape[1:], np.uint8), np.zeros(logits.shape[1:], np.float32)
    for plane, one in zip(logits, ids, strict=True):
        np.copyto(label, np.uint8(one), where=plane > largest)
        np.maximum(largest, plane, out=largest)
    return label
