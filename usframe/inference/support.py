"""Labelled slices of other volumes as the memory that a volume is segmented from: no prompt, no training.

As if the slices that look most alike had come just before: their masks are remembered, as those of prompted slices,
and each slice is answered from such memories alone. Remembered examples as the context of a segmentation: Butoi et
al., "UniverSeg", 2023; with the memory of SAM 2, Zhu et al., "Medical SAM 2", 2024.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from usframe.encoding.features import look_of
from usframe.geometry import to_model
from usframe.inference.decoding import best_candidates
from usframe.inference.slices import Answer
from usframe.inference.spool import logits_of
from usframe.inference.verbs import condition, decode, encode_slices, memorize
from usframe.intensity import Slices
from usframe.selection import from_end_to_end
from usframe.types import Features, Memory, MemoryBackbone, Prompt, Segmentation

NEAREST = 4  # remembered slices that a slice is answered from
MOST = 32  # slices of an object in a support volume that are remembered


class Support:
    """What is remembered of support volumes: of each object, how slices look that show it, and their memories."""

    def __init__(self, backbone: MemoryBackbone) -> None:
        self.backbone = backbone
        self.looks: dict[int, list[torch.Tensor]] = {}
        self.memories: dict[int, list[Any]] = {}

    @property
    def objects(self) -> list[int]:
        return sorted(self.looks)

    @torch.inference_mode()
    def remember(self, data: Slices, labels: NDArray[np.uint8]) -> None:
        """Take in a support volume: slices (D, H, W) float32 in 0-1 and (D, H, W) uint8, 0 is background."""
        shown: dict[int, list[int]] = {}
        for frame, plane in enumerate(labels):
            for one in np.unique(plane[plane != 0]).tolist():
                shown.setdefault(one, []).append(frame)
        chosen = {one: {*from_end_to_end(frames, MOST)} for one, frames in shown.items()}
        for frame in sorted({frame for frames in chosen.values() for frame in frames}):
            features = self._encode(data, frame)
            for one in (one for one, frames in chosen.items() if frame in frames):
                drawn = Prompt(0, one, mask=labels[frame] == one)
                prompt = to_model(drawn, (data.shape[1], data.shape[2]), self.backbone.image_size)
                decoded = decode(self.backbone, features, [prompt], [0], keep_masks=True)
                self.looks.setdefault(one, []).append(look_of(features)[0])
                self.memories.setdefault(one, []).append(memorize(self.backbone, features, decoded))

    @torch.inference_mode()
    def segment(self, data: Slices, progress: Callable[[int], object] = lambda slices: None) -> Segmentation:
        """The objects on every slice (D, H, W), each slice by itself."""
        answer = Answer(
            (len(data), data.shape[1], data.shape[2]),
            self.objects,
            self.backbone.image_size // 4,
            keep_logits=False,
        )
        for frame in range(len(data)):
            features = self._encode(data, frame)
            found = [best_candidates(self._recall(one, features)) for one in self.objects]
            logits = np.concatenate([logits_of(one) for one in found])
            iou, presence = (
                np.array([float(getattr(one, name).flatten()[0]) for one in found]) for name in ("iou", "presence")
            )
            answer.add(frame, self.objects, logits, iou, presence)
            progress(1)
        whole = answer.result()
        assert whole.quality is not None
        unknown = np.full_like(whole.predicted_iou, np.nan)  # how far its own word holds has not been measured
        return replace(whole, quality=replace(whole.quality, error=unknown))

    def _recall(self, one: int, features: Features) -> Any:
        """The candidates for an object on a slice, from the remembered slices that look most like it."""
        alike = torch.stack(self.looks[one]) @ look_of(features)[0]
        best = alike.topk(min(NEAREST, len(alike))).indices.tolist()
        # copies: what a network makes of a memory for the next slices stays with it, and there are many of them
        found = [copy(self.memories[one][which]) for which in best]
        memories = [Memory(NEAREST - 1 - n, True, content) for n, content in enumerate(found)]
        fused = condition(self.backbone, features, memories, frame=NEAREST, length=NEAREST + 1, reverse=False)
        return decode(self.backbone, fused, [None], [0], multimask=True)

    def _encode(self, data: Slices, frame: int) -> Features:
        return encode_slices(self.backbone, data[frame : frame + 1])
