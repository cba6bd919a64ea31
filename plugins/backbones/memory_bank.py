"""Memory attention of SAM 2 over slices whose keys are projected once, when they are first looked at.

The layers of ``sam2.modeling.memory_attention`` with the same answer, in fewer steps:

- The key of a place is R (W (m + p + t) + b), turned by its position, of the memory m, its place p and its age t.
  Only t changes while the volume is walked, so R (W (m + p) + b) stays with the memory, and R W t is in a table.
- Its value is V m + c, and attention is a mean: A (V m + c) = V (A m) + c. So all layers have the memories
  themselves for values, which are a quarter as wide.
- What objects on a slice share (its features, the first layer's self-attention and queries) is computed once.

That holds for one attention head and the options that all configurations of SAM 2.1 share. No gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from sam2.modeling.sam2_utils import get_1d_sine_pe, select_closest_cond_frames
from torch.nn import functional as F

from usframe import Memory

from .derived import Derived
from .replay import Replayed

ROWS = 256  # queries, of all objects, that are compared with the keys at a time: their scores stay in the cache
KEPT = 32  # memories whose keys are kept, of those that a slice sees; a volume of prompts would fill the machine


class Seen(NamedTuple):
    """What a slice sees of the others.

    ``memories``: the row of their age in ``maskmem_tpos_enc``, and contents; ``pointers``: how many slices ago, as
    a share of the longest time, and object pointers (O, C).
    """

    memories: list[tuple[int, dict[str, Any]]]
    pointers: list[tuple[float, torch.Tensor]]


def look_back(network: Any, memories: Sequence[Memory], frame: int, length: int, reverse: bool) -> Seen:
    """What SAM 2 attends to: the nearest prompted slices, the last six others, and pointers of up to sixteen.

    Keys of memories that are out of sight are forgotten.
    """
    prompted = {memory.frame: memory.content for memory in memories if memory.prompted}
    near, far = select_closest_cond_frames(frame, prompted, network.max_cond_frames_in_attn)
    walked = far | {memory.frame: memory.content for memory in memories if not memory.prompted}
    past = 1 if reverse else -1
    ages = [age for age in range(network.num_maskmem - 1, 0, -1) if frame + past * age in walked]
    seen = [(age - 1, walked[frame + past * age]) for age in ages]
    seen += [(network.num_maskmem - 1, content) for content in near.values()]
    for content in walked.values():
        if all(content is not one for _, one in seen):
            content.pop("keys", None)
    longest = min(length, network.max_obj_ptrs_in_encoder) - 1
    ago = [(past * (when - frame), content) for when, content in near.items() if past * (when - frame) >= 0]
    ago += [(age, walked[frame + past * age]) for age in range(1, longest + 1) if frame + past * age in walked]
    return Seen(seen, [(age / longest, content["obj_ptr"]) for age, content in ago])


class MemoryBank:
    """The memory attention of a SAM2Base ``network``, under ``autocast``."""

    def __init__(self, network: Any, autocast: Callable[[], AbstractContextManager[object]]) -> None:
        self.network, self.autocast = network, autocast
        self.derived = Derived()
        self.layers, self.projected = Replayed(network, self._layers), Replayed(network, self._project)

    def fuse(self, embedding: torch.Tensor, position: torch.Tensor, seen: Seen) -> torch.Tensor:
        """The embedding of a slice (1, C, h, w) with what it sees of O objects: (O, C, h, w)."""
        contents = [content for _, content in seen.memories]
        keys = [self._keys(content, at < KEPT) for at, content in enumerate(contents)]
        memories = [content["maskmem_features"] for content in contents]
        ages = torch.tensor([age for age, _ in seen.pointers], device=embedding.device)
        pointers = [pointer for _, pointer in seen.pointers]
        known = tuple(age for age, _ in seen.memories)
        given = (embedding, position, ages, *memories, *pointers, *(key for one in keys for key in one))
        return self.layers(*given, ages=known, pointers=len(pointers))[0]

    def _layers(self, *given: torch.Tensor, ages: tuple[int, ...], pointers: int) -> tuple[torch.Tensor]:
        """What `fuse` gives: embedding, position, ages of pointers, memories, pointers and keys of each memory."""
        attention, count = self.network.memory_attention, len(ages)
        embedding, position, ago, rest = *given[:3], given[3:]
        memories, keys = [_flat(one) for one in rest[:count]], rest[count + pointers :]
        with self.autocast():
            tokens, times = self._pointers(rest[count : count + pointers], ago, memories[0])
            values = torch.cat([*memories, tokens], 1)
            x = _flat(embedding) + 0.1 * _flat(position)
            for n, layer in enumerate(attention.layers):
                normed, cross = layer.norm1(x), layer.cross_attn_image
                x = x + layer.self_attn(normed, normed, normed)
                queries = turn(cross.q_proj(layer.norm2(x)), self._turns(cross, embedding.shape[-2:]))
                added = self._ages(n, cross, embedding.shape[-2:])
                own = keys[n :: len(attention.layers)]
                known = aged(own, [added[age] for age in ages], cross.k_proj(tokens + times))
                x = x + cross.out_proj(cross.v_proj(attend(queries, known, values)))
                x = x + layer.linear2(layer.activation(layer.linear1(layer.norm3(x))))
            return (attention.norm(x).transpose(1, 2).unflatten(2, embedding.shape[-2:]),)

    def _pointers(
        self, pointers: Sequence[torch.Tensor], ago: torch.Tensor, like: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Object pointers cut into tokens as wide as a memory (O, P, M), and the encoding of their ages (P, M)."""
        network = self.network
        if not pointers:
            return like[:, :0], like[0, :0]
        pieces = network.hidden_dim // network.mem_dim
        encoded = network.obj_ptr_tpos_proj(get_1d_sine_pe(ago, dim=network.hidden_dim))
        tokens = torch.stack(list(pointers), 1).unflatten(2, (pieces, -1)).flatten(1, 2)
        return tokens.to(like.dtype), encoded.repeat_interleave(pieces, 0).to(like.dtype)

    def _keys(self, content: dict[str, Any], keep: bool) -> tuple[torch.Tensor, ...]:
        """The keys of a memory in every layer, but for its age: (O, h w, C)."""
        if "keys" in content:
            kept: tuple[torch.Tensor, ...] = content["keys"]
            return kept
        keys = self.projected(content["maskmem_features"], content["maskmem_pos_enc"][-1])
        if keep:
            content["keys"] = keys
        return keys

    def _project(self, memory: torch.Tensor, place: torch.Tensor) -> tuple[torch.Tensor, ...]:
        size, placed = memory.shape[-2:], _flat(memory) + _flat(place)
        crosses = [layer.cross_attn_image for layer in self.network.memory_attention.layers]
        with self.autocast():
            return tuple(turn(cross.k_proj(placed), self._turns(cross, size)) for cross in crosses)

    def _ages(self, n: int, cross: Any, size: torch.Size) -> torch.Tensor:
        """What every age adds to the keys of layer ``n``: (ages, h w, C)."""
        encoded, weight = self.network.maskmem_tpos_enc, cross.k_proj.weight

        def make() -> torch.Tensor:
            turned = self._turns(cross, size)
            return turn(F.linear(encoded.flatten(1, 2), weight).expand(-1, len(turned), -1), turned)

        return self.derived(("ages", n, size), (encoded, weight), make)

    def _turns(self, cross: Any, size: torch.Size) -> torch.Tensor:
        """The rotary encoding of every place, (h w, C / 2) complex."""
        height, width = size
        where = self.network.maskmem_tpos_enc
        return self.derived(
            ("turns", size), (where,), lambda: cross.compute_cis(end_x=width, end_y=height).to(where.device)
        )


