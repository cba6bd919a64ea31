"""The training loss of decoded masks: the terms that a request names, each with its weight.

Of several candidate masks the best is trained: Ravi et al., "SAM 2", 2024.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

import torch
from torch.nn import functional as F

from usframe.errors import TrainingError, UsframeError
from usframe.plugins.registry import blame
from usframe.types import Decoded, Objective

RIGHT = -30.0  # the logit of a pixel that is certainly none of the object
Losses: TypeAlias = Mapping[str, tuple[Objective, float]]  # name -> loss and its weight


def weigh_losses(decoded: Decoded, truth: torch.Tensor, losses: Losses) -> dict[str, torch.Tensor]:
    """The weighted terms and their ``total`` for N decoded prompts, each a mean over prompts.

    ``truth``: (N, h, w) 0/1, NaN where nobody has judged; logits are interpolated to its size. Of the terms that
    judge each candidate mask, those of the one with the smallest weighted sum are taken, and none where the object
    is not there. Raises `TrainingError` for a loss that fails, or answers something else than (N, M) or (N,).
    """
    logits = F.interpolate(decoded.logits, size=truth.shape[-2:], mode="bilinear", align_corners=False)
    if (unknown := truth.isnan()).any():  # as if the network were right and sure there, so that nothing is learned
        logits = torch.where(unknown[:, None], logits.new_tensor(RIGHT), logits)
        truth = truth.nan_to_num(0.0)
    full = replace(decoded, logits=logits)
    values = {name: _ask(name, loss, full, truth) for name, (loss, _) in losses.items()}
    present, count = truth.flatten(1).any(1).float(), max(len(truth), 1)
    judged = [losses[name][1] * value for name, value in values.items() if value.ndim == 2]
    best = sum(judged[1:], start=judged[0]).argmin(1, keepdim=True) if judged else None
    terms = {}
    for name, value in values.items():
        if value.ndim == 2 and best is not None:
            value = value.gather(1, best)[:, 0] * present
        terms[name] = losses[name][1] * (value.sum() / count)
    return {**terms, "total": torch.stack(list(terms.values())).sum()}


def _ask(name: str, loss: Objective, decoded: Decoded, truth: torch.Tensor) -> torch.Tensor:
    try:
        value = loss(decoded, truth)
    except (UsframeError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise TrainingError(f"loss {name} failed: {blame(error)}") from error
    wanted = (tuple(decoded.iou.shape), (len(truth),))
    if not isinstance(value, torch.Tensor) or tuple(value.shape) not in wanted:
        got = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
        raise TrainingError(
            f"loss {name} returned {got}, not a tensor of (N, M) = {wanted[0]} or (N,) = {wanted[1]}"
        )
    return value
