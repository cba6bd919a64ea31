"""What usframe expects of every plugin of its kind, and what is expected of this one."""

import numpy as np
import pytest
from usframe_contracts import PromptContract
from usframe_extreme import extreme


class TestExtreme(PromptContract):
    @pytest.fixture
    def strategy(self):
        return extreme


def test_the_ends_of_a_cross_are_clicked():
    mask = np.zeros((20, 30), bool)
    mask[10, 4:25] = True
    mask[3:18, 12] = True
    prompt = extreme(mask, frame=0, object_id=1, rng=np.random.default_rng(0))
    assert prompt.points.tolist() == [[4, 10], [12, 3], [24, 10], [12, 17]]
