"""The training terms, against numbers worked out by hand or by an independent formula."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from usframe import Decoded
from usframe.plugins import load_plugins
from usframe.training.losses import weigh_losses

WEIGHTS = {"focal": 20.0, "dice": 1.0, "iou": 1.0, "presence": 1.0}
OBJECTIVES = load_plugins().objectives


def mask_losses(decoded, truth, weights=WEIGHTS):
    """The weighted terms of the built-in losses."""
    return weigh_losses(decoded, truth, {name: (OBJECTIVES.get(name), weight) for name, weight in weights.items()})


def decoded_of(logits, iou=0.5):
    """One candidate mask (h, w) for one prompt."""
    return Decoded(torch.as_tensor(logits)[None, None], torch.full((1, 1), iou), torch.zeros(1))


def logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


def test_focal_loss_of_one_pixel():
    focal = OBJECTIVES.get("focal")
    inside = focal(decoded_of([[logit(0.9)]]), torch.ones(1, 1, 1))
    assert float(inside) == pytest.approx(0.25 * 0.1**2 * -np.log(0.9), rel=1e-4)
    outside = focal(decoded_of([[logit(0.3)]]), torch.zeros(1, 1, 1))
    assert float(outside) == pytest.approx(0.75 * 0.3**2 * -np.log(0.7), rel=1e-4)


def test_dice_loss_is_smoothed_by_one_pixel():
    target = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    found = OBJECTIVES.get("dice")(decoded_of(torch.full((2, 2), 100.0)), target)
    assert float(found) == pytest.approx(1 - (2 * 1 + 1) / (4 + 1 + 1))


def test_the_predicted_iou_is_held_against_the_iou_of_the_mask():
    target = torch.tensor([[[1.0, 0], [0, 0]]])
    assert float(OBJECTIVES.get("iou")(decoded_of(torch.ones(2, 2), iou=1.0), target)) == pytest.approx(0.75)


def test_only_the_best_candidate_is_trained_but_every_predicted_iou_is():
    target = torch.zeros(1, 8, 8)
    target[:, 2:6, 2:6] = 1
    good, bad = (target * 2 - 1) * 8, (1 - target * 2) * 8
    logits = torch.stack([bad[0], good[0]])[None].requires_grad_()
    iou = torch.tensor([[0.5, 0.5]], requires_grad=True)
    terms = mask_losses(Decoded(logits, iou, torch.zeros(1)), target)
    terms["total"].backward()
    assert logits.grad[0, 0].abs().max() == 0
    assert logits.grad[0, 1].abs().max() > 0
    assert (iou.grad != 0).all()
    assert float(terms["iou"].detach()) == pytest.approx(0.5)


def test_an_absent_object_trains_presence_alone():
    decoded = Decoded(torch.ones(1, 1, 4, 4), torch.full((1, 1), 0.7), torch.full((1,), 2.0))
    terms = mask_losses(decoded, torch.zeros(1, 4, 4))
    assert float(terms["focal"]) == float(terms["dice"]) == float(terms["iou"]) == 0
    assert float(terms["presence"]) == pytest.approx(np.log1p(np.exp(2.0)))


def test_weights_scale_their_terms():
    decoded = Decoded(torch.randn(2, 1, 4, 4), torch.rand(2, 1), torch.randn(2))
    target = (torch.rand(2, 4, 4) > 0.5).float()
    one = mask_losses(decoded, target, {"focal": 1, "dice": 1, "iou": 1, "presence": 1})
    two = mask_losses(decoded, target, {"focal": 2, "dice": 0, "iou": 1, "presence": 1})
    assert float(two["focal"]) == pytest.approx(2 * float(one["focal"]))
    assert float(two["dice"]) == 0
    assert float(two["total"]) == pytest.approx(float(two["focal"] + two["iou"] + two["presence"]))


@pytest.mark.parametrize("candidates", [1, 3])
def test_the_terms_are_those_sam2_is_trained_with(monkeypatch, candidates):
    """``training.loss_fns`` of the sam2 distribution; its trainer, needed for one name, is not installed."""
    monkeypatch.setitem(sys.modules, "training.trainer", SimpleNamespace(CORE_LOSS_KEY="core_loss"))
    loss_fns = pytest.importorskip("training.loss_fns", reason="this sam2 comes without its training code")
    reference = loss_fns.MultiStepMultiMasksAndIous(
        {"loss_mask": 20, "loss_dice": 1, "loss_iou": 1, "loss_class": 1},
        supervise_all_iou=True,
        iou_use_l1_loss=True,
        pred_obj_scores=True,
    )
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(5, candidates, 16, 16, generator=random) * 3
    iou, presence = torch.rand(5, candidates, generator=random), torch.randn(5, generator=random)
    target = (torch.rand(5, 16, 16, generator=random) > 0.7).float()
    target[3] = 0
    found = mask_losses(Decoded(logits, iou, presence), target)
    outputs = {
        "multistep_pred_multimasks_high_res": [logits],
        "multistep_pred_ious": [iou],
        "multistep_object_score_logits": [presence[:, None]],
    }
    wanted = reference([outputs], target[None])
    for ours, theirs, weight in (
        ("focal", "loss_mask", 20),
        ("dice", "loss_dice", 1),
        ("iou", "loss_iou", 1),
        ("presence", "loss_class", 1),
        ("total", "core_loss", 1),
    ):
        assert float(found[ours]) == pytest.approx(weight * float(wanted[theirs]), rel=1e-5), ours
