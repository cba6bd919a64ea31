"""Where things are: the same draw for all frames of a clip and their masks; what comes in from outside is black."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float32]
Masks = NDArray[Any]


def warp(frames: Frames, masks: Masks, columns: Frames, rows: Frames) -> tuple[Frames, Masks]:
    """Frames (T, H, W) and masks (T, O, H, W) taken from ``columns`` and ``rows`` (H, W), in pixels."""
    moved, followed = np.empty_like(frames), np.empty_like(masks)
    for frame, picture in enumerate(frames):
        moved[frame] = cv2.remap(picture, columns, rows, cv2.INTER_LINEAR)
        for row, mask in enumerate(masks[frame]):
            followed[frame, row] = cv2.remap(mask.astype(np.uint8), columns, rows, cv2.INTER_NEAREST)
    return moved, followed


def affine(
    frames: Frames, masks: Masks, *, degrees: float = 0.0, factor: float = 1.0, shift: tuple[float, float] = (0, 0)
) -> tuple[Frames, Masks]:
    """Turned and enlarged about the middle, then moved by ``shift`` (x, y) in shares of the sides."""
    height, width = frames.shape[1:]
    middle = ((width - 1) / 2, (height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(middle, degrees, factor)
    matrix[:, 2] += np.array(shift) * (width, height)
    back = cv2.invertAffineTransform(matrix)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    columns, rows = (np.asarray(a * x + b * y + c, np.float32) for a, b, c in back)
    return warp(frames, masks, columns, rows)


def rotate(frames: Frames, masks: Masks, *, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Turned by up to 15 degrees."""
    return affine(frames, masks, degrees=rng.uniform(-15, 15))


def scale(frames: Frames, masks: Masks, *, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """0.8 to 1.2 times as large, on a logarithmic scale."""
    return affine(frames, masks, factor=float(np.exp(rng.uniform(np.log(0.8), np.log(1.2)))))


def translate(frames: Frames, masks: Masks, *, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Moved by up to a tenth of each side."""
    return affine(frames, masks, shift=(rng.uniform(-0.1, 0.1), rng.uniform(-0.1, 0.1)))


def flip(frames: Frames, masks: Masks, *, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Left and right exchanged; never up and down, because depth has a direction."""
    return np.ascontiguousarray(frames[..., ::-1]), np.ascontiguousarray(masks[..., ::-1])


def elastic(frames: Frames, masks: Masks, *, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Bent by a smooth random field of 1 to 5 % of the shorter side (Simard et al., ICDAR 2003)."""
    height, width = frames.shape[1:]
    grid = rng.standard_normal((9, 9, 2)).astype(np.float32)
    grid = cv2.GaussianBlur(grid, (0, 0), 1.2) * (rng.uniform(0.04, 0.2) * min(height, width))
    field = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return warp(frames, masks, x + field[..., 0], y + field[..., 1])
