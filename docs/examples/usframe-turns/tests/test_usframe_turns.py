"""What usframe expects of every plugin of its kind, and what is expected of this one."""

import numpy as np
import pytest
from usframe_contracts import SelectionContract
from usframe_turns import turns


class TestTurns(SelectionContract):
    @pytest.fixture
    def rule(self):
        return turns


def test_an_even_change_needs_its_ends_and_its_peak():
    area = np.array([0, 10, 20, 30, 40, 30, 20, 10, 0])
    assert turns(area, 3) == [4, 1, 7]


def test_it_goes_on_from_what_is_prompted():
    area = np.array([0, 10, 10, 40, 10, 10, 0])
    assert turns(area, 1, chosen=[1, 5]) == [3]
