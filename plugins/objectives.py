"""The losses of SAM 2 and MedSAM2, one value per candidate mask (N, M) or per prompt (N,).

Focal loss: Lin et al., "Focal Loss for Dense Object Detection", 2017. Dice loss: Milletari et al., "V-Net", 2016,
smoothed by one pixel. IoU regression and presence: Ravi et al., "SAM 2", 2024.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from usframe import Decoded


def focal(decoded: Decoded, truth: torch.Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> torch.Tensor:
    """Cross-entropy that dwells on pixels which are wrong, averaged over the pixels of each candidate mask.

    ``alpha``: the share of the loss that belongs to the object; ``gamma``: how little easy pixels count.
    """
    target = _for_each_candidate(decoded, truth)
    bce = F.binary_cross_entropy_with_logits(decoded.logits, target, reduction="none")
    probability = decoded.logits.sigmoid()
    wrong = probability * (1 - target) + (1 - probability) * target
    balance = alpha * target + (1 - alpha) * (1 - target)
    return (balance * wrong**gamma * bce).mean((-2, -1))


def dice(decoded: Decoded, truth: torch.Tensor) -> torch.Tensor:
    """1 - (2 |A B| + 1) / (|A| + |B| + 1) of each candidate mask."""
    target, probability = _for_each_candidate(decoded, truth), decoded.logits.sigmoid()
    overlap = (probability * target).sum((-2, -1))
    return 1 - (2 * overlap + 1) / (probability.sum((-2, -1)) + target.sum((-2, -1)) + 1)


def iou(decoded: Decoded, truth: torch.Tensor) -> torch.Tensor:
    """How far the predicted IoU is from the true one, over all candidates; 0 where the object is not there."""
    target = _for_each_candidate(decoded, truth)
    return (decoded.iou - mask_iou(decoded.logits.detach(), target)).abs().mean(1) * is_present(truth)


def presence(decoded: Decoded, truth: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of whether the object is on the slice."""
    return F.binary_cross_entropy_with_logits(decoded.presence, is_present(truth), reduction="none")


def mask_iou(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """IoU of the masks thresholded at 0, (..., h, w) -> (...); 1 where both are empty."""
    predicted, true = logits > 0, target > 0.5
    union = (predicted | true).sum((-2, -1))
    return torch.where(union > 0, (predicted & true).sum((-2, -1)) / union.clamp(min=1), 1.0)


def is_present(truth: torch.Tensor) -> torch.Tensor:
    """1.0 where an object (N, h, w) has a pixel, else 0.0: (N,)."""
    return truth.flatten(1).any(1).float()


def _for_each_candidate(decoded: Decoded, truth: torch.Tensor) -> torch.Tensor:
    """(N, h, w) as (N, M, h, w)."""
    return truth[:, None].expand_as(decoded.logits)
