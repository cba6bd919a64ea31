"""Which slices are prompted for propagation."""

from __future__ import annotations

import numpy as np
import pytest

from usframe import RequestError
from usframe.frames import choose_frames


@pytest.fixture
def labels():
    """Object 2 on slices 1 to 8, largest on 6; object 5 on slice 3 alone."""
    made = np.zeros((10, 20, 20), np.uint8)
    for frame, size in zip(range(1, 9), (2, 3, 4, 5, 6, 9, 7, 2), strict=True):
        made[frame, :size, :size] = 2
    made[3, 15:, 15:] = 5
    return made


@pytest.mark.parametrize(
    ("rule", "frames"),
    [
        ("largest", (6,)),
        ("middle", (5,)),
        ("first", (1,)),
        ("every:3", (1, 4, 7)),
        ("every:50", (1,)),
        ("uniform:1", (5,)),
        ("uniform:2", (3, 7)),
        ("uniform:4", (2, 4, 6, 8)),
        ("uniform:99", tuple(range(1, 9))),
    ],
)
def test_slices_are_chosen_per_object(labels, rule, frames):
    assert choose_frames(labels, rule) == {2: frames, 5: (3,)}


def test_no_object_no_slice():
    assert choose_frames(np.zeros((3, 4, 4), np.uint8), "largest") == {}


@pytest.mark.parametrize("rule", ["", "last", "every", "every:0", "uniform:-1", "uniform:2.5"])
def test_another_rule_names_the_known_ones(labels, rule):
    with pytest.raises(RequestError, match="choose one of largest, middle, first, every:N, uniform:K"):
        choose_frames(labels, rule)
