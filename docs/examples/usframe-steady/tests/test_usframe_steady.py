"""What usframe expects of every plugin of its kind, and what is expected of this one."""

import numpy as np
import pytest
from usframe_contracts import PostprocessingContract
from usframe_steady import steady


class TestSteady(PostprocessingContract):
    @pytest.fixture
    def step(self):
        return steady


def test_what_flickers_goes_and_a_gap_is_closed():
    mask = np.zeros((5, 8, 9), np.uint8)
    mask[:, 2:6, 2:6] = 3
    mask[2] = 0
    mask[1, 7, 7] = 4
    steadied = steady(mask.copy(), spacing_mm=None)
    assert (steadied[:, 2:6, 2:6] == 3).all()
    assert not (steadied == 4).any()


def test_a_volume_of_two_slices_stays():
    mask = np.arange(2 * 4 * 5).reshape(2, 4, 5).astype(np.uint8)
    np.testing.assert_array_equal(steady(mask.copy(), spacing_mm=None), mask)
