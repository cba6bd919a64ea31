"""usframe's four verbs on ``sam2.modeling.sam2_base.SAM2Base``.

Ravi et al., "SAM 2: Segment Anything in Images and Videos", 2024. The package sam2 brings the network; its
predictors are not used, because they fix 1024-pixel feature sizes.

Of what ``SAM2Base`` does not promise, `Sam2Backbone` calls ``_encode_new_memory`` and
``_prepare_memory_conditioned_features`` and reads ``no_mem_embed``, ``no_obj_ptr``, ``obj_ptr_proj``,
``mask_downsample``, ``sam_prompt_encoder``, ``sam_mask_decoder`` and ``image_encoder.trunk.blocks``, as they are
in sam2 1.1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.utils.checkpoint
from torch.nn import functional as F

from usframe import Decoded, Memory, Prompt

from . import learned_prompts
from .memory_bank import MemoryBank, look_back
from .precision import autocast, narrow
from .sam2_modules import Modules
from .sam2_prompts import ONLY_MASK, Kind, clicks_of, kind_of, no_clicks, stacked_masks


@dataclass(frozen=True, eq=False)
class Sam2Features:
    """``embedding`` (B, C, S/16, S/16); ``high_res`` at S/4 and S/8; ``position`` like the embedding."""

    embedding: torch.Tensor
    high_res: tuple[torch.Tensor, ...]
    position: torch.Tensor
    conditioned: bool = False

    def __getitem__(self, rows: slice) -> Sam2Features:
        high_res = tuple(level[rows] for level in self.high_res)
        return Sam2Features(self.embedding[rows], high_res, self.position[rows], self.conditioned)


class Sam2Backbone:
    """usframe's four verbs on a SAM2Base network (see `usframe.types.MemoryBackbone`)."""

    def __init__(self, network: Any, checkpoint: Path | None, device: str, precision: str) -> None:
        self.module = network.to(device).eval()
        self.checkpoint = checkpoint
        self.image_size: int = network.image_size
        self.device = torch.device(device)
        self.precision = precision
        self.modules, self.bank = Modules(network, self._autocast), MemoryBank(network, self._autocast)
        narrow(network, precision)

    def encode(self, images: torch.Tensor) -> Sam2Features:
        images = images.to(self.device)
        if not self._as_sam2:
            embedding, position, *high_res = self.modules.encode(images)
            return Sam2Features(embedding, tuple(high_res), position)
        with self._autocast():
            output = self.module.forward_image(images)
        *high_res, embedding = output["backbone_fpn"]
        return Sam2Features(embedding, tuple(high_res), output["vision_pos_enc"][-1])

    def decode(
        self,
        features: Sam2Features,
        prompts: Sequence[Prompt | None],
        index: Sequence[int],
        *,
        multimask: bool = False,
        keep_masks: bool = False,
    ) -> Decoded:
        """Prompts of one kind go through the decoder together; padding other kinds would change the answer."""
        groups: dict[Kind, list[int]] = defaultdict(list)
        for n, prompt in enumerate(prompts):
            groups[kind_of(prompt)].append(n)
        parts = [
            self._decode_alike(
                features, [prompts[n] for n in members], [index[n] for n in members], multimask, keep_masks
            )
            for members in groups.values()
        ]
        if len(parts) == 1:
            return Decoded(*parts[0])
        order = torch.tensor([n for members in groups.values() for n in members], device=self.device).argsort()
        tensors = (torch.cat(column)[order] for column in zip(*(part[:4] for part in parts), strict=True))
        return Decoded(*tensors)

    def _decode_alike(
        self,
        features: Sam2Features,
        prompts: Sequence[Prompt | None],
        index: Sequence[int],
        multimask: bool,
        keep_masks: bool,
    ) -> tuple[Any, ...]:
        network, rows = self.module, torch.tensor(index, device=self.device)
        embedding, masks = features.embedding, stacked_masks(prompts, self.device)
        kept = keep_masks and kind_of(prompts[0]) == ONLY_MASK
        learned = prompts[0] is not None and prompts[0].learned
        if not (features.conditioned or kept):
            embedding = embedding + network.no_mem_embed.view(1, -1, 1, 1).to(embedding.dtype)
        clicks = clicks_of(prompts, self.device)
        if clicks is None and (kept or prompts[0] is None):
            clicks = no_clicks(len(prompts), self.device)
        with self._autocast():
            low = (
                None if masks is None else network.mask_downsample(masks) if kept else _resized(masks * 20 - 10, 4)
            )
            own = seen = None
            if learned:
                low, own, seen = learned_prompts.answer(network, features, prompts, rows)
        asked = {"xy": clicks and clicks[0], "labels": clicks and clicks[1], "low": low, "own": own}
        given = {name: one for name, one in asked.items() if one is not None}
        maps = [_of(level, rows) for level in (embedding, *features.high_res)]
        logits, iou, tokens, presence = self.modules.decode(
            *maps, *given.values(), names=tuple(given), multimask=multimask and not kept
        )
        if kept and masks is not None:
            logits, iou = _resized(masks * 20 - 10, 4), torch.ones_like(iou)
            presence = torch.full_like(presence, 10.0)
        if seen is not None:
            presence = seen[:, None]
        tokens = tokens.expand(-1, logits.shape[1], -1)
        sketch = low.float() if learned and low is not None else None
        return logits.float(), iou.float(), presence.float()[:, 0], tokens.float(), sketch

    def memorize(self, features: Sam2Features, decoded: Decoded) -> dict[str, Any]:
        """Spatial memory and object pointer of O objects, as SAM2Base keeps them for a tracked frame."""
        assert decoded.tokens is not None
        spatial, position, pointer = self.modules.memorize(
            features.embedding, decoded.logits, decoded.presence, decoded.tokens
        )
        return {"maskmem_features": spatial, "maskmem_pos_enc": [position], "obj_ptr": pointer}

    def condition(
        self,
        features: Sam2Features,
        memories: Sequence[Memory],
        *,
        frame: int,
        length: int,
        reverse: bool = False,
    ) -> Sam2Features:
        """Memory attention over the prompted slices, the last six others, and the object pointers."""
        if self._as_sam2:
            fused = self._condition_as_sam2(features, memories, frame, length, reverse)
        else:
            seen = look_back(self.module, memories, frame, length, reverse)
            fused = self.bank.fuse(features.embedding, features.position, seen)
        return replace(features, embedding=fused, conditioned=True)

    def _condition_as_sam2(
        self, features: Sam2Features, memories: Sequence[Memory], frame: int, length: int, reverse: bool
    ) -> torch.Tensor:
        """The same with the modules of sam2 as they are, which gradients go through."""
        prompted = {memory.frame: memory.content for memory in memories if memory.prompted}
        others = {memory.frame: memory.content for memory in memories if not memory.prompted}
        objects = len(memories[0].content["obj_ptr"])
        with self._autocast():
            fused: torch.Tensor = self.module._prepare_memory_conditioned_features(
                frame_idx=frame,
                is_init_cond_frame=False,
                current_vision_feats=[_flat(features.embedding).expand(-1, objects, -1)],
                current_vision_pos_embeds=[_flat(features.position).expand(-1, objects, -1)],
                feat_sizes=[features.embedding.shape[-2:]],
                output_dict={"cond_frame_outputs": prompted, "non_cond_frame_outputs": others},
                num_frames=length,
                track_in_reverse=reverse,
            )
        return fused

    @property
    def learned(self) -> tuple[int, ...]:
        return learned_prompts.learned_by(self.module)

    def learn(self, objects: Iterable[int]) -> None:
        learned_prompts.learn(self.module, objects)

    def part_of(self, name: str) -> str:
        """``encoder`` is all that `encode` uses, two convolutions of the mask decoder included."""
        if name.startswith(("image_encoder.", "sam_mask_decoder.conv_s")):
            return "encoder"
        if name.startswith(learned_prompts.NAME):
            return "prompt"
        return "decoder" if name.startswith(("sam_", "no_mem_embed")) else "memory"

    def depth_of(self, name: str) -> float:
        """Where in the trunk of the encoder a parameter is, from 0 (patches) to 1 (last block, neck and after)."""
        _, found, rest = name.partition("trunk.blocks.")
        if found:
            return (int(rest.split(".")[0]) + 1) / len(self.module.image_encoder.trunk.blocks)
        return 0.0 if ".trunk." in name else 1.0

    def checkpoint_encoder(self) -> None:
        """Recompute the trunk's blocks in the backward pass instead of keeping what they computed."""
        for block in self.module.image_encoder.trunk.blocks:
            block.forward = partial(torch.utils.checkpoint.checkpoint, block.forward, use_reentrant=False)

    @property
    def _as_sam2(self) -> bool:
        """Whether the modules of sam2 have to run as they are: gradients go through them, and hooks and dropout."""
        return torch.is_grad_enabled() or self.module.training

    def _autocast(self) -> AbstractContextManager[object]:
        return autocast(self.device, self.precision)


def _resized(masks: torch.Tensor, stride: int) -> torch.Tensor:
    size = (masks.shape[-2] // stride, masks.shape[-1] // stride)
    return F.interpolate(masks, size=size, mode="bilinear", antialias=True)


def _of(maps: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """The maps of N prompts; those of one image are not copied."""
    return maps.expand(len(rows), -1, -1, -1) if len(maps) == 1 else maps[rows]


def _flat(maps: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) -> (h w, B, C)."""
    return maps.flatten(2).permute(2, 0, 1)
