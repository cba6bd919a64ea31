"""What usframe expects of every plugin of its kind, and what is expected of this one."""

import numpy as np
import pytest
from usframe_contracts import AugmentationContract
from usframe_reverberation import reverberation


class TestReverberation(AugmentationContract):
    @pytest.fixture
    def augmentation(self):
        return reverberation


def test_a_bright_line_comes_back_deeper_and_weaker():
    frames, masks = np.zeros((1, 100, 9), np.float32), np.zeros((1, 0, 100, 9), bool)
    frames[:, 10] = 1
    changed, _ = reverberation(frames, masks, rng=np.random.default_rng(0), echoes=2)
    depths = np.flatnonzero(changed[0, :, 0])
    assert len(depths) == 3
    assert depths[2] - depths[1] == depths[1] - depths[0]
    assert 1 == changed[0, depths[0], 0] > changed[0, depths[1], 0] > changed[0, depths[2], 0]


def test_without_strength_nothing_changes():
    frames, masks = np.full((2, 8, 9), 0.9, np.float32), np.zeros((2, 1, 8, 9), bool)
    changed, _ = reverberation(frames, masks, rng=np.random.default_rng(0), strength=0.0)
    np.testing.assert_array_equal(changed, frames)
