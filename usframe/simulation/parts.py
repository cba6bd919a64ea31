"""Random building blocks shared by the scenes: backgrounds, rims, tissues, places."""

from __future__ import annotations

import numpy as np

from usframe.simulation.anatomy import Layers, Rim
from usframe.simulation.probe import Probe
from usframe.simulation.shapes import Array
from usframe.simulation.texture import Curve, Texture, draw_texture

Rng = np.random.Generator


def decibel(amplitude_db: float) -> float:
    """Amplitude of a level in dB."""
    return float(10 ** (amplitude_db / 20))


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """A number between `low` and `high`, uniform in its logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_warp(rng: Rng, most: float) -> tuple[Texture, Texture]:
    """A smooth displacement field of at most about `most` picture heights."""
    amount = rng.uniform(0, most) / 2
    size = rng.uniform(0.08, 0.25)
    return draw_texture(rng, "grain", amount, size), draw_texture(rng, "grain", amount, size)


def draw_textures(rng: Rng, coarse: float = 3.0, fine: float = 3.0) -> tuple[Texture, ...]:
    """Patchiness of ordinary tissue on two scales, with deviations up to `coarse` and `fine` dB."""
    turn, stretch = rng.normal(0, 0.4), log_uniform(rng, 1, 5)
    patches = draw_texture(rng, "grain", rng.uniform(0, coarse), rng.uniform(0.05, 0.2))
    curve: Curve = "streaks" if rng.random() < 0.3 else "grain"
    size = log_uniform(rng, 0.006, 0.03)
    return patches, draw_texture(rng, curve, rng.uniform(0, fine), size, stretch=stretch, turn=turn)


def draw_streaks(rng: Rng, contrast: float, turn: float = 0.0) -> Texture:
    """Bright fibres of muscle along `turn`."""
    size, stretch = log_uniform(rng, 0.003, 0.008), rng.uniform(4, 14)
    return draw_texture(rng, "streaks", contrast, size, stretch=stretch, turn=turn)


def draw_rim(rng: Rng, low_db: float, high_db: float, *, width: tuple[float, float] = (0.003, 0.015)) -> Rim:
    """A boundary reflecting `low_db` to `high_db` above ordinary tissue, with random gaps."""
    thick = log_uniform(rng, *width)
    return Rim(
        strength=decibel(rng.uniform(low_db, high_db)),
        width=thick,
        offset=thick * rng.uniform(-0.3, 1.0),
        focus=rng.uniform(0.3, 4),
        floor=rng.uniform(0, 0.6),
        gaps=draw_texture(rng, "grain", rng.uniform(0, 0.7), rng.uniform(0.03, 0.15)),
    )


def any_rim(rng: Rng) -> Rim | None:
    """No rim, a faint one or a bright one."""
    kind = rng.random()
    if kind < 0.4:
        return None
    return draw_rim(rng, -8, 6) if kind < 0.75 else draw_rim(rng, 6, 22)


def draw_layers(rng: Rng, count: int, contrast: float, bright: float, *, first: float = 0.02) -> Layers:
    """`count` layers over depth whose levels differ by `contrast` dB, with interfaces up to `bright` dB."""
    depth = np.linspace(-0.5, 1.5, 2048)
    edges = np.sort(np.append(rng.uniform(first, 0.9, count - 1), first))
    levels = rng.normal(0, contrast, count + 1)
    table = levels[np.searchsorted(edges, depth)]
    lines = np.zeros_like(depth)
    for edge in edges:
        for _ in range(rng.integers(1, 4)):
            width = log_uniform(rng, 0.002, 0.007)
            place = edge + rng.normal(0, 0.008)
            lines = np.maximum(
                lines, decibel(rng.uniform(bright - 20, bright)) * np.exp(-(((depth - place) / width) ** 2))
            )
    gaps = draw_texture(rng, "grain", rng.uniform(0.2, 0.9), rng.uniform(0.02, 0.05), stretch=rng.uniform(3, 9))
    as_table: Array = lines.astype(np.float32)
    return Layers(table.astype(np.float32), as_table, rng.normal(0, 0.12), rng.normal(0, 0.3), gaps)


class Places:
    """Hands out positions in the field of view that keep objects apart."""

    def __init__(self, rng: Rng, probe: Probe) -> None:
        self._rng, self._probe = rng, probe
        self._taken: list[tuple[float, float, float]] = []

    def take(
        self,
        radius: float,
        *,
        across: tuple[float, float] = (0.1, 0.9),
        deep: tuple[float, float] = (0.1, 0.9),
    ) -> tuple[float, float] | None:
        """A free place (x, y) for an object of `radius`; None when there seems to be none."""
        for _ in range(12):
            x, y = self._probe.locate(self._rng.uniform(*across), self._rng.uniform(*deep))
            if all(np.hypot(x - u, y - v) > 0.85 * (radius + r) for u, v, r in self._taken):
                self.occupy(x, y, radius)
                return x, y
        return None

    def occupy(self, x: float, y: float, radius: float) -> None:
        """Keep `radius` round (x, y) free."""
        self._taken.append((x, y, radius))
