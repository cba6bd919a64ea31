"""Where things are: the same draw for all frames of a clip and their masks; what comes in from outside is black."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat

import cv2
import numpy as np

from .draws import Frames, Masks, between, within


def warp(frames: Frames, masks: Masks, places: Iterable[tuple[Frames, Frames]]) -> tuple[Frames, Masks]:
    """Frames (T, H, W) and masks (T, O, H, W), taken for each frame from (columns, rows), both (H, W) in pixels."""
    moved, followed = np.empty_like(frames), np.empty_like(masks)
    for frame, (picture, (columns, rows)) in enumerate(zip(frames, places, strict=False)):
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
    return warp(frames, masks, repeat((columns, rows)))


def rotate(
    frames: Frames, masks: Masks, *, rng: np.random.Generator, degrees: float = 15.0
) -> tuple[Frames, Masks]:
    """Turned about the middle by up to ``degrees``."""
    return affine(frames, masks, degrees=within(rng, "degrees", degrees))


def scale(
    frames: Frames, masks: Masks, *, rng: np.random.Generator, least: float = 0.8, most: float = 1.2
) -> tuple[Frames, Masks]:
    """Enlarged or shrunk ``least`` to ``most`` times, on a logarithmic scale."""
    if min(least, most) <= 0:
        raise ValueError(f"least={least:g} and most={most:g}: a picture is scaled by factors above 0")
    return affine(frames, masks, factor=float(np.exp(between(rng, np.log(least), np.log(most)))))


def translate(
    frames: Frames, masks: Masks, *, rng: np.random.Generator, share: float = 0.1
) -> tuple[Frames, Masks]:
    """Moved by up to this share of each side."""
    return affine(frames, masks, shift=(within(rng, "share", share), within(rng, "share", share)))


def flip(frames: Frames, masks: Masks, *, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Left and right exchanged; never up and down, because depth has a direction."""
    return np.ascontiguousarray(frames[..., ::-1]), np.ascontiguousarray(masks[..., ::-1])


def elastic(
    frames: Frames, masks: Masks, *, rng: np.random.Generator, least: float = 0.01, most: float = 0.05
) -> tuple[Frames, Masks]:
    """Bent by a smooth random field, whose standard deviation is a share of the shorter side.

    Simard et al., ICDAR 2003.
    """
    height, width = frames.shape[1:]
    grid = rng.standard_normal((9, 9, 2)).astype(np.float32)
    # Smoothing leaves about a quarter of the deviation.
    grid = cv2.GaussianBlur(grid, (0, 0), 1.2) * (4 * between(rng, least, most) * min(height, width))
    field = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return warp(frames, masks, repeat((x + field[..., 0], y + field[..., 1])))
