"""Which slices are prompted for propagation."""

from __future__ import annotations

import numpy as np
import pytest

from usframe import CaseError, RequestError
from usframe.prompting.frames import choose_frames, find_extents


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


@pytest.mark.parametrize("rule", ["", "last", "every:0", "uniform:-1", "uniform:2.5", [], [-1], "file:prompts.txt"])
def test_another_rule_names_the_known_ones(labels, rule):
    with pytest.raises(RequestError, match="choose one of largest, middle, first, every:N, uniform:K"):
        choose_frames(labels, rule)


def test_a_list_of_slices_holds_for_every_object_that_is_there(labels):
    assert choose_frames(labels, [3, 6]) == {2: (3, 6), 5: (3,)}
    assert choose_frames(labels, [6, 9]) == {2: (6,), 5: ()}


def test_a_slice_beyond_the_volume_is_an_error_of_the_case(labels):
    with pytest.raises(CaseError, match=r"frames=\[3, 10\]: the last slice of the volume is 9"):
        choose_frames(labels, [3, 10])


def test_slices_are_chosen_within_the_extent_of_the_object(labels):
    assert choose_frames(labels, "largest", {2: (1, 4)}) == {2: (4,), 5: (3,)}
    assert choose_frames(labels, "uniform:99", find_extents([4, 7], 10)) == {2: (4, 5, 6, 7), 5: ()}


def test_extents_are_stated_for_all_objects_or_taken_from_the_labels(labels):
    assert find_extents(None, 10) == {}
    assert find_extents("labels", 10, labels) == {2: (1, 8), 5: (3, 3)}
    assert find_extents([4, 99], 10)[7] == (4, 9)


def test_an_extent_beyond_the_volume_is_an_error_of_the_case():
    with pytest.raises(CaseError, match=r"z_range=\[10, 12\] begins beyond the last slice, which is 9"):
        find_extents([10, 12], 10)


@pytest.mark.parametrize("z_range", [[3], [5, 4], [-1, 4], "all", 3.5])
def test_another_extent_is_explained(z_range):
    with pytest.raises(RequestError, match=r"write \[first, last\] \(slices counted from 0\), labels or null"):
        find_extents(z_range if not isinstance(z_range, float) else [z_range, 4], 10)


def test_a_rule_of_a_plugin_is_asked_for_every_object_within_its_extent(labels):
    def select(name, area, count, object_id):
        asked.append((name, np.flatnonzero(area).tolist(), count, object_id))
        return (3,)

    asked: list[tuple[str, list[int], int, int]] = []
    assert choose_frames(labels, "mine:2", {2: (2, 4)}, select) == {2: (3,), 5: (3,)}
    assert asked == [("mine", [2, 3, 4], 2, 2), ("mine", [3], 2, 5)]


def test_a_rule_of_a_plugin_that_nobody_brought_is_told(labels):
    with pytest.raises(RequestError, match="frames=mine:2 is a rule of a plugin"):
        choose_frames(labels, "mine:2")
