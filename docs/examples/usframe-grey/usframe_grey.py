"""What has the grey values of the prompted object, without any training; with memory, also on the next slice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from usframe import CheckpointError, Decoded, Memory, Prompt, hookimpl
from usframe.hookspecs import Register

if TYPE_CHECKING:
    import torch  # large: usframe imports every plugin, and torch only where it is used

SIDE = 128  # the side of the input, S; answers have a quarter of it


class Grey:
    """Pixels near the prompt are the object's where its grey values say so rather than those around it.

    Grey values are taken to be normally distributed, within the prompt and outside it. Nothing is learned: the
    module has no parameters, which is how a backbone says that it cannot be trained.
    """

    image_size = SIDE
    checkpoint = None

    def __init__(self, device: str) -> None:
        import torch

        self.device = torch.device(device)
        self.module = torch.nn.Identity()

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 2, S/4, S/4): how bright ``images`` (B, 3, S, S) are, and where the object was, not known yet."""
        import torch
        from torch.nn.functional import avg_pool2d

        bright = avg_pool2d(images.to(self.device).mean(1, keepdim=True), 4)
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
        """N prompts on their images; where there is none, what was remembered is the prompt."""
        import torch

        bright, remembered = features[list(index)].unbind(1)
        drawn = [None if prompt is None else torch.from_numpy(_covered(prompt)).to(bright) for prompt in prompts]
        place = torch.stack([old if new is None else new for old, new in zip(remembered, drawn, strict=True)])
        logits = _likelier(bright, place).clamp(-5, 5) + 8 * place - 6
        for n, prompt in enumerate(prompts):
            if keep_masks and prompt is not None and prompt.mask is not None:
                logits[n] = 20 * place[n] - 10
        presence = logits.flatten(1).amax(1)
        shifts = torch.tensor([0.0, 1.0, -1.0] if multimask else [0.0]).to(logits)
        candidates = logits[:, None] + shifts[:, None, None]
        return Decoded(candidates, presence.sigmoid()[:, None] - 0.1 * shifts.abs(), presence)


class GreyWithMemory(Grey):
    """The same, and an object is looked for where it was on the slices nearby: a `usframe.types.MemoryBackbone`."""

    def memorize(self, features: torch.Tensor, decoded: Decoded) -> torch.Tensor:
        """Where each of O objects was, (O, S/4, S/4) from 0 to 1."""
        return decoded.logits[:, 0].sigmoid() * (decoded.presence > 0)[:, None, None]

    def condition(
        self,
        features: torch.Tensor,
        memories: Sequence[Memory],
        *,
        frame: int,
        length: int,
        reverse: bool = False,
    ) -> torch.Tensor:
        """(O, 2, S/4, S/4): how bright the slice is, and where each object was, nearer slices counting more."""
        import torch

        near = torch.tensor([1 / abs(memory.frame - frame) ** 2 for memory in memories]).to(features)
        places = torch.stack([memory.content for memory in memories])
        place = (near[:, None, None, None] * places).sum(0) / near.sum()
        return torch.stack([features[0, 0].expand_as(place), place], 1)


def _likelier(bright: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Log-likelihood of grey values (N, h, w) within ``place``, a share of each pixel, less that outside it."""

    def density(share: torch.Tensor) -> torch.Tensor:
        total = share.sum((1, 2), keepdim=True) + 1e-3
        mean = (share * bright).sum((1, 2), keepdim=True) / total
        variance = (share * (bright - mean) ** 2).sum((1, 2), keepdim=True) / total + 1e-2
        return -((bright - mean) ** 2) / (2 * variance) - variance.log() / 2

    return density(place) - density(1 - place)


def _covered(prompt: Prompt) -> NDArray[np.float32]:
    """(S/4, S/4), the share of each pixel that a prompt covers: its mask, its box, or discs around its points."""
    covered = np.zeros((SIDE, SIDE), np.float32)
    if prompt.mask is not None:
        covered[prompt.mask] = 1
    elif prompt.box is not None:
        left, top, right, bottom = prompt.box.round().astype(int).clip(0, SIDE - 1)
        covered[top : bottom + 1, left : right + 1] = 1
    y, x = np.mgrid[:SIDE, :SIDE]
    if prompt.points is not None and prompt.point_labels is not None:
        for (column, row), label in zip(prompt.points, prompt.point_labels, strict=True):
            covered[np.hypot(y - row, x - column) < SIDE / 12] = label
    return covered.reshape(SIDE // 4, 4, SIDE // 4, 4).mean((1, 3))


def grey(*, weights: Path | str, device: str, precision: str) -> Grey:
    """What has the grey values of the prompted object, without any training."""
    _no_weights(weights)
    return Grey(device)


def grey_memory(*, weights: Path | str, device: str, precision: str) -> GreyWithMemory:
    """The same, carried from slice to slice."""
    _no_weights(weights)
    return GreyWithMemory(device)


def _no_weights(weights: Path | str) -> None:
    if isinstance(weights, Path):
        raise CheckpointError(f"checkpoint {weights}: grey has no weights; leave --checkpoint out")


@hookimpl
def usframe_register_backbones(register: Register) -> None:
    register("grey", grey)
    register("grey-memory", grey_memory)
