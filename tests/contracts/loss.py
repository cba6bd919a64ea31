"""A loss: what the decoder answered for N prompts, beside the true masks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from usframe import Decoded
from usframe.types import Objective

SIDE = 16


def truths() -> torch.Tensor:
    """Three true masks (3, h, w): a square, one whose edge pixels are shares, and none."""
    truth = torch.zeros(3, SIDE, SIDE)
    truth[0, 3:10, 4:12] = 1
    truth[1, 6:14, 2:9] = 1
    truth[1, 5, 2:9] = 0.4
    return truth


def answer(truth: torch.Tensor, candidates: int, sharpness: float = 20.0) -> Decoded:
    """Candidates that all show ``truth``, with its IoU and presence."""
    logits = (truth * 2 - 1)[:, None].repeat(1, candidates, 1, 1) * sharpness
    present = truth.flatten(1).any(1).float()
    return Decoded(logits, torch.ones(len(truth), candidates), (present * 2 - 1) * sharpness)


class LossContract:
    """Override ``loss``; its own arguments keep their defaults unless the fixture binds them."""

    @pytest.fixture
    def loss(self) -> Objective:
        raise NotImplementedError("override this fixture with the loss to test")

    @pytest.fixture(autouse=True)
    def _with_gradients(self) -> Iterator[None]:
        with torch.enable_grad():
            yield

    @pytest.mark.parametrize("candidates", [1, 3])
    def test_it_is_one_value_per_candidate_or_per_prompt(self, loss, candidates) -> None:
        value = loss(unsure(candidates), truths())
        assert tuple(value.shape) in ((3, candidates), (3,))
        assert value.is_floating_point()

    @pytest.mark.parametrize("candidates", [1, 3])
    @pytest.mark.parametrize("sharpness", [0.0, 1.0, 100.0])
    def test_it_is_finite_however_sure_the_network_is(self, loss, candidates, sharpness) -> None:
        for shown in (truths(), 1 - truths(), torch.zeros(3, SIDE, SIDE)):
            assert torch.isfinite(loss(answer(shown, candidates, sharpness), truths())).all()

    @pytest.mark.parametrize("candidates", [1, 3])
    def test_gradients_reach_what_was_decoded(self, loss, candidates) -> None:
        decoded = unsure(candidates)
        loss(decoded, truths()).sum().backward()
        parts = {name: getattr(decoded, name).grad for name in ("logits", "iou", "presence")}
        reached = {name: grad for name, grad in parts.items() if grad is not None and grad.abs().sum() > 0}
        assert reached, "nothing that was decoded has a gradient"
        assert all(torch.isfinite(grad).all() for grad in reached.values())

    @pytest.mark.parametrize("candidates", [1, 3])
    def test_a_perfect_answer_is_no_worse_than_an_empty_one(self, loss, candidates) -> None:
        there = truths()[:2]
        perfect = loss(answer(there, candidates), there)
        empty = loss(answer(torch.zeros_like(there), candidates), there)
        assert (perfect <= empty + 1e-6).all()

    def test_the_truth_it_gets_is_left_alone(self, loss) -> None:
        truth = truths()
        loss(unsure(1), truth)
        assert torch.equal(truth, truths())

    def test_prompts_are_judged_each_for_itself(self, loss) -> None:
        decoded = unsure(3)
        together = loss(decoded, truths())
        for n in range(3):
            one = Decoded(decoded.logits[n : n + 1], decoded.iou[n : n + 1], decoded.presence[n : n + 1])
            torch.testing.assert_close(loss(one, truths()[n : n + 1])[0], together[n])


def unsure(candidates: int) -> Decoded:
    """Random answers of a network that is being trained."""
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(3, candidates, SIDE, SIDE, generator=random)
    iou, presence = torch.rand(3, candidates, generator=random), torch.randn(3, generator=random)
    return Decoded(logits.requires_grad_(), iou.requires_grad_(), presence.requires_grad_())
