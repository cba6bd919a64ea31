"""Hiera, the trunk of SAM 2's encoder, with its tokens in the order of the windows in which they attend.

Ryali et al., "Hiera: A Hierarchical Vision Transformer without the Bells-and-Whistles", 2023. sam2 keeps tokens in
the rows of the image and copies them into windows and back in every block. But nothing in a block depends on their
order: layers work on each token by itself, and attention knows no position. So here they lie in windows. Those of
the next stage are inside those of the last, and tokens are moved only where windows do not fit into one another.

Blocks whose windows do fit go through one part of the image after another, which stays in the processor's cache.
Where windows reach beyond the map, sam2 projects the padding, too; here its projection is the bias that it is. No
gradients.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch.nn import functional as F

from .derived import Derived

PART = 4096  # tokens of the first stage that go through the first blocks together, on a CPU


class Tokens(NamedTuple):
    """``values`` (B, n n, C) of a map of ``size`` n x n, row by row of windows of ``window`` x ``window``, and in
    each window row by row; windows of 1 x 1 are the rows of the map.
    """

    values: torch.Tensor
    size: int
    window: int

    def maps(self) -> torch.Tensor:
        """(B, C, n, n)."""
        values: torch.Tensor = in_windows(self, 1).values.transpose(1, 2).unflatten(2, (self.size, self.size))
        return values


class Trunk:
    """A ``sam2.modeling.backbones.hieradet.Hiera`` whose first windows divide its map."""

    def __init__(self, trunk: Any) -> None:
        self.trunk, self.derived = trunk, Derived()

    def __call__(self, images: torch.Tensor) -> list[Tokens]:
        """The tokens of every stage of images (B, 3, S, S)."""
        window, local = self.trunk.window_spec[0], nested(self.trunk)
        tokens = self._begin(images, window)
        squares = tokens.values.reshape(-1, window**2, tokens.values.shape[2])
        most = PART // window**2 if images.device.type == "cpu" else len(squares)
        parts = [self._run(range(local), Tokens(part, window, window)) for part in squares.split(most)]

        def joined(pieces: Sequence[Tokens]) -> Tokens:
            values = torch.cat([piece.values for piece in pieces]).view(len(images), -1, pieces[0].values.shape[2])
            return Tokens(values, pieces[0].size * (tokens.size // window), pieces[0].window)

        stages = [joined(pieces) for pieces in zip(*(ends for ends, _ in parts), strict=True)]
        rest, _ = self._run(range(local, len(self.trunk.blocks)), joined([last for _, last in parts]))
        return stages + rest

    def _begin(self, images: torch.Tensor, window: int) -> Tokens:
        """Patches in windows, with the embedding of their places."""
        trunk, maps = self.trunk, self.trunk.patch_embed(images)
        size, weights = maps.shape[1], (self.trunk.pos_embed, self.trunk.pos_embed_window)
        places = self.derived(("places", size), weights, lambda: trunk._get_pos_embed((size, size)))
        return in_windows(Tokens((maps + places).flatten(1, 2), size, 1), window)

    def _run(self, numbers: Iterable[int], tokens: Tokens) -> tuple[list[Tokens], Tokens]:
        """Blocks, by their numbers: what comes out where stages end, and last."""
        ends = []
        for n in numbers:
            tokens = run_block(self.trunk.blocks[n], tokens)
            if n in self.trunk.stage_ends:
                ends.append(tokens)
        return ends, tokens


def nested(trunk: Any) -> int:
    """How many blocks, from the first, look no further than a window of the first stage."""
    window = trunk.window_spec[0]
    for n, block in enumerate(trunk.blocks):
        if block.window_size != window or (block.q_stride and window % 2):
            return n
        window //= 2 if block.q_stride else 1
    return len(trunk.blocks)


def run_block(block: Any, tokens: Tokens) -> Tokens:
    """Attention and layers of a ``MultiScaleBlock``, the tokens pooled where it begins a stage."""
    size, pooled = tokens.size, bool(block.q_stride)
    if fits := block.window_size and size % block.window_size == 0:
        tokens = in_windows(tokens, block.window_size)
    elif pooled and tokens.window % 2:
        tokens = in_windows(tokens, size)
    normed, shortcut = block.norm1(tokens.values), tokens.values
    if block.dim != block.dim_out:
        shortcut = block.proj(normed)
        shortcut = pool(shortcut, tokens.window) if pooled else shortcut
    qkv = block.attn.qkv(normed)
    if fits:
        answer = attend(block.attn, qkv.view(-1, block.window_size**2, qkv.shape[-1]), tokens.window)
        answer = answer.view(len(qkv), -1, answer.shape[-1])
    elif not block.window_size:
        answer = attend(block.attn, qkv, tokens.window)
    else:
        there, back = padded_windows(size, tokens.window, block.window_size, pooled, qkv.device)
        padding = block.attn.qkv.bias.to(qkv.dtype).expand(len(qkv), 1, -1)
        qkv = torch.cat([qkv, padding], 1)[:, there].flatten(0, 1)
        answer = attend(block.attn, qkv, block.window_size).view(len(normed), -1, block.dim_out)[:, back]
    values = shortcut + block.attn.proj(answer)
    values = values + block.mlp(block.norm2(values))
    return Tokens(values, size // 2, tokens.window // 2) if pooled else Tokens(values, size, tokens.window)


def attend(attention: Any, qkv: torch.Tensor, window: int) -> torch.Tensor:
    """Attention in each of T windows (T, N, 3 C), before the last projection; queries pooled as in the block."""
    q, k, v = qkv.unflatten(-1, (3, attention.num_heads, -1)).unbind(2)
    if attention.q_pool:
        q = pool(q.flatten(2), window).unflatten(-1, (attention.num_heads, -1))
    answer = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    return answer.transpose(1, 2).flatten(2)


def pool(values: torch.Tensor, window: int) -> torch.Tensor:
    """The largest of every 2 x 2 tokens of (B, N, C) in windows of an even side."""
    squares = values.unflatten(1, (-1, window // 2, 2, window // 2, 2))
    rows = torch.maximum(squares[:, :, :, 0], squares[:, :, :, 1])
    return torch.maximum(rows[:, :, :, :, 0], rows[:, :, :, :, 1]).flatten(1, 3)


def in_windows(tokens: Tokens, window: int) -> Tokens:
    """The same tokens in other windows, which divide the map."""
    size = tokens.size
    if tokens.window == window or {tokens.window, window} == {1, size}:
        return Tokens(tokens.values, size, window)
    order = between_windows(size, tokens.window, window, tokens.values.device)
    return Tokens(tokens.values[:, order], size, window)


@lru_cache
def between_windows(size: int, window: int, wanted: int, device: torch.device) -> torch.Tensor:
    """Where the tokens in ``wanted`` windows are among those in windows that they have now."""
    return places(size, window).argsort()[places(size, wanted)].to(device)


@lru_cache
def places(size: int, window: int) -> torch.Tensor:
    """Which token, counted in rows of the map, each one in windows is; n n for those beyond the map."""
    whole = -(-size // window) * window
    grid = torch.full((whole, whole), size**2)
    grid[:size, :size] = torch.arange(size**2).view(size, size)
    return grid.unflatten(0, (-1, window)).unflatten(2, (-1, window)).transpose(1, 2).flatten()


@lru_cache
def padded_windows(
    size: int, window: int, wanted: int, pooled: bool, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """From tokens in windows to ``wanted`` ones that reach beyond the map, (T, N), and from these, which may be
    pooled, back.
    """
    own = torch.cat([places(size, window).argsort(), torch.tensor([size**2])])
    there = own[places(size, wanted)].view(-1, wanted**2)
    half = 2 if pooled else 1
    back = places(size // half, wanted // half).argsort()[places(size // half, max(window // half, 1))]
    return there.to(device), back.to(device)
