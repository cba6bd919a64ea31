"""A step after the network: a mask of all objects, to the same mask made tidier."""

from __future__ import annotations

import numpy as np
import pytest

from usframe import CaseError
from usframe.types import Postprocessing, Spacing

SPACING = (2.0, 0.5, 0.4)


def pieces() -> np.ndarray:
    """Two objects, 1 and 7: one with a hole and a speck, one in two pieces within another's hole."""
    mask = np.zeros((4, 30, 40), np.uint8)
    mask[:, 3:20, 3:25] = 1
    mask[1:3, 8:14, 8:18] = 0
    mask[1, 10:12, 10:12] = mask[2, 22:28, 30:38] = 7
    mask[3, 28, 2] = 1
    return mask


MASKS = {
    "several objects in pieces": pieces(),
    "a single slice": pieces()[1:2],
    "an empty mask": np.zeros((3, 8, 9), np.uint8),
    "a full mask": np.full((2, 8, 9), 255, np.uint8),
    "one voxel": np.pad(np.full((1, 1, 1), 3, np.uint8), ((0, 2), (0, 7), (8, 0))),
}


class PostprocessingContract:
    """Override ``step``, with its own arguments bound where they have no default (`functools.partial`)."""

    @pytest.fixture
    def step(self) -> Postprocessing:
        raise NotImplementedError("override this fixture with the step to test")

    def ask(self, step, mask: np.ndarray, spacing_mm: Spacing | None = SPACING) -> np.ndarray:
        """As usframe asks: with a copy."""
        return step(mask.copy(), spacing_mm=spacing_mm)

    @pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
    def test_shape_and_type_are_kept(self, step, mask) -> None:
        cleaned = self.ask(step, mask)
        assert (cleaned.shape, cleaned.dtype) == (mask.shape, np.uint8)

    @pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
    def test_no_object_is_made_up(self, step, mask) -> None:
        assert {*np.unique(self.ask(step, mask))} <= {0, *np.unique(mask)}

    @pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
    def test_the_same_mask_has_the_same_answer(self, step, mask) -> None:
        np.testing.assert_array_equal(self.ask(step, mask), self.ask(step, mask))

    @pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
    def test_an_unknown_spacing_is_no_obstacle_or_is_told(self, step, mask) -> None:
        cleaned, told = None, ""
        try:
            cleaned = self.ask(step, mask, None)
        except CaseError as error:
            told = str(error)
        if cleaned is None:
            assert len(told.splitlines()) == 1, told
        else:
            assert (cleaned.shape, cleaned.dtype) == (mask.shape, np.uint8)
