"""Features of a frozen encoder, computed once and kept on disk."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch

from usframe.files import write_file
from usframe.training.clips import Sample
from usframe.training.objectives import encode_samples
from usframe.types import Backbone, Features


class Embeddings:
    """Gives the features of samples: from ``folder`` where they are there, else from the backbone, and keeps them.

    The views of samples tell them apart, so these must be finite in number (`LabelledClips`).
    """

    def __init__(self, backbone: Backbone, folder: Path) -> None:
        self.backbone, self.folder = backbone, folder
        self.like: Features | None = None

    def __call__(self, samples: Sequence[Sample]) -> Features:
        """Features of all slices of ``samples``, one after the other. Raises `WriteError` for a full disk."""
        return join([self._one(sample) for sample in samples])

    def _one(self, sample: Sample) -> Features:
        path = self.folder / f"{sample.view}.pt"
        if self.like is None or not path.exists():
            with torch.no_grad():
                self.like = encode_samples(self.backbone, [sample])
            content = io.BytesIO()
            torch.save([tensor.cpu() for tensor in tensors_of(self.like)], content)
            write_file(path, content.getvalue())
            return self.like
        device = next(self.backbone.module.parameters()).device
        return rebuild(self.like, iter(torch.load(path, map_location=device, weights_only=True)))


def join(parts: Sequence[Any]) -> Any:
    """Features of several batches as those of one: tensors are put together along their first axis."""
    first = parts[0]
    if isinstance(first, torch.Tensor):
        return torch.cat(list(parts))
    if isinstance(first, tuple):
        return tuple(join(group) for group in zip(*parts, strict=True))
    if is_dataclass(first) and not isinstance(first, type):
        return replace(first, **{f.name: join([getattr(part, f.name) for part in parts]) for f in fields(first)})
    return first


def tensors_of(features: Any) -> Iterator[torch.Tensor]:
    """The tensors that features are made of, in a fixed order."""
    if isinstance(features, torch.Tensor):
        yield features
    elif isinstance(features, tuple):
        for part in features:
            yield from tensors_of(part)
    elif is_dataclass(features):
        for f in fields(features):
            yield from tensors_of(getattr(features, f.name))


def rebuild(like: Any, tensors: Iterator[torch.Tensor]) -> Any:
    """Features like ``like`` out of their `tensors_of`."""
    if isinstance(like, torch.Tensor):
        return next(tensors)
    if isinstance(like, tuple):
        return tuple(rebuild(part, tensors) for part in like)
    if is_dataclass(like) and not isinstance(like, type):
        return replace(like, **{f.name: rebuild(getattr(like, f.name), tensors) for f in fields(like)})
    return like
