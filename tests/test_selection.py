"""Slices chosen among those of an object: evenly, far apart, or where least is known."""

from __future__ import annotations

import numpy as np
import pytest

from usframe.selection import distances, farthest, least_sure, spread

SHOWN = np.arange(2, 12)


@pytest.mark.parametrize(
    ("count", "wanted"), [(1, [7]), (2, [4, 9]), (3, [3, 7, 10]), (10, [*range(2, 12)]), (99, [*range(2, 12)])]
)
def test_slices_are_spread_evenly_or_are_all_there_are(count, wanted):
    assert spread(SHOWN, count).tolist() == wanted


def test_of_no_slice_none_is_chosen():
    nothing = np.array([], np.intp)
    assert spread(nothing, 3).tolist() == farthest(nothing, [1], 5, 3) == []


def test_every_slice_has_its_distance_to_the_nearest_chosen_one():
    assert distances(6, [1, 4]).tolist() == [1, 0, 1, 1, 0, 1]
    assert np.isinf(distances(3, [])).all()


def test_one_after_the_other_lies_as_far_as_can_be_from_all_before():
    assert farthest(SHOWN, [2], 12, 2) == [11, 6]
    assert farthest(SHOWN, [*SHOWN], 12, 2) == []


def test_the_least_sure_are_apart_from_prompted_slices_and_from_each_other():
    expected = np.full(12, 0.9)
    expected[[1, 4, 5, 8]] = 0.1, 0.5, 0.4, 0.6
    expected[10] = np.nan
    assert least_sure(expected, distances(12, [0]), 3, 2) == [5, 8, 11]
    assert least_sure(expected, distances(12, [0]), 3, 4) == [5, 11]


def test_where_nothing_is_expected_nothing_is_unsure():
    assert least_sure(np.full(5, np.nan), distances(5, [2]), 3, 2) == []
