"""SAM 2 driven as the published scripts drive it, for `benchmarks/speed.py`: what people would run without usframe.

One slice, one prompt, float32: encode, decode, next. Propagation in the order of calls of sam2's video predictor,
which MedSAM2's inference uses: a prompted slice is answered and remembered, then the volume is walked to its end,
each slice encoded once for all objects and tracked for one object after the other; then all of it anew, to the
first slice. Only ``SAM2Base`` is called, slices are as large as the network's input, and memories stay float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from usframe import Prompt

MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
Masks = NDArray[np.bool_]
Logits = NDArray[np.float32]


class PlainSam2:
    """A ``SAM2Base`` network and slices (D, S, S) uint8."""

    def __init__(self, network: Any, slices: NDArray[np.uint8]) -> None:
        self.network, self.slices = network, slices
        self.device = next(network.parameters()).device

    @torch.inference_mode()
    def segment(self, prompts: Sequence[Prompt]) -> tuple[Masks, Logits]:
        """Masks (N, S, S) and logits (N, S/4, S/4), each slice encoded for its prompt."""
        logits = [self.logits(prompt) for prompt in prompts]
        masks = np.stack([full_size(one) for one in logits])
        return masks, np.concatenate([one[:, 0].cpu().numpy() for one in logits])

    def logits(self, prompt: Prompt) -> torch.Tensor:
        """(1, 1, S/4, S/4), with gradients to the decoder alone."""
        network = self.network
        with torch.no_grad():
            _, features, _, sizes = network._prepare_backbone_features(self._encode(prompt.frame))
        features[-1] = features[-1] + network.no_mem_embed
        *high_res, embedding = (
            one.permute(1, 2, 0).view(1, -1, *size) for one, size in zip(features, sizes, strict=True)
        )
        drawn = None
        if prompt.mask is not None:
            mask = torch.as_tensor(prompt.mask, device=self.device)[None, None].float() * 20 - 10
            drawn = F.interpolate(mask, scale_factor=0.25, mode="bilinear", antialias=True)
        clicks = clicks_of(prompt, self.device)
        sparse, dense = network.sam_prompt_encoder(
            points=(clicks["point_coords"], clicks["point_labels"]) if clicks else None, boxes=None, masks=drawn
        )
        logits, iou, _, _ = network.sam_mask_decoder(
            image_embeddings=embedding,
            image_pe=network.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=drawn is None and bool(clicks) and clicks["point_labels"].shape[1] == 1,
            repeat_image=False,
            high_res_features=high_res,
        )
        best: torch.Tensor = logits[:, iou[0].argmax()][:, None]
        return best

    @torch.inference_mode()
    def propagate(self, prompts: Sequence[Prompt]) -> tuple[Masks, Logits]:
        """Masks (O, D, S, S) and logits (O, D, S/4, S/4) of objects that are prompted on the same slice."""
        depth, side, _ = self.slices.shape
        masks = np.zeros((len(prompts), depth, side, side), bool)
        logits = np.zeros((len(prompts), depth, side // 4, side // 4), np.float32)
        first = prompts[0].frame
        for reverse in (False, True):
            known: list[dict[str, dict[int, Any]]] = []
            features = self._features(first)
            for prompt in prompts:
                known.append({"cond_frame_outputs": {}, "non_cond_frame_outputs": {}})
                answer = self._track(first, features, known[-1], clicks_of(prompt, self.device), reverse=False)
                known[-1]["cond_frame_outputs"][first] = answer
            for frame in range(first, -1, -1) if reverse else range(first, len(self.slices)):
                features = features if frame == first else self._features(frame)
                for row, outputs in enumerate(known):
                    if frame != first:
                        answer = self._track(frame, features, outputs, None, reverse)
                        outputs["non_cond_frame_outputs"][frame] = answer
                    answer = outputs["cond_frame_outputs" if frame == first else "non_cond_frame_outputs"][frame]
                    masks[row, frame] = full_size(answer["pred_masks"])
                    logits[row, frame] = answer["pred_masks"][0, 0].cpu().numpy()
        return masks, logits

    def _track(
        self, frame: int, features: Any, outputs: dict[str, Any], clicks: dict[str, Any] | None, reverse: bool
    ) -> dict[str, Any]:
        vectors, positions, sizes = features
        answer: dict[str, Any] = self.network.track_step(
            frame_idx=frame,
            is_init_cond_frame=clicks is not None,
            current_vision_feats=vectors,
            current_vision_pos_embeds=positions,
            feat_sizes=sizes,
            point_inputs=clicks,
            mask_inputs=None,
            output_dict=outputs,
            num_frames=len(self.slices),
            track_in_reverse=reverse,
        )
        return answer

    def _features(self, frame: int) -> tuple[Any, Any, Any]:
        _, vectors, positions, sizes = self.network._prepare_backbone_features(self._encode(frame))
        return vectors, positions, sizes

    def _encode(self, frame: int) -> Any:
        picture = np.repeat(self.slices[frame][..., None], 3, 2).astype(np.float32) / 255
        picture = (picture - np.float32(MEAN)) / np.float32(DEVIATION)
        return self.network.forward_image(torch.from_numpy(picture.transpose(2, 0, 1).copy())[None].to(self.device))


def full_size(logits: torch.Tensor) -> Masks:
    """(S, S) of logits (1, 1, S/4, S/4)."""
    full = F.interpolate(logits.float(), scale_factor=4, mode="bilinear", align_corners=False)
    mask: Masks = (full[0, 0] > 0).cpu().numpy()
    return mask


def clicks_of(prompt: Prompt, device: torch.device) -> dict[str, torch.Tensor] | None:
    """Corners of the box, then points, as SAM 2 takes them; None where there are neither."""
    parts = [(prompt.box.reshape(2, 2), [2, 3])] if prompt.box is not None else []
    parts += [(prompt.points, prompt.point_labels)] if prompt.points is not None else []
    if not parts:
        return None
    places, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    return {
        "point_coords": torch.as_tensor(places, dtype=torch.float32, device=device)[None],
        "point_labels": torch.as_tensor(labels, dtype=torch.int32, device=device)[None],
    }
