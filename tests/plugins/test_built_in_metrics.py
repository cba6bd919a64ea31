"""The five built-in scores, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from usframe_plugins.metrics import assd_mm, dice, hd95_mm, iou, nsd

from usframe.types import Surfaces

EMPTY = np.zeros((1, 2, 4), bool)
LEFT, RIGHT = EMPTY.copy(), EMPTY.copy()
LEFT[0, :, :3] = True
RIGHT[0, :, 2:] = True


def surfaces(answer: list[float], reference: list[float]) -> Surfaces:
    return Surfaces(np.array(answer, float), np.array(reference, float))


def distances(found: Surfaces, tolerance_mm: float = 1.0) -> list[float | None]:
    measured = [metric(LEFT, RIGHT, surfaces=found) for metric in (hd95_mm, assd_mm)]
    return [*measured, nsd(LEFT, RIGHT, surfaces=found, tolerance_mm=tolerance_mm)]


def test_dice_and_iou_count_voxels() -> None:
    assert dice(LEFT, RIGHT) == 2 * 2 / (6 + 4)
    assert iou(LEFT, RIGHT) == 2 / 8
    assert dice(LEFT, LEFT) == iou(LEFT, LEFT) == 1
    assert isinstance(dice(LEFT, RIGHT), float)


def test_nothing_against_nothing_is_undefined_and_against_something_is_0() -> None:
    assert dice(EMPTY, EMPTY) is None
    assert iou(EMPTY, EMPTY) is None
    assert dice(LEFT, EMPTY) == iou(EMPTY, LEFT) == 0


def test_hd95_is_the_worse_of_both_directions_and_assd_the_mean_of_all() -> None:
    found = surfaces([0, 0, 1], [0, 4, 4, 4, 4])
    assert distances(found) == [pytest.approx(4), pytest.approx(17 / 8), 4 / 8]


def test_hd95_is_interpolated_between_ranks() -> None:
    assert hd95_mm(LEFT, RIGHT, surfaces=surfaces(list(range(11)), [0])) == pytest.approx(9.5)


def test_what_lies_at_the_tolerance_is_within_it() -> None:
    tenth = 0.1 * 3  # 0.30000000000000004
    assert nsd(LEFT, RIGHT, surfaces=surfaces([tenth], [0.31]), tolerance_mm=0.3) == 0.5


@pytest.mark.parametrize("found", [surfaces([np.inf, np.inf], []), surfaces([], [np.inf])])
def test_where_one_mask_is_empty_distances_are_undefined_and_nsd_is_0(found: Surfaces) -> None:
    assert distances(found) == [None, None, 0]


def test_where_both_are_empty_all_are_undefined() -> None:
    assert distances(surfaces([], [])) == [None, None, None]


def test_slices_with_the_surface_of_one_mask_only_are_measured_to_the_other_slices() -> None:
    assert distances(surfaces([], [1, 2, 3])) == [pytest.approx(2.9), 2, pytest.approx(1 / 3)]
