"""What takes the place of prompts for objects that a network has learned: tokens, and a sketch of the object.

Tokens in place of a prompt: Lester et al., "The power of scale for parameter-efficient prompt tuning", 2021. A mask
prompt that the features themselves give: after the auto-prompting of SAM, e.g. Shaharabany et al., "AutoSAM", 2023;
drawn from coarse to fine as in U-Net (Ronneberger et al., 2015).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from usframe import Prompt
from usframe.errors import RequestError

NAME = "learned_prompts"  # of the module in its network, and of its weights in a checkpoint
OBJECT = re.compile(rf"(?:^|\.){NAME}\.tokens\.(\d+)$")
TOKENS = 4
WIDTH = 64
LIMIT = 16.0  # of the logits of a sketch


class LearnedPrompts(nn.Module):
    """The prompts of ``objects``, for embeddings of ``channels`` at S/16 and ``levels`` channels at S/4 and S/8."""

    def __init__(self, channels: int, levels: Sequence[int]) -> None:
        super().__init__()
        fine, middle = levels
        self.channels = channels
        self.coarse = nn.Sequential(
            _layer(channels + 2, WIDTH), _layer(WIDTH, WIDTH, dilation=2), _layer(WIDTH, WIDTH, dilation=4)
        )
        self.middle = nn.Sequential(_layer(WIDTH + middle, WIDTH), _layer(WIDTH, WIDTH))
        self.fine = nn.Sequential(_layer(WIDTH + fine, WIDTH), _layer(WIDTH, WIDTH))
        self.tokens, self.outlines, self.presence = nn.ParameterDict(), nn.ModuleDict(), nn.ModuleDict()

    @property
    def objects(self) -> tuple[int, ...]:
        return tuple(sorted(map(int, self.tokens)))

    def add(self, objects: Iterable[int]) -> None:
        """Fresh prompts for those of the objects that have none."""
        device = next(self.parameters()).device
        for name in (str(one) for one in objects if one not in self.objects):
            self.tokens[name] = nn.Parameter(0.02 * torch.randn(TOKENS, self.channels, device=device))
            self.outlines[name] = nn.Conv2d(WIDTH, 1, 1, device=device)
            self.presence[name] = nn.Linear(2 * WIDTH, 1, device=device)

    def forward(
        self, embedding: torch.Tensor, high_res: Sequence[torch.Tensor], index: torch.Tensor, objects: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of N objects, each on image ``index[n]``: logits of its sketch (N, 1, S/4, S/4), tokens (N, T, C) and the
        logit of its presence (N,).
        """
        shown, row = torch.unique(index, return_inverse=True)
        fine, middle = (level[shown] for level in high_res)
        coarse = self.coarse(_with_places(embedding[shown]))
        maps = self.middle(torch.cat([_doubled(coarse), middle], 1))
        maps = self.fine(torch.cat([_doubled(maps), fine], 1))
        pooled = torch.cat([coarse.mean((2, 3)), coarse.amax((2, 3))], 1)
        names = [str(one) for one in objects]
        sketch = torch.stack([self.outlines[name](maps[n]) for name, n in zip(names, row, strict=True)])
        presence = torch.cat([self.presence[name](pooled[n]) for name, n in zip(names, row, strict=True)])
        return LIMIT * (sketch / LIMIT).tanh(), torch.stack([self.tokens[name] for name in names]), presence


def learn(network: Any, objects: Iterable[int]) -> None:
    """Give a SAM2Base ``network`` prompts of its own for those of the ``objects`` that have none."""
    if not hasattr(network, NAME):
        decoder = network.sam_mask_decoder
        levels = [decoder.conv_s0.out_channels, decoder.conv_s1.out_channels]
        prompts = LearnedPrompts(network.hidden_dim, levels).to(network.no_mem_embed.device)
        setattr(network, NAME, prompts)
    getattr(network, NAME).add(objects)


def learned_by(network: Any) -> tuple[int, ...]:
    """The objects that a network has learned."""
    return getattr(network, NAME).objects if hasattr(network, NAME) else ()


def objects_in(state: Mapping[str, Any]) -> list[int]:
    """The objects whose prompts the weights of a checkpoint hold."""
    return sorted(int(found[1]) for found in map(OBJECT.search, state) if found)


def answer(
    network: Any, features: Any, prompts: Sequence[Prompt | None], index: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """`LearnedPrompts.forward` for learned prompts. Raises `RequestError` for an object that has none."""
    objects, known = [prompt.object_id for prompt in prompts if prompt is not None], learned_by(network)
    if unknown := sorted({*objects} - {*known}):
        there = ", ".join(map(str, known)) or "none"
        raise RequestError(
            f"object {unknown[0]} has no learned prompt (there are: {there}); "
            "usframe run finetune train.parameters=prompt learns it"
        )
    found: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = getattr(network, NAME)(
        features.embedding, features.high_res, index, objects
    )
    return found


def _layer(channels: int, width: int, dilation: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(convolution, nn.GroupNorm(8, width), nn.GELU())


def _doubled(maps: torch.Tensor) -> torch.Tensor:
    return nn.functional.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)


def _with_places(maps: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) with two more channels: how far down and how far across a place is, from -1 to 1."""
    places = [torch.linspace(-1, 1, side, device=maps.device, dtype=maps.dtype) for side in maps.shape[-2:]]
    grid = torch.stack(torch.meshgrid(*places, indexing="ij"))
    return torch.cat([maps, grid.expand(len(maps), -1, -1, -1)], 1)
