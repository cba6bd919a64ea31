"""What usframe expects of every plugin of its kind, and what is expected of this one."""

import numpy as np
import pytest
from usframe_contracts import MetricContract
from usframe_volume_difference import volume_difference


class TestVolumeDifference(MetricContract):
    @pytest.fixture
    def metric(self):
        return volume_difference


def test_half_of_the_volume_is_50_percent_smaller():
    reference = np.ones((2, 8, 9), bool)
    mask = reference.copy()
    mask[0] = False
    assert volume_difference(reference, mask, spacing_mm=(1.0, 1.0, 1.0)) == -50
    assert volume_difference(mask, reference, spacing_mm=(1.0, 1.0, 1.0)) == 100
    assert volume_difference(~reference, mask, spacing_mm=(1.0, 1.0, 1.0)) is None
