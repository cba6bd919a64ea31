"""The built-in steps after the network: hand-made masks, where the answer can be seen."""

from __future__ import annotations

import numpy as np
import pytest
from usframe_plugins.postprocessing import fill_holes, largest_component, min_volume_ml

from usframe import CaseError


def slices(*pictures: str) -> np.ndarray:
    """One slice per picture; lines are rows, a digit is an object, a dot is background."""
    return np.array(
        [[[int(c) for c in row.replace(".", "0")] for row in picture.split()] for picture in pictures], np.uint8
    )


def test_the_largest_piece_is_found_in_three_dimensions() -> None:
    """Apart on each slice, one piece through the slice between; corners connect."""
    mask = slices("11... ..... ...1.", "..... .1... ..1..", "..... ..... 1...1")
    expected = slices("11... ..... ...1.", "..... .1... ..1..", "..... ..... 1....")
    np.testing.assert_array_equal(largest_component(mask), expected)


def test_every_object_keeps_its_own_largest_piece() -> None:
    mask = slices("11.22 11.2. ..... 2...1")
    np.testing.assert_array_equal(largest_component(mask), slices("11.22 11.2. ..... ....."))


def test_holes_are_filled_slice_by_slice() -> None:
    mask = slices("1111. 1..1. 1111. .....", "111.. 1.... 111.. .....")
    expected = slices("1111. 1111. 1111. .....", "111.. 1.... 111.. .....")
    np.testing.assert_array_equal(fill_holes(mask), expected)


def test_a_hole_with_another_object_in_it_stays_as_it_is() -> None:
    mask = slices("111111 1.2..1 1....1 111111", "111111 1.11.1 111111 ......")
    expected = slices("111111 1.2..1 1....1 111111", "111111 111111 111111 ......")
    np.testing.assert_array_equal(fill_holes(mask), expected)


def test_small_pieces_are_removed_by_their_volume() -> None:
    """Voxels of 2 x 5 x 10 mm are 0.1 ml."""
    mask = slices("11..2 1.... ....3", "1.... ..... ....3")
    cleaned = min_volume_ml(mask, spacing_mm=(2, 5, 10), ml=0.2)
    np.testing.assert_array_equal(cleaned, slices("11... 1.... ....3", "1.... ..... ....3"))


def test_a_volume_cannot_be_measured_without_the_spacing() -> None:
    mask = slices("11. ...")
    np.testing.assert_array_equal(min_volume_ml(mask, spacing_mm=None, ml=0), mask)
    with pytest.raises(CaseError, match=r"min_volume_ml=0\.5 cannot be measured: the spacing is unknown"):
        min_volume_ml(mask, spacing_mm=None, ml=0.5)


def test_the_mask_itself_is_left_alone() -> None:
    mask = slices("11..1 1.1.. 111..")
    before = mask.copy()
    largest_component(mask)
    fill_holes(mask)
    min_volume_ml(mask, spacing_mm=(1, 1, 1), ml=1.0)
    np.testing.assert_array_equal(mask, before)
