"""Training samples: a few slices in a row (or one), prompts for their objects, and the masks to be learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from usframe.config.schema import Noise
from usframe.data.clips import Clip, Source
from usframe.plugins.arguments import needs_labels
from usframe.prompting.answers import ask_everywhere
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
    """A prompt strategy that draws one of several for every object, with the given weights.

    ``free``: the share of those that need no labels. These are drawn by `everywhere`, the others by calling it.
    """

    def __init__(self, strategies: Mapping[str, PromptStrategy], weights: Mapping[str, float]) -> None:
        total = sum(weights.values())
        used = sorted(name for name, weight in weights.items() if weight > 0)
        self.labelled = [name for name in used if needs_labels(strategies[name])]
        self.unlabelled = [name for name in used if name not in self.labelled]
        self.strategies, self.weights = strategies, weights
        self.free = sum(weights[name] for name in self.unlabelled) / total

    def __call__(
        self, mask: NDArray[np.bool_], /, *, frame: int, object_id: int, rng: np.random.Generator
    ) -> Prompt | None:
        return self._draw(self.labelled, rng)(mask, frame=frame, object_id=object_id, rng=rng)

    def everywhere(self, *, frame: int, object_id: int, rng: np.random.Generator) -> Prompt | None:
        return self._draw(self.unlabelled, rng)(frame=frame, object_id=object_id, rng=rng)

    def _draw(self, names: Sequence[str], rng: np.random.Generator) -> Any:
        shares = np.array([self.weights[name] for name in names], np.float64)
        return self.strategies[names[rng.choice(len(names), p=shares / shares.sum())]]


@dataclass(frozen=True)
class Free:
    """Prompts that need no labels, of ``objects`` wherever they are or not: a ``share`` of all that are drawn."""

    strategy: Callable[..., Prompt | None]
    share: float
    objects: tuple[int, ...]


class Clips(Dataset[Sample]):
    """Samples from ``source``; sample ``n`` depends on ``seed`` and ``n`` alone, and there is no last one.

    Of the objects of a clip those below ``smallest`` pixels on a slice are not shown there, where another object
    is larger, and ``objects`` at most are kept; each gets ``rounds`` prompts per slice. Tracking begins on one
    slice, or, at the rate ``several``, on two, of long clips on up to a third of the slices. ``ignore``: the label
    of pixels that nobody has judged. With ``free`` prompts the objects are those of them, shown or not.
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
        free: Free | None = None,
    ) -> None:
        self.source, self.seed, self.strategy, self.noise, self.free = source, seed, strategy, noise, free
        self.objects, self.rounds, self.smallest = objects, rounds, smallest
        self.several, self.augment, self.ignore = several, augment, ignore

    def __getitem__(self, number: int) -> Sample:
        clip = self.source(number)
        chance = np.random.default_rng([self.seed, number, 1])
        images, ids, shown, ignored = self._view(clip)
        objects = {one: shown[:, row] for row, one in enumerate(ids)}
        drawn = [self._draw(objects, int(chance.integers(2**62))) for _ in range(self.rounds)]
        start = [prompt for prompt in drawn[0] if objects[prompt.object_id][prompt.frame].any()]
        frames = sorted({prompt.frame for prompt in start})
        several = chance.random() < self.several
        count = int(chance.integers(2, max(2, len(images) // 3), endpoint=True)) if several else 1
        first = chance.choice(frames, min(len(frames), count), replace=False)
        begin = [prompt for prompt in start if prompt.frame in first]
        prompts = tuple(prompt for each in drawn for prompt in each)
        masks = np.zeros_like(shown) if clip.absent else shown
        return Sample(images, ids, masks, prompts, tuple(begin), clip.origin, clip.view, ignored)

    def _draw(self, objects: Mapping[int, NDArray[np.bool_]], seed: int) -> list[Prompt]:
        """A prompt for every object on every slice that shows it; a free one also where it is not."""
        if self.free is None:
            return make_prompts(objects, self.strategy, noise=self.noise, seed=seed)
        length, *shape = next(iter(objects.values())).shape
        rng = np.random.default_rng([seed, 5])
        asked = {one: np.flatnonzero(rng.random(length) < self.free.share).tolist() for one in objects}
        free = ask_everywhere(self.free.strategy, asked, tuple(shape), seed)
        if self.free.share == 1:
            return list(free)
        others = make_prompts(objects, self.strategy, noise=self.noise, seed=seed)
        drawn = [*free, *(prompt for prompt in others if prompt.frame not in asked[prompt.object_id])]
        everywhere = dict.fromkeys(objects, range(length))
        return drawn or list(ask_everywhere(self.free.strategy, everywhere, tuple(shape), seed))

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
            shows = moved[:, : len(ids)].any() or not masks[:, : len(ids)].any()
            if shows:  # one that moved every object out of the picture is left out
                images, masks = changed, moved
        ignored, masks = masks[:, -1] if there else None, masks[:, : len(ids)]
        least = min(self.smallest, int(masks.sum((2, 3)).max()))
        return images, ids, masks & (masks.sum((2, 3), keepdims=True) >= least), ignored

    def _choose(self, labels: NDArray[np.uint8], rng: np.random.Generator) -> tuple[int, ...]:
        """The ids to keep; objects that are small everywhere only where no other is there."""
        if self.free:
            chosen = rng.permutation(self.free.objects)[: self.objects]
            return tuple(sorted(map(int, chosen)))
        ids = [int(one) for one in np.unique(labels) if one not in (0, self.ignore)]
        largest = {one: int((labels == one).sum((1, 2)).max()) for one in ids}
        ids = [one for one in ids if largest[one] >= min(self.smallest, max(largest.values()))]
        if len(ids) > self.objects:
            ids = sorted(int(one) for one in rng.choice(ids, self.objects, replace=False))
        return tuple(ids)
