"""The numbers that a network computes with: fp32, or less where that is safe."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

NARROW = {"bf16": torch.bfloat16, "fp16": torch.float16}
LAYERS = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """What computes matrix products and convolutions in ``precision``, and the rest as it should be."""
    dtype = NARROW.get(precision)
    return torch.autocast(device.type, dtype) if dtype else nullcontext()


def narrow(network: torch.nn.Module, precision: str) -> None:
    """Give the layers that `autocast` computes in ``precision`` their weights in it, once and not at every call."""
    if dtype := NARROW.get(precision):
        for layer in network.modules():
            if isinstance(layer, LAYERS):
                layer.to(dtype)
