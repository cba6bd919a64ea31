"""Backbones of somebody else: one layer, no SAM 2, plain tensors as features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from usframe import Decoded, Memory, Prompt

SIDE = 32


class Toy:
    """Objects are bright: the grey value inside the prompt decides whether one is there. It has no memory."""

    def __init__(self) -> None:
        self.image_size = SIDE
        self.checkpoint = None
        self.module = torch.nn.Conv2d(3, 1, 1)
        torch.nn.init.constant_(self.module.weight, 1 / 3)
        torch.nn.init.zeros_(self.module.bias)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 2, S/4, S/4): brightness, and where the object is believed to be."""
        bright = F.avg_pool2d(self.module(images), 4)
        return torch.cat([bright, torch.zeros_like(bright)], 1)

    def decode(
        self,
        features: torch.Tensor,
        prompts: Sequence[Prompt | None],
        index: Sequence[int],
        *,
        multimask: bool = False,
        keep_masks: bool = False,
    ) -> Decoded:
        rows = features[list(index)]
        places = [rows[n, 1] if prompt is None else _place(prompt) for n, prompt in enumerate(prompts)]
        place = torch.stack(places)
        presence = (rows[:, 0] * place).sum((1, 2)) / (place.sum((1, 2)) + 1e-3)
        logits = rows[:, 0] + 8 * place - 6
        kept = [keep_masks and prompt is not None and prompt.mask is not None for prompt in prompts]
        chosen = torch.tensor(kept)[:, None, None]
        logits = torch.where(chosen, 20 * place - 10, logits)
        presence = torch.where(chosen[:, 0, 0], torch.tensor(10.0), presence)
        offsets = torch.tensor([0.0, 0.5, -0.5] if multimask else [0.0])
        candidates = logits[:, None] + offsets[:, None, None]
        return Decoded(candidates, torch.sigmoid(presence)[:, None] - offsets.abs(), presence)


class ToyWithMemory(Toy):
    """It believes objects to be where they were prompted, and a little where they were seen since."""

    def memorize(self, features: torch.Tensor, decoded: Decoded) -> torch.Tensor:
        return torch.sigmoid(decoded.logits[:, 0]) * (decoded.presence > 0)[:, None, None]

    def condition(self, features: torch.Tensor, memories: Sequence[Memory], **where: object) -> torch.Tensor:
        weights = torch.tensor([10.0 if memory.prompted else 1.0 for memory in memories])
        place = torch.einsum("m,mohw->ohw", weights / weights.sum(), torch.stack([m.content for m in memories]))
        return torch.stack([features[:, 0].expand(len(place), -1, -1), place], 1)


def _place(prompt: Prompt) -> torch.Tensor:
    """(S/4, S/4) of 0 and 1: what the prompt covers, about."""
    covered = np.zeros((SIDE, SIDE), np.float32)
    if prompt.mask is not None:
        covered[prompt.mask] = 1
    if prompt.box is not None:
        x0, y0, x1, y1 = prompt.box.round().astype(int).clip(0, SIDE - 1)
        covered[y0 : y1 + 1, x0 : x1 + 1] = 1
    if prompt.points is not None and prompt.point_labels is not None:
        for (x, y), label in zip(prompt.points.round().astype(int), prompt.point_labels, strict=True):
            covered[max(y - 4, 0) : y + 5, max(x - 4, 0) : x + 5] = label
    return torch.from_numpy(covered.reshape(SIDE // 4, 4, SIDE // 4, 4).mean((1, 3)))
