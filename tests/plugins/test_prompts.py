"""The five built-in strategies: what they answer for one mask."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from usframe_plugins import prompts

from usframe import Prompt
from usframe.plugins.load import load_plugins

PARTS = {
    "mask": {"mask"},
    "mask+point": {"mask", "points"},
    "box+point": {"box", "points"},
    "box": {"box"},
    "point": {"points"},
}
MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9)).filter(np.any)


def ask(strategy, mask):
    return strategy(mask, frame=3, object_id=2, rng=np.random.default_rng(0))


def ring(size=31, thickness=4):
    picture = np.zeros((size, size), np.uint8)
    cv2.circle(picture, (size // 2, size // 2), size // 3, 1, thickness)
    return picture > 0


@pytest.mark.parametrize("name", PARTS)
def test_every_strategy_is_registered_and_fills_in_exactly_its_parts(name):
    prompt = ask(load_plugins().prompts.get(name), ring())
    assert isinstance(prompt, Prompt)
    assert (prompt.frame, prompt.object_id) == (3, 2)
    assert {part for part in ("mask", "points", "box") if getattr(prompt, part) is not None} == PARTS[name]


@pytest.mark.parametrize("name", PARTS)
def test_an_empty_mask_gets_no_prompt(name):
    assert ask(load_plugins().prompts.get(name), np.zeros((4, 5), bool)) is None


def test_the_click_is_the_centroid_where_that_is_inside():
    mask = np.zeros((20, 30), bool)
    mask[4:9, 10:21] = True
    prompt = ask(prompts.point, mask)
    assert prompt.points.tolist() == [[15, 6]]
    assert prompt.point_labels.tolist() == [1]


def test_the_click_on_a_ring_is_not_its_hollow_centre():
    x, y = ask(prompts.point, ring()).points[0].astype(int)
    assert not ring()[15, 15]
    assert ring()[y, x]


def test_where_the_centroid_is_outside_the_click_is_the_deepest_pixel():
    mask = np.zeros((40, 40), bool)
    mask[5:35, 5:8] = mask[5:8, 5:35] = True
    mask[26:35, 1:10] = True
    assert ask(prompts.point, mask).points.tolist() == [[5, 30]]


def test_the_image_border_counts_as_outside():
    mask = np.zeros((21, 21), bool)
    mask[:, :5] = mask[:, -5:] = True
    assert ask(prompts.point, mask).points[0][0] in (2, 18)


@given(MASKS)
def test_the_click_lies_on_the_object(mask):
    x, y = ask(prompts.point, mask).points[0].astype(int)
    assert mask[y, x]


def test_further_clicks_lie_deepest_in_what_earlier_ones_leave():
    """A bar of 5 x 31 pixels, 3 deep in the middle: around each click a disc of radius 1.5 is left out."""
    mask = np.zeros((9, 40), bool)
    mask[2:7, 4:35] = True
    prompt = ask(partial(prompts.point, count=3), mask)
    assert prompt.points.tolist() == [[19, 4], [6, 4], [10, 4]]
    assert prompt.point_labels.tolist() == [1, 1, 1]


@pytest.mark.parametrize("strategy", [prompts.point, prompts.box_and_point, prompts.mask_and_point])
def test_each_piece_of_an_object_gets_a_click_where_there_are_enough(strategy):
    mask = np.zeros((20, 50), bool)
    mask[5:14, 3:12] = mask[6:13, 30:37] = True
    points = ask(partial(strategy, count=2), mask).points
    assert len({x < 20 for x, _ in points.tolist()}) == 2


@given(MASKS, st.integers(1, 6))
def test_clicks_are_on_the_object_and_apart_and_the_first_stays_the_same(mask, count):
    prompt = ask(partial(prompts.point, count=count), mask)
    points = prompt.points.astype(int)
    assert 1 <= len(points) <= count
    assert prompt.point_labels.tolist() == [1] * len(points)
    assert mask[points[:, 1], points[:, 0]].all()
    assert len({*map(tuple, points.tolist())}) == len(points)
    assert prompt.points[0].tolist() == ask(prompts.point, mask).points[0].tolist()


def test_an_object_too_small_for_all_clicks_gets_fewer():
    mask = np.zeros((9, 9), bool)
    mask[4, 3:5] = True
    assert len(ask(partial(prompts.point, count=5), mask).points) == 2


def test_there_is_at_least_one_click():
    with pytest.raises(ValueError, match="count=0"):
        ask(partial(prompts.point, count=0), ring())


@given(MASKS)
def test_the_box_is_the_first_and_last_column_and_row(mask):
    rows, columns = np.nonzero(mask)
    expected = [columns.min(), rows.min(), columns.max(), rows.max()]
    assert ask(prompts.box, mask).box.tolist() == expected
    assert ask(prompts.box_and_point, mask).box.tolist() == expected


@given(MASKS, st.sampled_from([prompts.mask, prompts.mask_and_point]))
def test_the_mask_prompt_is_the_object_itself(mask, strategy):
    assert np.array_equal(ask(strategy, mask).mask, mask)


def test_they_use_only_what_a_strangers_package_could():
    lines = Path(prompts.__file__).read_text(encoding="utf-8").splitlines()
    imports = [line for line in lines if line.startswith(("from usframe", "import usframe"))]
    assert imports == ["from usframe import Prompt"]
