"""Training samples: a few slices in a row (or one), prompts for their objects, and the masks to be learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from usframe.prompting import Noise, make_prompts
from usframe.simulation import simulate
from usframe.types import Augmentation, Prompt, PromptStrategy

Source: TypeAlias = Callable[[int, np.random.Generator], tuple[NDArray[np.float32], NDArray[np.uint8]]]


@dataclass(frozen=True, eq=False)
class Sample:
    """``images``: (T, H, W) float32 in 0-1. ``objects``: their O ids. ``masks``: (T, O, H, W) bool.

    ``prompts``: for every object on every slice that shows it. ``begin``: those of them that tracking starts
    from, on one slice or two.
    """

    images: NDArray[np.float32]
    objects: tuple[int, ...]
    masks: NDArray[np.bool_]
    prompts: tuple[Prompt, ...]
    begin: tuple[Prompt, ...]


class Mixture:
    """A prompt strategy that draws one of several for every object, with the given weights."""

    def __init__(self, strategies: Mapping[str, PromptStrategy], weights: Mapping[str, float]) -> None:
        names = sorted(weights)
        self.strategies = [strategies[name] for name in names]
        self.shares = np.array([weights[name] for name in names], np.float64)
        self.shares /= self.shares.sum()

    def __call__(
        self, mask: NDArray[np.bool_], *, frame: int, object_id: int, rng: np.random.Generator
    ) -> Prompt | None:
        chosen = self.strategies[rng.choice(len(self.strategies), p=self.shares)]
        return chosen(mask, frame=frame, object_id=object_id, rng=rng)


class SimulatedClips:
    """A source of simulated clips: ``length`` slices at most, from dense to ``widest`` pixels apart."""

    def __init__(
        self, shape: Sequence[int], *, scene: str | None = None, shortest: int = 1, widest: float = 10.0
    ) -> None:
        self.shape, self.scene, self.shortest, self.widest = tuple(shape), scene, shortest, widest

    def __call__(self, seed: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Images (T, H, W) and labels of clip ``seed``."""
        length = int(rng.integers(min(self.shortest, self.shape[0]), self.shape[0], endpoint=True))
        gap = 0.8 * (self.widest / 0.8) ** rng.random()
        scan = simulate(seed, shape=(length, self.shape[1], self.shape[2]), scene=self.scene, gap=gap)
        return scan.image, scan.labels


class Clips(Dataset[Sample]):
    """``count`` samples from ``source``; sample ``n`` depends on ``seed + n`` alone.

    Of the objects of a clip those below ``smallest`` pixels on a slice are not shown there, where another object
    is larger, and ``objects`` at most are kept; each gets ``rounds`` prompts per slice. Tracking begins on two
    slices at the rate ``pairs``, else on one.
    """

    def __init__(
        self,
        count: int,
        source: Source,
        *,
        seed: int,
        strategy: PromptStrategy,
        noise: Noise = Noise(),  # noqa: B008 - frozen
        objects: int = 4,
        rounds: int = 1,
        smallest: int = 24,
        pairs: float = 0.25,
        augment: Augmentation | None = None,
    ) -> None:
        self.count, self.source, self.seed, self.strategy, self.noise = count, source, seed, strategy, noise
        self.objects, self.rounds, self.smallest = objects, rounds, smallest
        self.pairs, self.augment = pairs, augment

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Sample:
        seed = self.seed + number
        rng = np.random.default_rng([seed, 1])
        images, labels = self.source(seed, rng)
        ids = self._choose(labels, rng)
        masks = labels[:, None] == np.array(ids, np.uint8)[:, None, None]
        if self.augment is not None:
            images, masks = self.augment(images, masks, rng=rng)
        masks = masks & (masks.sum((2, 3), keepdims=True) >= self.smallest)
        shown = (masks * np.array(ids, np.uint8)[:, None, None]).max(1, initial=0)
        drawn = [
            make_prompts(shown, self.strategy, noise=self.noise, seed=seed + turn * 10**12)
            for turn in range(self.rounds)
        ]
        frames = sorted({prompt.frame for prompt in drawn[0]})
        first = rng.choice(frames, min(len(frames), 1 + (rng.random() < self.pairs)), replace=False)
        begin = [prompt for prompt in drawn[0] if prompt.frame in first]
        return Sample(images, ids, masks, tuple(prompt for each in drawn for prompt in each), tuple(begin))

    def _choose(self, labels: NDArray[np.uint8], rng: np.random.Generator) -> tuple[int, ...]:
        """The ids to keep; objects that are small everywhere only where no other is there."""
        ids = [int(one) for one in np.unique(labels) if one]
        largest = {one: int((labels == one).sum((1, 2)).max()) for one in ids}
        ids = [one for one in ids if largest[one] >= min(self.smallest, max(largest.values()))]
        if len(ids) > self.objects:
            ids = sorted(int(one) for one in rng.choice(ids, self.objects, replace=False))
        return tuple(ids)
