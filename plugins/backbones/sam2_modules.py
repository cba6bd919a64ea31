"""The modules of a SAM2Base network as functions of tensors, which a CUDA device plays again (`Replayed`)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.nn import functional as F

from .encoder import Encoder
from .replay import Replayed

NO_OBJECT = -1024.0  # logit of every pixel where the object is absent


class Modules:
    """Of a ``network``, under ``autocast``: images encoded, prompts decoded and slices memorized."""

    def __init__(self, network: Any, autocast: Callable[[], AbstractContextManager[object]]) -> None:
        self.network, self.autocast, self.encoder = network, autocast, Encoder(network)
        self.encode, self.decode, self.memorize = (
            Replayed(network, function) for function in (self._encode, self._decode, self._memorize)
        )

    def _encode(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        with self.autocast():
            embedding, high_res, position = self.encoder(images)
        return embedding, position, *high_res

    def _decode(self, *given: torch.Tensor, names: tuple[str, ...], multimask: bool) -> tuple[torch.Tensor, ...]:
        """What the mask decoder makes of an embedding, its finer maps, and prompts by their ``names``."""
        network, levels = self.network, len(given) - len(names)
        asked = dict(zip(names, given[levels:], strict=True))
        clicks = (asked["xy"], asked["labels"]) if "xy" in asked else None
        with self.autocast():
            sparse, dense = network.sam_prompt_encoder(points=clicks, boxes=None, masks=asked.get("low"))
            if "own" in asked:
                sparse = torch.cat([sparse, asked["own"]], 1)
            answer: tuple[torch.Tensor, ...] = network.sam_mask_decoder(
                image_embeddings=given[0],
                image_pe=network.sam_prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=multimask,
                repeat_image=False,
                high_res_features=given[1:levels],
            )
        return answer

    def _memorize(
        self, embedding: torch.Tensor, logits: torch.Tensor, presence: torch.Tensor, tokens: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        network, present = self.network, (presence > 0)[:, None]
        logits = torch.where(present[..., None, None], logits, NO_OBJECT)
        masks = F.interpolate(logits, scale_factor=4, mode="bilinear", align_corners=False)
        with self.autocast():
            spatial, position = network._encode_new_memory(
                current_vision_feats=[embedding.flatten(2).permute(2, 0, 1)],
                feat_sizes=[embedding.shape[-2:]],
                pred_masks_high_res=masks,
                object_score_logits=presence[:, None],
                is_mask_from_pts=False,
            )
            pointer = network.obj_ptr_proj(tokens[:, 0])
            pointer = present.float() * pointer + (1 - present.float()) * network.no_obj_ptr
        return spatial, position[-1], pointer
