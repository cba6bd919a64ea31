"""Features of a frozen encoder, computed once and kept on disk."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import torch

from usframe.features import join, rebuild, tensors_of
from usframe.files import write_file
from usframe.inference.verbs import device_of
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
        device = device_of(self.backbone)
        return rebuild(self.like, iter(torch.load(path, map_location=device, weights_only=True)))
