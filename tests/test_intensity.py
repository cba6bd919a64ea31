"""From stored intensities to grey in 0-1, slice by slice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as drawn

from usframe import CaseError
from usframe.intensity import normalise_intensity, percentiles


def test_uint8_is_divided_by_255_and_data_in_0_to_1_is_left_alone():
    picture = np.array([[[0, 51, 255]]], np.uint8)
    np.testing.assert_allclose(normalise_intensity(picture)[0], [[[0, 0.2, 1]]])
    already = np.array([[[0.25, 0.5, 0.75]]], np.float64)
    data, notes = normalise_intensity(already)
    np.testing.assert_allclose(data, already)
    assert notes == ()


@pytest.mark.parametrize("dtype", [np.int16, ">u2", np.int32, np.float32, np.float64])
def test_8_bit_grey_means_the_same_in_every_type(dtype):
    picture = np.arange(200, dtype=np.uint8).reshape(2, 10, 10)
    data, notes = normalise_intensity(picture.astype(dtype))
    np.testing.assert_array_equal(data, normalise_intensity(picture)[0])
    assert "8-bit grey" in notes[0]
    with pytest.raises(CaseError, match="intensity=none expects 0-1"):
        normalise_intensity(picture.astype(dtype), "none")


@pytest.mark.parametrize("top", [100, 256, 199.5])
def test_other_numbers_are_not_taken_for_8_bit_grey(top):
    assert "percentile" in normalise_intensity(np.linspace(0, top, 9).reshape(1, 3, 3))[1][0]


@pytest.mark.parametrize("labels", [np.eye(4, dtype=np.uint8)[None], np.eye(4)[None] / 255])
def test_a_picture_without_light_is_noted(labels):
    assert "below 10% of white" in normalise_intensity(labels)[1][0]
    assert normalise_intensity(labels, "minmax")[1] == ()


def test_other_ranges_are_stretched_and_say_so():
    data, notes = normalise_intensity(np.linspace(-400, 3000, 1000).reshape(10, 10, 10).astype(np.int16))
    assert data[:].min() == 0
    assert data[:].max() == 1
    assert "percentile" in notes[0]


def test_minmax_maps_the_extremes_to_0_and_1():
    data, _ = normalise_intensity(np.array([[[2.0, 3.0, 6.0]]]), "minmax")
    np.testing.assert_allclose(data, [[[0, 0.25, 1]]])


def test_nan_and_infinity_become_black_and_are_counted():
    data, notes = normalise_intensity(np.array([[[np.nan, np.inf, 0.5, 1.0]]]))
    np.testing.assert_allclose(data, [[[0, 0, 0.5, 1]]])
    assert notes == ("2 NaN or infinite voxels were set to black",)


@pytest.mark.parametrize("mode", ["auto", "minmax", "percentile"])
def test_a_constant_volume_survives(mode):
    data, notes = normalise_intensity(np.full((1, 4, 4), 7, np.int16), mode)
    assert np.isfinite(data[:]).all()
    assert notes[-1] == "all voxels have the same value"


def test_what_cannot_be_normalised_is_one_line():
    with pytest.raises(CaseError, match="no finite value"):
        normalise_intensity(np.full((1, 2, 2), np.nan))
    with pytest.raises(CaseError, match="intensity=none expects 0-1; use intensity=auto"):
        normalise_intensity(np.array([[[0, 300.0]]]), "none")


KINDS = st.sampled_from([np.float32, np.float64, np.int16, np.uint16, np.int32])


@given(drawn.arrays(KINDS, drawn.array_shapes(min_dims=3, max_dims=3, max_side=9)))
def test_percentiles_counted_in_blocks_are_those_of_all_voxels(data):
    with np.errstate(over="ignore"):
        values = data.astype(np.float32)
    values = values[np.isfinite(values)]
    if len(values):
        with np.errstate(all="ignore"):
            expected = np.percentile(values, (0.5, 99.5))
            np.testing.assert_array_equal(percentiles(data, len(values)), expected)


def test_slices_are_the_same_by_number_or_together():
    grey, _ = normalise_intensity(np.random.default_rng(0).integers(-900, 2000, (6, 5, 4)).astype(np.int16))
    whole = np.asarray(grey)
    assert (whole.shape, whole.dtype, len(grey)) == (grey.shape, np.float32, 6)
    np.testing.assert_array_equal(grey[2], whole[2])
    np.testing.assert_array_equal(grey[[1, 4]], whole[[1, 4]])
    np.testing.assert_array_equal(grey[3:], whole[3:])
