"""Simulated clips to train on, another one for every number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from usframe.data.clips import Clip
from usframe.simulation import simulate


class SimulatedClips:
    """A source of simulated clips: ``length`` slices at most, from dense to ``widest`` pixels apart."""

    def __init__(
        self,
        shape: Sequence[int],
        *,
        seed: int = 0,
        scene: str | None = None,
        faint: float = 0.0,
        clutter: float = 0.0,
        shortest: int = 1,
        widest: float = 10.0,
    ) -> None:
        self.shape, self.seed, self.scene = tuple(shape), seed, scene
        self.faint, self.clutter = faint, clutter
        self.shortest, self.widest = shortest, widest

    def __call__(self, number: int) -> Clip:
        """Clip ``number``: another one for every number."""
        seed = self.seed + number
        rng = np.random.default_rng([seed, 1])
        length = int(rng.integers(min(self.shortest, self.shape[0]), self.shape[0], endpoint=True))
        gap = 0.8 * (self.widest / 0.8) ** rng.random()
        shape = (length, self.shape[1], self.shape[2])
        scan = simulate(seed, shape=shape, scene=self.scene, gap=gap, faint=self.faint, clutter=self.clutter)
        return Clip(scan.image, scan.labels, f"simulated clip {seed}", number)
