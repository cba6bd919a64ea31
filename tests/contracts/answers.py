"""What a backbone answered, looked at: shapes, sameness, gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from usframe import Backbone, Decoded


def is_trainable(backbone: Backbone) -> bool:
    """Whether any parameter of its module requires a gradient."""
    return any(parameter.requires_grad for parameter in backbone.module.parameters())


def check_decoded(backbone: Backbone, decoded: Decoded, prompts: int, masks: int) -> None:
    """Shapes, types and device as `usframe.Decoded` states them."""
    side = backbone.image_size // 4
    assert decoded.logits.shape == (prompts, masks, side, side)
    assert decoded.iou.shape == (prompts, masks)
    assert decoded.presence.shape == (prompts,)
    assert decoded.tokens is None or decoded.tokens.shape[:2] == (prompts, masks)
    place = next((parameter.device for parameter in backbone.module.parameters()), torch.device("cpu"))
    for name in ("logits", "iou", "presence"):
        values = getattr(decoded, name)
        assert values.dtype == torch.float32, name
        assert torch.isfinite(values).all(), name
        assert values.device == place, name


def with_presence(decoded: Decoded, logit: float) -> Decoded:
    """The same masks, of objects that are surely there (or not), whatever random weights believe."""
    return Decoded(decoded.logits, decoded.iou, torch.full_like(decoded.presence, logit), decoded.tokens)


def assert_same(answer: Decoded, other: Decoded, rows: Sequence[int], atol: float) -> None:
    """Whether ``answer`` is what ``other`` has in ``rows``."""
    for name in ("logits", "iou", "presence"):
        difference = (getattr(answer, name) - getattr(other, name)[list(rows)]).abs().max().item()
        assert difference <= atol, f"{name} differ by {difference:g}"


def backward(backbone: Backbone, decoded: Decoded) -> list[torch.Tensor]:
    """Gradients of everything decoded, all of them finite."""
    backbone.module.zero_grad()
    (decoded.logits.mean() + decoded.iou.mean() + decoded.presence.mean()).backward()
    gradients = [parameter.grad for parameter in backbone.module.parameters() if parameter.grad is not None]
    assert gradients, "no parameter has a gradient"
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    backbone.module.zero_grad()
    return gradients
