"""What usframe expects of every plugin of its kind, and what is expected of this one."""

import numpy as np
import pytest
from usframe_contracts import MemoryContract, NoMemoryContract
from usframe_grey import grey, grey_memory

import usframe
from usframe import Prompt, Volume

GIVEN = {"weights": "random", "device": "cpu", "precision": "fp32"}


class TestGrey(NoMemoryContract):
    @pytest.fixture
    def backbone(self):
        return grey(**GIVEN)


class TestGreyWithMemory(MemoryContract):
    @pytest.fixture
    def backbone(self):
        return grey_memory(**GIVEN)


def disc() -> np.ndarray:
    """A bright disc that moves by a pixel from slice to slice."""
    y, x = np.mgrid[:64, :64]
    return np.stack([np.hypot(y - 30, x - 28 - n) < 10 for n in range(4)])


def dice(mask: np.ndarray, reference: np.ndarray) -> float:
    return 2 * np.count_nonzero(mask & reference) / (np.count_nonzero(mask) + np.count_nonzero(reference))


def test_a_bright_disc_in_a_wide_box_is_found():
    volume = Volume((0.2 + 0.6 * disc()[:1]).astype(np.float32))
    box = Prompt(0, 1, box=np.array([12, 14, 44, 46], np.float32))
    assert (
        dice(usframe.segment(volume, [box], grey(**GIVEN)).mask[0] > 0, disc()[0]) > 0.8
    )  # the box alone has 0.45


def test_it_is_followed_from_one_slice():
    volume = Volume((0.2 + 0.6 * disc()).astype(np.float32))
    mask = Prompt(0, 1, mask=disc()[0])
    answer = usframe.segment(volume, [mask], grey_memory(**GIVEN), mode="propagate").mask > 0
    assert all(dice(answer[n], disc()[n]) > 0.85 for n in range(4))