def aged(own: Sequence[torch.Tensor], added: Sequence[torch.Tensor], pointers: torch.Tensor) -> torch.Tensor:
    """The keys of one layer (O, N, C) in the order of the values: each memory's own with its age, then pointers."""
    count, places, width = own[0].shape
    keys = own[0].new_empty(count, places * len(own) + pointers.shape[1], width)
    for at, (one, age) in enumerate(zip(own, added, strict=True)):
        torch.add(one, age, out=keys[:, at * places : (at + 1) * places])
    keys[:, places * len(own) :] = pointers
    return keys


def attend(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Attention (O, Q, V) of one head, of queries (1 or O, Q, C) to keys (O, N, C) of narrower values (O, N, V).

    torch has no fused attention for such values on a CPU, where parts of the queries take less than it would.
    """
    queries = queries.expand(len(keys), -1, -1)
    if keys.device.type != "cpu":
        queries, values = queries.contiguous(), values.contiguous()  # cuDNN takes no others
        fused = F.scaled_dot_product_attention(queries[:, None], keys[:, None], values[:, None])
        return fused[:, 0]
    turned = (keys.shape[-1] ** -0.5 * queries).split(max(ROWS // len(keys), 1), 1)
    return torch.cat([((part @ keys.mT).softmax(-1)) @ values for part in turned], 1)


def turn(x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Rotary encoding: pairs of channels of (B, N, C) turned as complex numbers (N, C / 2)."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * turns).flatten(-2).to(x.dtype)


def _flat(maps: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) -> (B, h w, C)."""
    return maps.flatten(2).transpose(1, 2)
