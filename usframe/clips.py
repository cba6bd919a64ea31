"""Training samples: a slice (or a clip), prompts for its objects, and the masks to be learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from usframe.prompting import Noise, make_prompts
from usframe.simulation import simulate
from usframe.types import Prompt, PromptStrategy


@dataclass(frozen=True, eq=False)
class Sample:
    """``image``: (H, W) float32 in 0-1. ``prompts``: one per object. ``masks``: (O, H, W) bool, in that order."""

    image: NDArray[np.float32]
    prompts: tuple[Prompt, ...]
    masks: NDArray[np.bool_]


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


class SimulatedSlices(Dataset[Sample]):
    """``count`` slices of simulated ultrasound; slice ``n`` depends on ``seed + n`` alone.

    Objects below ``smallest`` pixels are left out where there is a larger one; at most ``objects`` are kept.
    """

    def __init__(
        self,
        count: int,
        *,
        seed: int,
        strategy: PromptStrategy,
        shape: Sequence[int] = (1, 256, 256),
        scene: str | None = None,
        noise: Noise = Noise(),  # noqa: B008 - frozen
        objects: int = 4,
        smallest: int = 24,
    ) -> None:
        self.count, self.seed, self.strategy = count, seed, strategy
        self.shape, self.scene, self.noise = (shape[0], shape[1], shape[2]), scene, noise
        self.objects, self.smallest = objects, smallest

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Sample:
        seed = self.seed + number
        scan = simulate(seed, shape=self.shape, scene=self.scene)
        rng = np.random.default_rng([seed, 1])
        image, labels = scan.image[0], scan.labels[0].copy()
        if rng.random() < 0.5:
            image, labels = image[:, ::-1].copy(), labels[:, ::-1].copy()
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        for object_id in np.flatnonzero((sizes < self.smallest) & (sizes < sizes.max())):
            labels[labels == object_id] = 0
        prompts = make_prompts(labels[None], self.strategy, noise=self.noise, seed=seed)
        if len(prompts) > self.objects:
            prompts = [prompts[i] for i in sorted(rng.choice(len(prompts), self.objects, replace=False))]
        masks = [labels == prompt.object_id for prompt in prompts]
        return Sample(image, tuple(prompts), np.stack(masks) if masks else np.zeros((0, *labels.shape), bool))
