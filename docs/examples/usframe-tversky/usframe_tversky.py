"""The Tversky loss: what is missed may weigh more than what is too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from usframe import Decoded, hookimpl
from usframe.hookspecs import Register

if TYPE_CHECKING:
    import torch  # large: usframe imports every plugin, and torch only where it is used


def tversky(
    decoded: Decoded, truth: torch.Tensor, *, missed: float = 0.7, extra: float = 0.3, smooth: float = 1.0
) -> torch.Tensor:
    """The Tversky loss of each candidate mask (N, M): what is missed may weigh more than what is too much.

    Salehi et al., "Tversky Loss Function for Image Segmentation", 2017. ``decoded``: its logits (N, M, h, w) have
    the size of ``truth`` (N, h, w), which is from 0 to 1. ``smooth``: pixels added to both sides of the fraction.
    """
    probability, target = decoded.logits.sigmoid(), truth[:, None]
    both = (probability * target).sum((-2, -1))
    too_much = (probability * (1 - target)).sum((-2, -1))
    too_little = ((1 - probability) * target).sum((-2, -1))
    return 1 - (both + smooth) / (both + missed * too_little + extra * too_much + smooth)


@hookimpl
def usframe_register_objectives(register: Register) -> None:
    register("tversky", tversky)
