"""Weights while they are trained: their moving average, and the files they are kept in."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save
from torch.optim.swa_utils import AveragedModel

from usframe.files import write_file
from usframe.lora import plain_state
from usframe.types import Backbone


def save_weights(backbone: Backbone, out: Path, name: str) -> None:
    """NAME.pt as MedSAM2 stores it, ``{"model": state_dict}``, and NAME.safetensors with half the precision.

    Each is whole or not there. Raises `WriteError`.
    """
    state = {key: value.detach().cpu().contiguous() for key, value in plain_state(backbone.module).items()}
    whole = io.BytesIO()
    torch.save({"model": state}, whole)
    write_file(out / f"{name}.pt", whole.getvalue())
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    write_file(out / f"{name}.safetensors", save(half))


def moving_average(decay: float) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor | int], torch.Tensor]:
    """An exponential moving average of weights that forgets faster while it is young; ``decay`` 0 is none."""

    def update(average: torch.Tensor, value: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
        return torch.lerp(average, value, 1 - min(decay, (1 + int(count)) / (10 + int(count))))

    return update


@contextmanager
def averaged(backbone: Backbone, average: AveragedModel | None) -> Iterator[None]:
    """The backbone with the averaged weights, for as long as it is scored and saved."""
    live, backbone.module = backbone.module, average.module if average else backbone.module
    try:
        yield
    finally:
        backbone.module = live
