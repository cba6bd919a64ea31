"""What a training step minimises: every slice from its own prompt, and the clip from the prompts it begins with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from usframe.geometry import points_from_model, to_model, to_network
from usframe.inference.decoding import best_candidates, is_ambiguous
from usframe.inference.propagate import walk
from usframe.inference.tracks import Track, make_tracks
from usframe.inference.verbs import decode, device_of, encode, with_memory
from usframe.prompting.clicks import correcting_click, with_points
from usframe.training.clips import Sample
from usframe.training.losses import Losses, weigh_losses
from usframe.training.parameters import encoder_is_frozen
from usframe.types import Backbone, Decoded, Features, Prompt

Recipe = Literal["slice", "clip", "both"]
Part: TypeAlias = tuple[Decoded, torch.Tensor]
Encoder: TypeAlias = Callable[[Sequence[Sample]], Features]


class Objective(torch.nn.Module):
    """The training terms of a batch of samples, each slice encoded once.

    ``recipe``: ``slice`` decodes every prompt on its own slice, ``clip`` tracks the objects from the prompts their
    sample begins with, forward and backward with memory, and ``both`` does both on the same encodings. ``encode``
    gives the features of all slices of samples, one after the other; by default the backbone's own. After each
    prompt come ``corrections`` clicks on what was wrong, on its own slice; before a clip is tracked, up to as many.
    """

    def __init__(
        self,
        backbone: Backbone,
        losses: Losses,
        recipe: Recipe = "slice",
        encode: Encoder | None = None,
        corrections: int = 0,
    ) -> None:
        super().__init__()
        self.network = backbone.module
        self.verbs, self.losses, self.recipe, self.corrections = backbone, losses, recipe, corrections
        self.encode: Encoder = encode or (lambda samples: encode_samples(backbone, samples))

    def forward(self, samples: Sequence[Sample]) -> tuple[dict[str, torch.Tensor], int]:
        """The sums of the terms over decoded masks, and how many masks these are.

        Masks of a slice without the object train its presence only.
        """
        features = self.encode(samples)
        parts: list[Part] = []
        if self.recipe != "clip":
            parts += decode_samples(self.verbs, features, samples, self.corrections)
        if self.recipe != "slice":
            parts += track_samples(self.verbs, features, samples, self.corrections)
        losses = [(len(target), weigh_losses(decoded, target, self.losses)) for decoded, target in parts]
        sums = {name: torch.stack([n * terms[name] for n, terms in losses]).sum() for name in losses[0][1]}
        return sums, sum(n for n, _ in losses)


def slice_recipe(backbone: Backbone, losses: Losses, *, encode: Encoder, corrections: int) -> Objective:
    """Every slice from its own prompt."""
    return Objective(backbone, losses, "slice", encode, corrections)


def clip_recipe(backbone: Backbone, losses: Losses, *, encode: Encoder, corrections: int) -> Objective:
    """A clip tracked from the prompts it begins with, forward and backward."""
    return Objective(backbone, losses, "clip", encode, corrections)


def both_recipe(backbone: Backbone, losses: Losses, *, encode: Encoder, corrections: int) -> Objective:
    """Every slice from its own prompt, and the clip tracked, on the same encodings."""
    return Objective(backbone, losses, "both", encode, corrections)


def encode_samples(backbone: Backbone, samples: Sequence[Sample]) -> Features:
    """The features of all slices of ``samples``, one after the other; without gradients if frozen."""
    images = np.concatenate([to_network(sample.images, backbone.image_size) for sample in samples])
    with torch.set_grad_enabled(torch.is_grad_enabled() and not encoder_is_frozen(backbone)):
        return encode(backbone, torch.from_numpy(images))


def decode_samples(
    backbone: Backbone, features: Features, samples: Sequence[Sample], corrections: int = 0
) -> list[Part]:
    """Decoded prompts and masks (N, S/2, S/2), ambiguous prompts (three candidates) and learned ones apart.

    Each that was drawn is then decoded ``corrections`` more times, every time with one more click on what was
    wrong.
    """
    every = [
        (
            to_model(prompt, sample.images.shape[1:], backbone.image_size),
            first + prompt.frame,
            target_of(backbone, sample, prompt.frame, sample.objects.index(prompt.object_id)),
        )
        for first, sample in number_slices(samples)
        for prompt in sample.prompts
    ]
    parts, rng = [], np.random.default_rng([sample.view for sample in samples])
    for kind in ((False, False), (True, False), (False, True)):
        chosen = [item for item in every if (is_ambiguous(item[0]), item[0].learned) == kind]
        multimask, learned = kind
        if chosen:
            prompts, index, targets = zip(*chosen, strict=True)
            parts.append((decode(backbone, features, prompts, index, multimask=multimask), torch.stack(targets)))
            parts += sketches(*parts[-1])
            for _ in range(0 if learned else corrections):
                prompts = correct(prompts, *parts[-1], backbone.image_size, rng)
                parts.append((decode(backbone, features, prompts, index), torch.stack(targets)))
    return parts


def sketches(decoded: Decoded, targets: torch.Tensor) -> list[Part]:
    """What learned prompts began with, as answers of their own; none for other prompts."""
    if decoded.sketch is None:
        return []
    return [(Decoded(decoded.sketch, decoded.iou.detach()[:, :1], decoded.presence.detach()), targets)]


def correct(
    prompts: Sequence[Prompt], decoded: Decoded, targets: torch.Tensor, size: int, rng: np.random.Generator
) -> tuple[Prompt, ...]:
    """The prompts with one more click each: positive where most is missing, negative where most is too much.

    ``rng`` draws where in the error; a prompt whose answer is right stays as it is. ``size``: S of the network.
    """
    logits = F.interpolate(best_candidates(decoded).logits.detach(), size=targets.shape[-2:], mode="bilinear")[:, 0]
    answers, wanted, judged = (part.cpu().numpy() for part in (logits > 0, targets > 0.5, ~targets.isnan()))
    return tuple(
        _click(prompt, wanted[n] & ~answers[n], answers[n] & judged[n] & ~wanted[n], size, rng)
        for n, prompt in enumerate(prompts)
    )


def _click(
    prompt: Prompt, missing: NDArray[np.bool_], extra: NDArray[np.bool_], size: int, rng: np.random.Generator
) -> Prompt:
    found = correcting_click(missing, extra, rng)
    if found is None:
        return prompt
    points, labels = found
    return with_points(prompt, np.asarray((points + 0.5) * size / len(missing) - 0.5, np.float32), labels)


def clicked(
    backbone: Backbone, features: Features, first: int, sample: Sample, corrections: int
) -> tuple[Prompt, ...]:
    """The prompts a sample begins with, whose slices begin at ``first``, after up to ``corrections`` more clicks.

    How many these are depends on the sample's view.
    """
    shape, size = (sample.images.shape[1], sample.images.shape[2]), backbone.image_size
    prompts = [to_model(prompt, shape, size) for prompt in sample.begin]
    rng = np.random.default_rng(sample.view)
    for _ in range(sample.view % (corrections + 1)):
        for multimask in (False, True):
            chosen = [n for n, one in enumerate(prompts) if not one.learned and is_ambiguous(one) == multimask]
            if chosen:
                asked, index = [prompts[n] for n in chosen], [first + prompts[n].frame for n in chosen]
                with torch.no_grad():
                    decoded = decode(backbone, features, asked, index, multimask=multimask)
                rows = [sample.objects.index(one.object_id) for one in asked]
                wanted = [target_of(backbone, sample, one.frame, row) for one, row in zip(asked, rows, strict=True)]
                corrected = correct(asked, decoded, torch.stack(wanted), size, rng)
                for n, one in zip(chosen, corrected, strict=True):
                    prompts[n] = one
    return tuple(
        drawn
        if one.points is None
        else replace(drawn, points=points_from_model(one.points, shape, size), point_labels=one.point_labels)
        for drawn, one in zip(sample.begin, prompts, strict=True)
    )


def track_samples(
    backbone: Backbone, features: Features, samples: Sequence[Sample], corrections: int = 0
) -> list[Part]:
    """What `walk` of propagation answers on every slice of every sample, with the masks (N, S/2, S/2).

    The prompts it begins with are `clicked` first.
    """
    parts: list[Part] = []
    for first, sample in number_slices(samples):

        def encoded(frame: int, first: int = first) -> Features:
            return features[first + frame : first + frame + 1]

        def put(track: Track, frame: int, decoded: Decoded, sample: Sample = sample) -> None:
            rows = [sample.objects.index(one) for one in track.objects]
            parts.append((decoded, torch.stack([target_of(backbone, sample, frame, row) for row in rows])))

        if sample.begin:
            begin = clicked(backbone, features, first, sample, corrections) if corrections else sample.begin
            walk(with_memory(backbone), make_tracks(begin), encoded, sample.images.shape, put)
    return parts


def target_of(backbone: Backbone, sample: Sample, frame: int, row: int) -> torch.Tensor:
    """`make_target` of an object on a slice, NaN where nobody has judged."""
    target = make_target(backbone, sample.masks[frame, row])
    if sample.ignored is None:
        return target
    return target.masked_fill(make_target(backbone, sample.ignored[frame]) > 0, float("nan"))


def make_target(backbone: Backbone, mask: NDArray[np.bool_]) -> torch.Tensor:
    """A mask (H, W) as shares of the pixels of half the network's input, (S/2, S/2)."""
    size = backbone.image_size // 2
    device = device_of(backbone)
    shares = torch.from_numpy(mask).to(device, torch.float32)[None, None]
    return F.interpolate(shares, size=(size, size), mode="area")[0, 0]


def number_slices(samples: Sequence[Sample]) -> list[tuple[int, Sample]]:
    """(number of its first slice in the batch, sample)."""
    firsts = np.cumsum([0, *(len(sample.images) for sample in samples)])
    return [(int(first), sample) for first, sample in zip(firsts, samples, strict=False)]
