"""The training terms of SAM 2 and MedSAM2: focal, Dice, IoU regression and presence.

Focal loss: Lin et al., "Focal Loss for Dense Object Detection", 2017 (alpha 0.25, gamma 2). Dice loss: Milletari et
al., "V-Net", 2016, smoothed by one pixel. Weights 20 : 1 : 1 : 1 and the rule for several candidate masks: Ravi et
al., "SAM 2", 2024.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional as F

from usframe.types import Decoded

WEIGHTS: Mapping[str, float] = {"focal": 20.0, "dice": 1.0, "iou": 1.0, "presence": 1.0}


def focal_loss(
    logits: torch.Tensor, target: torch.Tensor, *, alpha: float = 0.25, gamma: float = 2.0
) -> torch.Tensor:
    """Focal loss per mask, averaged over pixels: ``logits`` and ``target`` (..., h, w) -> (...)."""
    bce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    probability = logits.sigmoid()
    wrong = probability * (1 - target) + (1 - probability) * target
    balance = alpha * target + (1 - alpha) * (1 - target)
    return (balance * wrong**gamma * bce).mean((-2, -1))


def dice_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """1 - (2 |A B| + 1) / (|A| + |B| + 1) per mask: ``logits`` and ``target`` (..., h, w) -> (...)."""
    probability = logits.sigmoid()
    overlap = (probability * target).sum((-2, -1))
    return 1 - (2 * overlap + 1) / (probability.sum((-2, -1)) + target.sum((-2, -1)) + 1)


def mask_iou(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """IoU of the masks thresholded at 0, (..., h, w) -> (...); 1 where both are empty."""
    predicted, true = logits > 0, target > 0.5
    union = (predicted | true).sum((-2, -1))
    return torch.where(union > 0, (predicted & true).sum((-2, -1)) / union.clamp(min=1), 1.0)


def mask_losses(
    decoded: Decoded, target: torch.Tensor, weights: Mapping[str, float] = WEIGHTS
) -> dict[str, torch.Tensor]:
    """The weighted terms and their ``total`` for N decoded prompts, each a mean over prompts.

    ``target``: (N, h, w) 0/1; logits are interpolated to its size. A prompt whose target is empty trains the
    presence term only. Of several candidate masks the one with the smallest focal + Dice is trained; the
    predicted IoU of every candidate is.
    """
    logits = F.interpolate(decoded.logits, size=target.shape[-2:], mode="bilinear", align_corners=False)
    truth = target[:, None].expand_as(logits)
    present = target.flatten(1).any(1).float()
    focal, dice = focal_loss(logits, truth), dice_loss(logits, truth)
    best = (weights["focal"] * focal + weights["dice"] * dice).argmin(1, keepdim=True)
    iou_error = (decoded.iou - mask_iou(logits.detach(), truth)).abs().mean(1)
    count = max(len(target), 1)
    terms = {
        "focal": (focal.gather(1, best)[:, 0] * present).sum() / count,
        "dice": (dice.gather(1, best)[:, 0] * present).sum() / count,
        "iou": (iou_error * present).sum() / count,
        "presence": F.binary_cross_entropy_with_logits(decoded.presence, present),
    }
    terms = {name: weights[name] * term for name, term in terms.items()}
    return {**terms, "total": torch.stack(list(terms.values())).sum()}
