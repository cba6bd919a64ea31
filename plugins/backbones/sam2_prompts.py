"""Prompts as SAM 2 takes them: clicks, box corners and masks as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch

from usframe import Prompt

Kind: TypeAlias = tuple[int, bool, bool, bool]
ONLY_MASK: Kind = (0, False, True, False)


def kind_of(prompt: Prompt | None) -> Kind:
    """(number of points, has a box, has a mask, is learned): prompts alike in these are decoded as one batch."""
    if prompt is None:
        return 0, False, False, False
    points = 0 if prompt.points is None else len(prompt.points)
    return points, prompt.box is not None, prompt.mask is not None, prompt.learned


def clicks_of(prompts: Sequence[Prompt | None], device: torch.device) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Points of N prompts alike, (N, P, 2) xy and (N, P) labels; None where they have neither points nor a box.

    A box is its two corners, with the labels 2 and 3, in front of the points.
    """
    points, corners, _, _ = kind_of(prompts[0])
    if not points and not corners:
        return None
    xy, labels = [], []
    for prompt in prompts:
        assert prompt is not None
        if prompt.box is not None:
            xy.append(prompt.box.reshape(2, 2))
            labels.append(np.array([2, 3]))
        if prompt.points is not None and prompt.point_labels is not None:
            xy.append(prompt.points)
            labels.append(prompt.point_labels)
    return (
        torch.as_tensor(np.concatenate(xy), dtype=torch.float32, device=device).view(len(prompts), -1, 2),
        torch.as_tensor(np.concatenate(labels), dtype=torch.int32, device=device).view(len(prompts), -1),
    )


def no_clicks(count: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """SAM's padding for a tracked frame: one point with the label -1."""
    return torch.zeros(count, 1, 2, device=device), -torch.ones(count, 1, dtype=torch.int32, device=device)


def stacked_masks(prompts: Sequence[Prompt | None], device: torch.device) -> torch.Tensor | None:
    """(N, 1, S, S) float32, 0 and 1; None where the prompts have no masks."""
    masks = [prompt.mask for prompt in prompts if prompt is not None and prompt.mask is not None]
    return torch.as_tensor(np.stack(masks), device=device)[:, None].float() if masks else None
