"""The built-in losses, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from usframe_plugins.objectives import dice, focal, iou, mask_iou, presence

from usframe import Decoded
from usframe.plugins.load import load_plugins


def logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


def shown(*candidates: torch.Tensor, iou: float = 0.5, presence: float = 0.0) -> Decoded:
    """One prompt with these candidate logits (h, w)."""
    predicted = torch.full((1, len(candidates)), iou)
    return Decoded(torch.stack(candidates)[None], predicted, torch.tensor([presence]))


def test_focal_loss_of_one_pixel() -> None:
    inside = focal(shown(torch.tensor([[logit(0.9)]])), torch.ones(1, 1, 1))
    assert float(inside) == pytest.approx(0.25 * 0.1**2 * -np.log(0.9), rel=1e-4)
    outside = focal(shown(torch.tensor([[logit(0.3)]])), torch.zeros(1, 1, 1))
    assert float(outside) == pytest.approx(0.75 * 0.3**2 * -np.log(0.7), rel=1e-4)


def test_focal_loss_with_gamma_0_is_weighted_cross_entropy() -> None:
    value = focal(shown(torch.tensor([[logit(0.9)]])), torch.ones(1, 1, 1), alpha=0.4, gamma=0.0)
    assert float(value) == pytest.approx(0.4 * -np.log(0.9), rel=1e-4)


def test_dice_loss_is_smoothed_by_one_pixel() -> None:
    target = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    assert float(dice(shown(torch.full((2, 2), 100.0)), target)) == pytest.approx(1 - (2 * 1 + 1) / (4 + 1 + 1))


def test_focal_and_dice_judge_every_candidate() -> None:
    target = torch.zeros(1, 8, 8)
    target[:, 2:6, 2:6] = 1
    good, bad = (target[0] * 2 - 1) * 8, (1 - target[0] * 2) * 8
    for loss in (focal, dice):
        value = loss(shown(bad, good), target)
        assert value.shape == (1, 2)
        assert value[0, 1] < value[0, 0]


def test_iou_is_how_far_all_predictions_are_off_and_nothing_without_an_object() -> None:
    target = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    right, all_of_it = target[0] * 20 - 10, torch.ones(2, 2)
    assert float(iou(shown(right, all_of_it, iou=0.5), target)) == pytest.approx((0.5 + 0.25) / 2)
    assert float(iou(shown(right, iou=0.5), torch.zeros(1, 2, 2))) == 0


def test_iou_trains_the_prediction_and_not_the_mask() -> None:
    logits, predicted = torch.ones(1, 1, 2, 2, requires_grad=True), torch.full((1, 1), 0.5, requires_grad=True)
    iou(Decoded(logits, predicted, torch.zeros(1)), torch.ones(1, 2, 2)).sum().backward()
    assert logits.grad is None
    assert float(predicted.grad) == -1


def test_the_iou_of_two_empty_masks_is_1() -> None:
    assert float(mask_iou(torch.full((2, 2), -1.0), torch.zeros(2, 2))) == 1
    assert float(mask_iou(torch.ones(2, 2), torch.tensor([[1.0, 0], [0, 0]]))) == 0.25


def test_presence_is_trained_whether_the_object_is_there_or_not() -> None:
    decoded = Decoded(torch.ones(2, 1, 4, 4), torch.ones(2, 1), torch.tensor([2.0, 2.0]))
    truth = torch.stack([torch.ones(4, 4), torch.zeros(4, 4)])
    assert presence(decoded, truth).tolist() == pytest.approx([np.log1p(np.exp(-2.0)), np.log1p(np.exp(2.0))])


def test_losses_and_recipes_are_registered() -> None:
    registry = load_plugins().objectives
    assert {*registry.names()} >= {"focal", "dice", "iou", "presence", "slice", "clip", "both"}
    assert registry.arguments("focal") == {"alpha": 0.25, "gamma": 2.0}
