"""What usframe expects of every plugin of its kind, and what is expected of this one."""

import pytest
import torch
from usframe_contracts import LossContract
from usframe_tversky import tversky

from usframe import Decoded


class TestTversky(LossContract):
    @pytest.fixture
    def loss(self):
        return tversky


def lost(answer: torch.Tensor, truth: torch.Tensor) -> float:
    decoded = Decoded((answer * 60 - 30)[None, None], torch.zeros(1, 1), torch.zeros(1))
    return tversky(decoded, truth[None], smooth=0.0).item()


def test_what_is_missed_weighs_more():
    whole, half = torch.ones(4, 4), torch.ones(4, 4)
    half[:, 2:] = 0
    assert lost(half, whole) == pytest.approx(1 - 8 / (8 + 0.7 * 8))
    assert lost(whole, half) == pytest.approx(1 - 8 / (8 + 0.3 * 8))
