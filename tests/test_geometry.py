"""Between a slice and the network's square input."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from usframe import Prompt
from usframe.geometry import (
    from_model,
    points_from_model,
    resize_mask,
    resize_slice,
    to_model,
    to_network,
)

sizes = st.integers(2, 90)


def test_slices_shrink_by_area_and_grow_linearly_axis_by_axis():
    image = np.random.default_rng(0).random((40, 300), np.float32)
    shrunk = cv2.resize(image, (100, 40), interpolation=cv2.INTER_AREA)
    expected = cv2.resize(shrunk, (100, 100), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(resize_slice(image, 100, 100), expected, atol=1e-6)


def test_the_network_sees_three_equal_channels_with_imagenet_statistics():
    images = to_network(np.full((2, 30, 50), 0.5, np.float32), 64)
    assert images.shape == (2, 3, 64, 64)
    assert images.dtype == np.float32
    np.testing.assert_allclose(
        images[1, :, 7, 9], (0.5 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225], rtol=1e-5
    )


@settings(max_examples=50, deadline=None)
@given(height=sizes, width=sizes, side=st.integers(4, 64), seed=st.integers(0, 99))
def test_a_mask_never_vanishes_however_small_it_becomes(height, width, side, seed):
    mask = np.zeros((height, width), bool)
    rng = np.random.default_rng(seed)
    mask[rng.integers(height), rng.integers(width)] = True
    assert resize_mask(mask, side).any()
    assert not resize_mask(np.zeros_like(mask), side).any()


@settings(max_examples=50, deadline=None)
@given(height=sizes, width=sizes, data=st.data())
def test_points_and_boxes_land_where_resizing_puts_their_pixel(height, width, data):
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    side = 8 * max(height, width)
    slice_ = np.zeros((height, width), np.float32)
    slice_[y, x] = 1
    rows, columns = np.nonzero(cv2.resize(slice_, (side, side), interpolation=cv2.INTER_NEAREST))
    prompt = Prompt(
        0,
        1,
        points=np.array([[x, y]], np.float32),
        point_labels=np.ones(1, np.int64),
        box=np.array([x, y, x, y], np.float32),
    )
    moved = to_model(prompt, (height, width), side)
    np.testing.assert_allclose(moved.points[0], [columns.mean(), rows.mean()], atol=1)
    np.testing.assert_allclose(moved.box.reshape(2, 2), np.tile(moved.points[0], (2, 1)))
    np.testing.assert_allclose(points_from_model(moved.points, (height, width), side), prompt.points, atol=1e-2)


def test_at_the_networks_own_size_a_prompt_stays_as_it_is():
    prompt = Prompt(3, 2, box=np.array([10, 20, 30, 40], np.float32), mask=np.eye(64, dtype=bool))
    moved = to_model(prompt, (64, 64), 64)
    np.testing.assert_array_equal(moved.box, prompt.box)
    np.testing.assert_array_equal(moved.mask, prompt.mask)
    assert (moved.frame, moved.object_id) == (3, 2)


def test_logits_are_interpolated_before_a_threshold_so_edges_stay_straight():
    logits = np.tile(np.linspace(-4, 4, 16, dtype=np.float32), (16, 1))[None]
    mask = from_model(logits, (256, 320))[0] > 0
    assert (np.abs(mask.argmax(1) - 160) <= 1).all()
