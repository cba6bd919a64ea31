"""Anatomy that moves while it is filmed: heart beat, breathing, a probe that drifts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Motion:
    """A deformation that grows and shrinks: ``phase`` (T,) is how much of it each frame shows, -1 to 1.

    ``shift`` in shares of (W, H), ``scale`` as a logarithm, ``turn`` in degrees; ``field``: (h, w, 2)
    displacement in shares of the side on a coarse grid.
    """

    phase: NDArray[np.float32]
    shift: NDArray[np.float32]
    scale: float
    turn: float
    field: NDArray[np.float32]

    def __call__(
        self, frames: NDArray[np.float32], masks: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """Frames (T, H, W) and masks (T, O, H, W), each frame deformed by its phase."""
        height, width = frames.shape[1:]
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        bend = cv2.resize(self.field, (width, height), interpolation=cv2.INTER_CUBIC) * min(height, width)
        moved, followed = np.empty_like(frames), np.empty_like(masks)
        for frame, phase in enumerate(self.phase):
            turn, factor = np.deg2rad(self.turn * phase), np.exp(self.scale * phase)
            across, down = x - width / 2, y - height / 2
            cos, sin = np.float32(np.cos(turn) * factor), np.float32(np.sin(turn) * factor)
            columns = cos * across - sin * down + np.float32(width / 2 + self.shift[0] * phase * width)
            rows = sin * across + cos * down + np.float32(height / 2 + self.shift[1] * phase * height)
            columns, rows = columns + phase * bend[..., 0], rows + phase * bend[..., 1]
            moved[frame] = cv2.remap(frames[frame], columns, rows, cv2.INTER_LINEAR)
            for row, mask in enumerate(masks[frame]):
                followed[frame, row] = cv2.remap(mask.astype(np.uint8), columns, rows, cv2.INTER_NEAREST)
        return moved, followed


def draw_motion(rng: np.random.Generator, frames: int) -> Motion:
    """A random motion: up to 6 % of shift, 16 % of size, 8 degrees, and a smooth field of about 4 % of the side."""
    grid = rng.standard_normal((7, 7, 2)).astype(np.float32)
    field = cv2.GaussianBlur(grid, (0, 0), 1.0) * rng.uniform(0, 0.12)
    cycle = rng.uniform(0, 2 * np.pi) + np.linspace(0, rng.uniform(0.5, 2.0) * np.pi, frames)
    phase = np.cos(cycle).astype(np.float32) if frames > 1 else np.zeros(1, np.float32)
    return Motion(
        phase,
        rng.uniform(-0.06, 0.06, 2).astype(np.float32),
        float(rng.uniform(-0.16, 0.16)),
        float(rng.uniform(-8, 8)),
        np.asarray(field, np.float32),
    )


def motion(
    frames: NDArray[np.float32], masks: NDArray[Any], *, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """A smooth deformation whose amount follows a cycle over the clip; a single slice stays as it is."""
    return draw_motion(rng, len(frames))(frames, masks)
