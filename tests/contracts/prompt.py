"""A prompt strategy: from the mask of one object on one slice to a `Prompt`, or None."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from usframe import Prompt
from usframe.plugins.arguments import needs_labels


def square() -> np.ndarray:
    mask = np.zeros((40, 60), bool)
    mask[10:30, 15:50] = True
    return mask


def ring() -> np.ndarray:
    y, x = np.mgrid[:50, :50]
    radius = np.hypot(y - 25, x - 25)
    return (radius > 12) & (radius < 18)


def pixel() -> np.ndarray:
    mask = np.zeros((20, 30), bool)
    mask[19, 29] = True
    return mask


def line() -> np.ndarray:
    mask = np.zeros((20, 30), bool)
    mask[7] = True
    return mask


MASKS = (square, ring, pixel, line)


class PromptContract:
    """Override ``strategy``."""

    @pytest.fixture
    def strategy(self) -> Callable[..., Prompt | None]:
        raise NotImplementedError("override this fixture with the strategy to test")

    def ask(self, strategy, mask: np.ndarray, seed: int = 0) -> Prompt | None:
        return strategy(mask, frame=3, object_id=2, rng=np.random.default_rng(seed))

    @pytest.mark.parametrize("mask", MASKS)
    def test_it_points_out_the_object_it_was_asked_for(self, strategy, mask) -> None:
        prompt = self.ask(strategy, mask())
        assert prompt is None or isinstance(prompt, Prompt)
        assert prompt is None or (prompt.frame, prompt.object_id) == (3, 2)

    @pytest.mark.parametrize("mask", MASKS)
    def test_points_and_boxes_lie_within_the_slice(self, strategy, mask) -> None:
        height, width = mask().shape
        prompt = self.ask(strategy, mask())
        if prompt is None:
            return
        if prompt.points is not None:
            assert prompt.points.shape == (len(prompt.point_labels), 2)
            assert ((prompt.points >= 0) & (prompt.points <= (width - 1, height - 1))).all()
            assert set(prompt.point_labels.tolist()) <= {0, 1}
        if prompt.box is not None:
            x0, y0, x1, y1 = prompt.box
            assert 0 <= x0 <= x1 <= width - 1
            assert 0 <= y0 <= y1 <= height - 1
        if prompt.mask is not None:
            assert (prompt.mask.shape, prompt.mask.dtype) == ((height, width), bool)
            assert prompt.mask.any()

    @pytest.mark.parametrize("mask", MASKS)
    def test_chance_comes_from_the_generator_alone(self, strategy, mask) -> None:
        first, second = (self.ask(strategy, mask()) for _ in range(2))
        assert (first is None) == (second is None)
        for part in ("points", "point_labels", "box", "mask") if first and second else ():
            np.testing.assert_array_equal(getattr(first, part), getattr(second, part))

    def test_it_has_a_prompt_for_at_least_one_of_several_plain_objects(self, strategy) -> None:
        assert any(self.ask(strategy, mask()) is not None for mask in MASKS), "it returns None for all of them"

    def test_the_mask_it_gets_is_left_alone(self, strategy) -> None:
        mask = square()
        self.ask(strategy, mask)
        np.testing.assert_array_equal(mask, square())


class FreePromptContract:
    """A strategy that needs no labels: it takes no mask. Override ``strategy``."""

    @pytest.fixture
    def strategy(self) -> Callable[..., Prompt | None]:
        raise NotImplementedError("override this fixture with the strategy to test")

    def ask(self, strategy, seed: int = 0) -> Prompt | None:
        return strategy(frame=3, object_id=2, rng=np.random.default_rng(seed))

    def test_usframe_sees_that_it_needs_no_labels(self, strategy) -> None:
        assert not needs_labels(strategy)

    def test_it_points_out_the_object_it_was_asked_for(self, strategy) -> None:
        prompt = self.ask(strategy)
        assert prompt is None or (prompt.frame, prompt.object_id) == (3, 2)

    def test_chance_comes_from_the_generator_alone(self, strategy) -> None:
        first, second = (self.ask(strategy) for _ in range(2))
        assert (first is None) == (second is None)
        for part in ("points", "point_labels", "box", "mask", "learned") if first and second else ():
            np.testing.assert_array_equal(getattr(first, part), getattr(second, part))
