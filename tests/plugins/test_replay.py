"""What is recorded on a CUDA device and played again is what the function gives; elsewhere the function runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from usframe_plugins.backbones.replay import Replayed

import usframe
from usframe import Prompt, Volume

ON_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="records CUDA graphs, needs a CUDA device")


class Counted:
    """A function that knows how often it ran."""

    def __init__(self, layer: torch.nn.Linear) -> None:
        self.layer, self.calls = layer, 0

    def __call__(self, x: torch.Tensor, *, twice: bool = False) -> tuple[torch.Tensor]:
        self.calls += 1
        y: torch.Tensor = self.layer(x)
        return (self.layer(y) if twice else y,)


def test_without_a_gpu_the_function_runs_every_time() -> None:
    counted = Counted(torch.nn.Linear(3, 3))
    replayed = Replayed(counted.layer, counted)
    with torch.inference_mode():
        for _ in range(4):
            x = torch.randn(2, 3)
            assert torch.equal(replayed(x)[0], counted.layer(x))
    assert counted.calls == 4


@ON_GPU
def test_the_second_call_alike_is_recorded_and_later_ones_are_played() -> None:
    counted = Counted(torch.nn.Linear(3, 3).cuda())
    replayed = Replayed(counted.layer, counted)
    with torch.inference_mode():
        answers = []
        for _ in range(5):
            x = torch.randn(2, 3, device="cuda")
            answers.append((x, replayed(x)[0]))
        for x, y in answers:
            torch.testing.assert_close(y, counted.layer(x))
        assert counted.calls == 2
        x = torch.randn(2, 3, device="cuda")
        torch.testing.assert_close(replayed(x, twice=True)[0], counted.layer(counted.layer(x)))


@ON_GPU
def test_changed_weights_are_recorded_anew() -> None:
    counted = Counted(torch.nn.Linear(3, 3).cuda())
    replayed = Replayed(counted.layer, counted)
    x = torch.randn(2, 3, device="cuda")
    with torch.no_grad():
        for _ in range(3):
            replayed(x)
        counted.layer.weight.mul_(2)
        for _ in range(3):
            torch.testing.assert_close(replayed(x)[0], counted.layer(x))


@ON_GPU
@pytest.mark.parametrize("mode", ["slice", "propagate"])
def test_masks_on_a_gpu_are_those_of_the_processor(mode: str) -> None:
    drawn = np.zeros((24, 96, 96), np.float32)
    rows, columns = np.ogrid[:96, :96]
    for n in range(24):
        drawn[n][np.hypot(rows - 48, columns - 40 - n / 2) < 20] = 0.8
    prompts = [Prompt(n, 1, box=np.array([20, 28, 60, 68], np.float32)) for n in (12, 13, 14)]
    answers = [
        usframe.segment(
            Volume(drawn), prompts, usframe.load_backbone("demo", device=device, precision="fp32"), mode=mode
        )
        for device in ("cpu", "cuda", "cuda")
    ]
    for answer in answers[1:]:
        both = 2 * ((answer.mask > 0) & (answers[0].mask > 0)).sum()
        assert both / ((answer.mask > 0).sum() + (answers[0].mask > 0).sum()) > 0.999
