"""Low-rank adapters: a few trained numbers beside each frozen matrix, added into it when the weights are saved.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2022: W + B A with B zero at the start.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.utils import parametrize

ORIGINAL, ADAPTER = "parametrizations.weight.original", "parametrizations.weight.0."
FACTOR = f"{ADAPTER}a"


class Adapter(torch.nn.Module):
    """Adds B A to a matrix (out, in): ``a`` (rank, in) starts random, ``b`` (out, rank) at zero."""

    def __init__(self, weight: torch.Tensor, rank: int) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        self.a = torch.nn.Parameter(torch.empty(rank, inputs, device=weight.device))
        self.b = torch.nn.Parameter(torch.zeros(outputs, rank, device=weight.device))
        torch.nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + self.b @ self.a


def add_adapters(module: torch.nn.Module, rank: int, wanted: Callable[[str], bool]) -> None:
    """Give every linear layer whose name is ``wanted`` an adapter; its own weights can then stay frozen."""
    layers = [(name, part) for name, part in module.named_modules() if isinstance(part, torch.nn.Linear)]
    for name, layer in layers:
        if wanted(name):
            parametrize.register_parametrization(layer, "weight", Adapter(layer.weight, rank))


def is_adapter(name: str) -> bool:
    """Whether a parameter of this name belongs to an adapter."""
    return ADAPTER in name


def merge_adapters(module: torch.nn.Module) -> None:
    """Add every adapter into its matrix and take it away."""
    for part in list(module.modules()):
        if isinstance(part, torch.nn.Linear) and parametrize.is_parametrized(part):
            parametrize.remove_parametrizations(part, "weight", leave_parametrized=True)


def plain_state(module: torch.nn.Module) -> dict[str, Any]:
    """The state dict of the module as it would be without adapters, their sums in the matrices."""
    state: dict[str, Any] = {}
    for name, value in module.state_dict().items():
        if name.endswith(ORIGINAL):
            layer: Any = module.get_submodule(name.removesuffix(f".{ORIGINAL}"))
            state[name.replace(ORIGINAL, "weight")] = layer.weight.detach()
        elif not is_adapter(name):
            state[name] = value
    return state
