"""Echogenicity patterns inside tissue, coarser than speckle.

A texture is a pair of small Gaussian random tiles; slice z shows cos(pace z) A + sin(pace z) B, which keeps
the statistics and changes smoothly, then passes through a pointwise curve that makes grain, streaks or
honeycomb of it (thresholded Gaussian fields, Cahn 1965).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Curve = Literal["grain", "streaks", "honeycomb"]

_SIDE = 96
_BLUR = 1.3


@dataclass(frozen=True)
class Texture:
    """Pattern in dB about 0. `grain`: symmetric; `streaks`: sparse bright; `honeycomb`: bright with holes."""

    tiles: tuple[Array, Array]
    curve: Curve
    contrast: float
    size: tuple[float, float]
    turn: float
    pace: float

    def sample(self, x: Array, y: Array, z: float) -> Array:
        """Values at the (rows, columns) points x, y in picture heights, slice position z."""
        tile = self.tiles[0] * np.float32(np.cos(self.pace * z))
        tile += self.tiles[1] * np.float32(np.sin(self.pace * z))
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        u, v = np.float32(_BLUR / self.size[0]), np.float32(_BLUR / self.size[1])
        half = np.float32(_SIDE / 2)
        columns = x * np.float32(cos * u) + y * np.float32(sin * u) + half
        rows = y * np.float32(cos * v) - x * np.float32(sin * v) + half
        pattern = cv2.remap(self._bend(tile), columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(pattern, np.float32)

    def _bend(self, tile: Array) -> Array:
        if self.curve == "grain":
            bent = tile
        elif self.curve == "streaks":
            bent = np.maximum(tile - 0.9, 0) * 1.6 - 0.15
        else:
            bent = np.tanh((tile - 0.2) * 3) * 0.9
        result: Array = np.asarray(bent, np.float32) * np.float32(self.contrast)
        return result


def draw_texture(
    rng: np.random.Generator,
    curve: Curve,
    contrast: float,
    size: float,
    *,
    stretch: float = 1.0,
    turn: float = 0.0,
) -> Texture:
    """A texture of `contrast` dB, its features `size` picture heights, `stretch` times that along `turn`."""
    noise = rng.standard_normal((2, _SIDE, _SIDE), dtype=np.float32)
    gain = np.float32(2 * np.sqrt(np.pi) * _BLUR)
    first, second = (cv2.GaussianBlur(tile, (0, 0), _BLUR) * gain for tile in noise)
    tiles = np.asarray(first, np.float32), np.asarray(second, np.float32)
    pace = float(rng.uniform(0.15, 0.5) / max(size, 0.015))
    return Texture(tiles, curve, contrast, (size * stretch, size), turn, min(pace, 12.0))
