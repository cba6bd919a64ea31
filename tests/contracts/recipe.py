"""A training recipe: from a backbone, losses and samples to the terms that a training step minimises."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import usframe
from usframe import Backbone, Decoded, Prompt
from usframe.training.clips import Sample
from usframe.training.objectives import encode_samples


def sample(view: int) -> Sample:
    """Two discs on three slices of noise, each boxed on every slice; tracking begins on the first."""
    y, x = np.mgrid[:48, :64]
    centres = ((20 + view, 20), (30, 44 - view))
    masks = np.stack([[np.hypot(y - row - n, x - column) < 8 for row, column in centres] for n in range(3)])
    images = 0.3 * np.random.default_rng(view).random((3, 48, 64), np.float32)
    images[masks.any(1)] += 0.5
    prompts = tuple(boxed(masks[n, row], n, row + 1) for n in range(3) for row in range(2))
    return Sample(images, (1, 2), masks, prompts, prompts[:2], view=view)


def boxed(mask: np.ndarray, frame: int, object_id: int) -> Prompt:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return Prompt(frame, object_id, box=np.array([columns[0], rows[0], columns[-1], rows[-1]], np.float32))


def pixels(decoded: Decoded, truth: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each candidate, (N, M)."""
    target = truth[:, None].expand_as(decoded.logits)
    return F.binary_cross_entropy_with_logits(decoded.logits, target, reduction="none").mean((-2, -1))


def shown(decoded: Decoded, truth: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of whether the object is there, (N,)."""
    there = truth.flatten(1).any(1).float()
    return F.binary_cross_entropy_with_logits(decoded.presence, there, reduction="none")


class RecipeContract:
    """Override ``recipe``, and ``backbone`` where it needs another than a small one with memory."""

    losses: ClassVar = {"pixels": (pixels, 1.0), "shown": (shown, 0.5)}

    @pytest.fixture
    def recipe(self) -> Callable[..., torch.nn.Module]:
        raise NotImplementedError("override this fixture with the recipe to test")

    @pytest.fixture
    def backbone(self) -> Backbone:
        torch.manual_seed(0)
        return usframe.load_backbone("demo-128", checkpoint="random", device="cpu", precision="fp32")

    @pytest.fixture(autouse=True)
    def _with_gradients(self) -> Iterator[None]:
        with torch.enable_grad():
            yield

    def make(self, recipe, backbone: Backbone, corrections: int = 0, asked: list | None = None) -> torch.nn.Module:
        """As usframe does; the samples that are encoded are added to ``asked``."""

        def encode(samples: Sequence[Sample]) -> object:
            if asked is not None:
                asked.extend(samples)
            return encode_samples(backbone, samples)

        return recipe(backbone, self.losses, encode=encode, corrections=corrections)

    def test_it_makes_a_module_that_holds_the_parameters_of_the_network(self, recipe, backbone) -> None:
        made = self.make(recipe, backbone)
        assert isinstance(made, torch.nn.Module)
        own = {id(parameter) for parameter in made.parameters()}
        assert {id(parameter) for parameter in backbone.module.parameters()} <= own

    @pytest.mark.parametrize("corrections", [0, 2])
    def test_the_terms_are_finite_and_a_total_is_among_them(self, recipe, backbone, corrections) -> None:
        terms, masks = self.make(recipe, backbone, corrections)([sample(0)])
        assert "total" in terms
        assert all(value.shape == () and torch.isfinite(value) for value in terms.values())
        assert isinstance(masks, int)
        assert masks > 0

    def test_gradients_of_the_total_reach_the_network(self, recipe, backbone) -> None:
        terms, _ = self.make(recipe, backbone)([sample(0)])
        terms["total"].backward()
        gradients = [one.grad for one in backbone.module.parameters() if one.grad is not None]
        assert gradients, "no parameter has a gradient"
        assert all(torch.isfinite(gradient).all() for gradient in gradients)
        assert any(gradient.abs().sum() > 0 for gradient in gradients)

    def test_the_terms_are_sums_so_that_batches_can_be_of_any_size(self, recipe, backbone) -> None:
        made = self.make(recipe, backbone)
        with torch.no_grad():
            (first, one), (second, other), (both, together) = (
                made(batch) for batch in ([sample(0)], [sample(1)], [sample(0), sample(1)])
            )
        assert together == one + other
        for name, value in both.items():
            torch.testing.assert_close(value, first[name] + second[name], rtol=1e-3, atol=1e-3)

    def test_slices_are_encoded_by_what_it_is_given(self, recipe, backbone) -> None:
        """Features may have been kept from before, where the encoder is not trained."""
        asked: list[Sample] = []
        one = sample(0)
        self.make(recipe, backbone, asked=asked)([one])
        assert any(found is one for found in asked), "encode was not asked"
