"""Weights while they are trained: averages in time and with the start, and the files they are kept in."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save

from usframe.files import write_file
from usframe.training.lora import FACTOR, plain_state
from usframe.types import Backbone


def save_weights(backbone: Backbone, out: Path, name: str) -> None:
    """NAME.pt as MedSAM2 stores it, ``{"model": state_dict}``, and NAME.safetensors with half the precision.

    Each is whole or not there. Raises `WriteError`.
    """
    state = {key: value.detach().cpu().contiguous() for key, value in plain_state(backbone.module).items()}
    write_weights(out / f"{name}.pt", state, half=False)
    write_weights(out / f"{name}.safetensors", state, half=True)


def write_weights(path: Path, state: Mapping[str, torch.Tensor], *, half: bool) -> None:
    """A state dict as a .safetensors, or in MedSAM2's layout as any other file, ``half``: in half precision.

    Raises `WriteError`.
    """
    if half:
        state = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    if path.suffix == ".safetensors":
        write_file(path, save(dict(state)))
    else:
        whole = io.BytesIO()
        torch.save({"model": state}, whole)
        write_file(path, whole.getvalue())


def moving_average(decay: float) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor | int], torch.Tensor]:
    """An exponential moving average of weights that forgets faster while it is young; ``decay`` 0 is none."""

    def update(average: torch.Tensor, value: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
        return torch.lerp(average, value, 1 - min(decay, (1 + int(count)) / (10 + int(count))))

    return update


def interpolated(module: torch.nn.Module, start: Mapping[str, torch.Tensor], share: float) -> torch.nn.Module:
    """A copy of ``module`` whose weights are ``share`` its own and else those of ``start``; 1 is ``module`` itself.

    Wortsman et al., "Robust fine-tuning of zero-shot models", 2022. Of an adapter B A the factor A stays, so that
    the product is interpolated, too.
    """
    if share == 1:
        return module
    between = copy.deepcopy(module)
    for name, weight in between.state_dict().items():
        if weight.is_floating_point() and not name.endswith(FACTOR):
            weight.lerp_(start[name], 1 - share)
    return between


@contextmanager
def swapped(backbone: Backbone, module: torch.nn.Module) -> Iterator[None]:
    """The backbone with the weights of ``module``, for as long as it is scored and saved."""
    live, backbone.module = backbone.module, module
    try:
        yield
    finally:
        backbone.module = live
