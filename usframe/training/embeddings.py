"""Features of a frozen encoder, computed once and kept on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from usframe.config.schema import Finetune
from usframe.encoding.embeddings import Store, kept_by, open_store
from usframe.training.clips import Sample
from usframe.training.objectives import encode_samples
from usframe.types import Backbone, Features


class Embeddings:
    """Gives the features of all slices of samples, one after the other, from a ``store`` where they are there."""

    def __init__(self, backbone: Backbone, store: Store) -> None:
        self.backbone, self.store = kept_by(store, backbone), store

    def __call__(self, samples: Sequence[Sample]) -> Features:
        with torch.no_grad():
            return encode_samples(self.backbone, samples)


def embeddings_for(config: Finetune, backbone: Backbone, folder: Path) -> Embeddings | None:
    """Those of a training that keeps any: in ``folder``, or where all runs keep theirs. Raises `RequestError`."""
    if not config.train.cache:
        return None
    place = config.cache.embeddings
    return Embeddings(backbone, open_store(Path(place), config.cache.limit) if place else Store(folder, half=False))
