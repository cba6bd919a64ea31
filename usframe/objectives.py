"""What a training step minimises: every slice from its own prompt, and the clip from the prompts it begins with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from usframe.clips import Sample
from usframe.decoding import is_ambiguous
from usframe.geometry import to_model, to_network
from usframe.losses import mask_losses
from usframe.propagate import Track, make_tracks, walk
from usframe.types import Backbone, Decoded, Features

RECIPES = ("slice", "clip", "both")


class Objective(torch.nn.Module):
    """The training terms of a batch of samples, each slice encoded once.

    ``recipe``: ``slice`` decodes every prompt on its own slice, ``clip`` tracks the objects from the prompts their
    sample begins with, forward and backward with memory, and ``both`` does both on the same encodings. Terms are
    means over decoded masks; those of a slice without the object train its presence only.
    """

    def __init__(self, backbone: Backbone, weights: Mapping[str, float], recipe: str = "slice") -> None:
        super().__init__()
        self.network = backbone.module
        self.verbs = backbone
        self.weights = weights
        self.recipe = recipe

    def forward(self, samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
        features = encode_samples(self.verbs, samples)
        parts: list[tuple[Decoded, NDArray[np.bool_]]] = []
        if self.recipe != "clip":
            parts += decode_samples(self.verbs, features, samples)
        if self.recipe != "slice":
            parts += track_samples(self.verbs, features, samples)
        losses = [(len(masks), mask_losses(decoded, self._target(masks), self.weights)) for decoded, masks in parts]
        count = sum(n for n, _ in losses)
        return {name: torch.stack([n / count * terms[name] for n, terms in losses]).sum() for name in losses[0][1]}

    def _target(self, masks: NDArray[np.bool_]) -> torch.Tensor:
        """Masks (N, H, W) as shares of the pixels of half the network's input."""
        size = self.verbs.image_size // 2
        device = next(self.network.parameters()).device
        target = torch.from_numpy(masks).to(device, torch.float32)[:, None]
        return F.interpolate(target, size=(size, size), mode="area")[:, 0]


def encode_samples(backbone: Backbone, samples: Sequence[Sample]) -> Features:
    """The features of all slices of ``samples``, one after the other."""
    images = np.concatenate([to_network(sample.images, backbone.image_size) for sample in samples])
    return backbone.encode(torch.from_numpy(images))


def decode_samples(
    backbone: Backbone, features: Features, samples: Sequence[Sample]
) -> list[tuple[Decoded, NDArray[np.bool_]]]:
    """Decoded prompts with their masks (N, H, W), ambiguous prompts (three candidates) apart from the others."""
    every = [
        (
            to_model(prompt, sample.images.shape[1:], backbone.image_size),
            first + prompt.frame,
            sample.masks[prompt.frame, sample.objects.index(prompt.object_id)],
        )
        for first, sample in _numbered(samples)
        for prompt in sample.prompts
    ]
    parts = []
    for multimask in (False, True):
        chosen = [item for item in every if is_ambiguous(item[0]) == multimask]
        if chosen:
            prompts, index, masks = zip(*chosen, strict=True)
            parts.append((backbone.decode(features, prompts, index, multimask=multimask), np.stack(masks)))
    return parts


def track_samples(
    backbone: Backbone, features: Features, samples: Sequence[Sample]
) -> list[tuple[Decoded, NDArray[np.bool_]]]:
    """What `usframe.propagate.walk` answers on every slice of every sample, with the masks (N, H, W)."""
    parts: list[tuple[Decoded, NDArray[np.bool_]]] = []
    for first, sample in _numbered(samples):

        def encoded(frame: int, first: int = first) -> Features:
            return features[first + frame : first + frame + 1]

        def put(track: Track, frame: int, decoded: Decoded, sample: Sample = sample) -> None:
            rows = [sample.objects.index(one) for one in track.objects]
            parts.append((decoded, sample.masks[frame, rows]))

        length, height, width = sample.images.shape
        if sample.begin:
            walk(backbone, make_tracks("", sample.begin), encoded, length, (height, width), put)
    return parts


def _numbered(samples: Sequence[Sample]) -> Iterator[tuple[int, Sample]]:
    """(number of its first slice in the batch, sample)."""
    first = 0
    for sample in samples:
        yield first, sample
        first += len(sample.images)
