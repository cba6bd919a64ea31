"""Anatomy that moves while it is filmed: heart beat, breathing, a probe that drifts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .draws import Frames, Masks, between, check_limit, within
from .geometry import warp


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

    def places(self, height: int, width: int) -> Iterator[tuple[Frames, Frames]]:
        """For each frame the columns and rows (H, W) that it is taken from, in pixels."""
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        bend = cv2.resize(self.field, (width, height), interpolation=cv2.INTER_CUBIC) * min(height, width)
        across, down = x - width / 2, y - height / 2
        for phase in self.phase:
            turn, factor = np.deg2rad(self.turn * phase), np.exp(self.scale * phase)
            cos, sin = np.float32(np.cos(turn) * factor), np.float32(np.sin(turn) * factor)
            columns = cos * across - sin * down + np.float32(width / 2 + self.shift[0] * phase * width)
            rows = sin * across + cos * down + np.float32(height / 2 + self.shift[1] * phase * height)
            yield columns + phase * bend[..., 0], rows + phase * bend[..., 1]


def motion(
    frames: Frames,
    masks: Masks,
    *,
    rng: np.random.Generator,
    shift: float = 0.06,
    size: float = 0.16,
    degrees: float = 8.0,
    bend: float = 0.03,
) -> tuple[Frames, Masks]:
    """A smooth deformation whose amount follows a cycle over the clip, as a heart beats or a hand moves.

    At most ``shift`` of each side, ``size`` as a logarithm, ``degrees``, and a smooth field with a standard
    deviation of ``bend`` of the shorter side. A single slice stays as it is.
    """
    for name, limit in (("shift", shift), ("bend", bend)):
        check_limit(name, limit)
    grid = rng.standard_normal((7, 7, 2)).astype(np.float32)
    # Smoothing leaves about a quarter of the deviation.
    field = cv2.GaussianBlur(grid, (0, 0), 1.0) * between(rng, 0, 4 * bend)
    cycle = rng.uniform(0, 2 * np.pi) + np.linspace(0, rng.uniform(0.5, 2.0) * np.pi, len(frames))
    drawn = Motion(
        np.cos(cycle).astype(np.float32) if len(frames) > 1 else np.zeros(1, np.float32),
        rng.uniform(-shift, shift, 2).astype(np.float32),
        within(rng, "size", size),
        within(rng, "degrees", degrees),
        np.asarray(field, np.float32),
    )
    return warp(frames, masks, drawn.places(*frames.shape[1:]))
