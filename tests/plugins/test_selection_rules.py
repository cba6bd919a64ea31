"""The built-in selection rules, which the contracts do not know."""

from __future__ import annotations

import numpy as np

from usframe.plugins.load import load_plugins
from usframe.prompting.frames import choose_frames
from usframe.quality import Quality
from usframe.scoring.quality import expected_dice, quality_rows, suggest
from usframe.scoring.table import RowKey
from usframe.types import Segmentation

RULES = load_plugins().selections
AREA = np.array([0, 3, 9, 2, 9, 5, 0, 0, 1, 0])


def test_the_largest_are_those_of_most_pixels_and_of_equal_ones_the_first():
    assert [RULES.get("largest")(AREA, count) for count in (1, 3, 9)] == [[2], [2, 4, 5], [2, 4, 5, 1, 3, 8]]


def test_uniform_is_what_frames_calls_so():
    labels = np.zeros((10, 3, 3), np.uint8)
    labels[AREA > 0, 0, 0] = 1
    for count in range(1, 9):
        assert choose_frames(labels, f"uniform:{count}") == {1: tuple(RULES.get("uniform")(AREA, count))}


def test_random_draws_an_order_and_takes_the_first_of_it():
    drawn = [RULES.get("random")(AREA, count, rng=np.random.default_rng(5)) for count in (2, 4, 99)]
    assert drawn[0] == drawn[2][:2]
    assert drawn[1] == drawn[2][:4]
    assert sorted(drawn[2]) == np.flatnonzero(AREA).tolist()
    assert drawn[2] != RULES.get("random")(AREA, 99, rng=np.random.default_rng(6))


def test_next_are_the_slices_of_next_csv():
    errors = np.linspace(0.05, 0.6, 20)
    errors[[3, 9]] = 0.8, 0.7
    quality = Quality(np.ones((1, 20)), np.full((1, 20), np.nan), errors[None].astype(np.float32))
    mask = np.ones((20, 2, 2), np.uint8)
    answer = Segmentation(mask, (1,), np.ones((1, 20), np.float32), quality=quality)
    listed = suggest(quality_rows(RowKey("a", "a", "propagate", "mask"), answer, {1: {6}}))
    expected = expected_dice(answer)[1]
    chosen = RULES.get("next")(np.full(20, 4), 3, chosen=(6,), expected=expected)
    assert chosen == [row["frame"] for row in listed] == [3, 9, 19]


def test_next_spreads_out_where_nothing_is_expected():
    unknown = np.full(10, np.nan)
    assert RULES.get("next")(np.ones(10, int), 2, chosen=(0,), expected=unknown) == [9, 4]
    assert RULES.get("next")(AREA, 9, chosen=(2,), expected=unknown) == [8, 5, 1, 3, 4]
