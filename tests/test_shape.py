"""Signed distances, and the shape of an object between slices that show it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from usframe.shape import Interpolation, signed_distance


def disc(row: float, column: float, radius: float, shape: tuple[int, int] = (80, 120)) -> NDArray[np.bool_]:
    y, x = np.indices(shape)
    mask: NDArray[np.bool_] = (y - row) ** 2 + (x - column) ** 2 <= radius**2
    return mask


def whole(shape: Interpolation, frame: int) -> NDArray[np.bool_]:
    plane = np.zeros((80, 120), bool)
    plane[shape.window] = shape(frame) > 0
    return plane


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_the_outline_lies_half_way_between_pixels():
    mask = np.zeros((1, 8), bool)
    mask[0, 2:6] = True
    assert signed_distance(mask)[0].tolist() == [-1.5, -0.5, 0.5, 1.5, 1.5, 0.5, -0.5, -1.5]


def test_a_picture_without_an_outline_is_far_from_one():
    assert (signed_distance(np.zeros((3, 3), bool)) < -1000).all()
    assert (signed_distance(np.ones((3, 3), bool)) > 1000).all()


@given(st.integers(20, 60), st.integers(25, 95), st.integers(8, 16), st.integers(8, 16), st.integers(2, 9))
def test_a_disc_that_moves_and_grows_is_a_disc_on_the_way(row, column, first, last, length):
    """Also where it moves further than it is wide, so that its outlines on the two slices do not meet."""
    shape = Interpolation({0: disc(20, 25, first), length: disc(row, column, last)})
    for frame in range(length + 1):
        share = frame / length
        on_the_way = disc(20 + share * (row - 20), 25 + share * (column - 25), first + share * (last - first))
        assert dice(whole(shape, frame), on_the_way) > 0.9


@given(st.integers(0, 30), st.sets(st.integers(0, 30), min_size=1, max_size=5))
def test_it_is_the_object_itself_where_it_is_shown_and_beyond(frame, frames):
    shown = {one: disc(20 + one, 30, 5 + one / 3) for one in frames}
    answer = whole(Interpolation(shown), frame)
    if frame in frames or not min(frames) < frame < max(frames):
        nearest = min(frames, key=lambda one: abs(one - frame))
        np.testing.assert_array_equal(answer, shown[nearest])
    assert answer.any()


@pytest.mark.parametrize("frame", range(5))
def test_next_to_a_slice_without_the_object_the_nearer_slice_counts(frame):
    shape = Interpolation({0: disc(20, 30, 8), 4: disc(20, 30, 0) & False})
    assert whole(shape, frame).any() == (frame <= 2)
