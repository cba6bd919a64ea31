"""Training samples: a few slices in a row (or one), prompts for their objects, and the masks to be learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from usframe.config.schema import Noise
from usframe.data.clips import Clip, Source
from usframe.prompting.strategies import NO_NOISE, make_prompts
from usframe.types import Augmentation, Prompt, PromptStrategy


@dataclass(frozen=True, eq=False)
class Sample:
    """``images``: (T, H, W) float32 in 0-1. ``objects``: their O ids. ``masks``: (T, O, H, W) bool. ``ignored``:
    (T, H, W), where nobody has judged, None for nowhere.

    ``prompts``: for every object on every slice that shows it (or is said to). ``begin``: those of them that
    tracking starts from, on one slice or a few. ``origin`` and ``view``: of its `Clip`.
    """

    images: NDArray[np.float32]
    objects: tuple[int, ...]
    masks: NDArray[np.bool_]
    prompts: tuple[Prompt, ...]
    begin: tuple[Prompt, ...]
    origin: str = ""
    view: int = 0
    ignored: NDArray[np.bool_] | None = None


class Mixture:
    """A prompt strategy that draws one of several for every object, with the given weights."""

    def __init__(self, strategies: Mapping[str, PromptStrategy], weights: Mapping[str, float]) -> None:
        names = sorted(weights)
        self.strategies = [strategies[name] for name in names]
        self.shares = np.array([weights[name] for name in names], np.float64)
        self.shares /= self.shares.sum()

    def __call__(
        self, mask: NDArray[np.bool_], /, *, frame: int, object_id: int, rng: np.random.Generator
    ) -> Prompt | None:
        chosen = self.strategies[rng.choice(len(self.strategies), p=self.shares)]
        return chosen(mask, frame=frame, object_id=object_id, rng=rng)


class Clips(Dataset[Sample]):
    """Samples from ``source``; sample ``n`` depends on ``seed`` and ``n`` alone, and there is no last one.

    Of the objects of a clip those below ``smallest`` pixels on a slice are not shown there, where another object
    is larger, and ``objects`` at most are kept; each gets ``rounds`` prompts per slice. Tracking begins on one
    slice, or, at the rate ``several``, on two, of long clips on up to a third of the slices. ``ignore``: the label
    of pixels that nobody has judged.
    """

    def __init__(
        self,
        source: Source,
        *,
        seed: int,
        strategy: PromptStrategy,
        noise: Noise = NO_NOISE,
        objects: int = 4,
        rounds: int = 1,
        smallest: int = 24,
        several: float = 0.25,
        augment: Augmentation | None = None,
        ignore: int | None = None,
    ) -> None:
        self.source, self.seed, self.strategy, self.noise = source, seed, strategy, noise
        self.objects, self.rounds, self.smallest = objects, rounds, smallest
        self.several, self.augment, self.ignore = several, augment, ignore

    def __getitem__(self, number: int) -> Sample:
        clip = self.source(number)
        chance = np.random.default_rng([self.seed, number, 1])
        images, ids, shown, ignored = self._view(clip)
        objects = {one: shown[:, row] for row, one in enumerate(ids)}
        drawn = [
            make_prompts(objects, self.strategy, noise=self.noise, seed=int(chance.integers(2**62)))
            for _ in range(self.rounds)
        ]
        frames = sorted({prompt.frame for prompt in drawn[0]})
        several = chance.random() < self.several
        count = int(chance.integers(2, max(2, len(images) // 3), endpoint=True)) if several else 1
        first = chance.choice(frames, min(len(frames), count), replace=False)
        begin = [prompt for prompt in drawn[0] if prompt.frame in first]
        prompts = tuple(prompt for each in drawn for prompt in each)
        masks = np.zeros_like(shown) if clip.absent else shown
        return Sample(images, ids, masks, prompts, tuple(begin), clip.origin, clip.view, ignored)

    def _view(
        self, clip: Clip
    ) -> tuple[NDArray[np.float32], tuple[int, ...], NDArray[np.bool_], NDArray[np.bool_] | None]:
        """Images, the ids of the O objects, what is shown of them, (T, O, H, W), and what is ignored, (T, H, W)."""
        rng = np.random.default_rng([self.seed, clip.view, 2])
        ids = self._choose(clip.labels, rng)
        there = self.ignore is not None and (clip.labels == self.ignore).any()
        values = np.array([*ids, *([self.ignore] if there else [])], np.uint8)
        images, masks = clip.images, clip.labels[:, None] == values[:, None, None]
        if self.augment is not None:
            changed, moved = self.augment(images, masks, rng=rng)
            if moved[:, : len(ids)].any():  # one that moved every object out of the picture is left out
                images, masks = changed, moved
        ignored, masks = masks[:, -1] if there else None, masks[:, : len(ids)]
        least = min(self.smallest, int(masks.sum((2, 3)).max()))
        return images, ids, masks & (masks.sum((2, 3), keepdims=True) >= least), ignored

    def _choose(self, labels: NDArray[np.uint8], rng: np.random.Generator) -> tuple[int, ...]:
        """The ids to keep; objects that are small everywhere only where no other is there."""
        ids = [int(one) for one in np.unique(labels) if one not in (0, self.ignore)]
        largest = {one: int((labels == one).sum((1, 2)).max()) for one in ids}
        ids = [one for one in ids if largest[one] >= min(self.smallest, max(largest.values()))]
        if len(ids) > self.objects:
            ids = sorted(int(one) for one in rng.choice(ids, self.objects, replace=False))
        return tuple(ids)
