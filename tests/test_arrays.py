"""Arrays that wait on disk are those that would be in memory."""

from __future__ import annotations

import tempfile

import numpy as np
import pytest

from usframe import CaseError, arrays
from usframe.arrays import Planes, gather, release, values_of

ARRAY = np.random.default_rng(0).integers(0, 9, (7, 5, 4)).astype(np.int16)


@pytest.mark.parametrize("large", [arrays.LARGE, 0], ids=["in memory", "on disk"])
def test_planes_are_the_array_that_was_put_and_0_elsewhere(large, monkeypatch):
    monkeypatch.setattr(arrays, "LARGE", large)
    planes = Planes(ARRAY.shape, np.int16)
    planes.put(1, ARRAY[1])
    planes.put(4, ARRAY[4:6])
    expected = np.zeros_like(ARRAY)
    expected[[1, 4, 5]] = ARRAY[[1, 4, 5]]
    found = planes.array()
    assert isinstance(found, np.memmap) == (large == 0)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(gather((ARRAY[n : n + 3] for n in (0, 3, 6)), ARRAY.shape, np.int16), ARRAY)


def test_what_was_changed_outlasts_its_release(monkeypatch):
    monkeypatch.setattr(arrays, "LARGE", 0)
    found = gather([ARRAY], ARRAY.shape, ARRAY.dtype)
    found[3, 2] = 77
    release(found[2:], None, ARRAY)
    assert (found[3, 2] == 77).all()
    np.testing.assert_array_equal(found[4:], ARRAY[4:])


def test_private_pages_are_not_released(tmp_path):
    np.save(tmp_path / "a.npy", ARRAY)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="c")
    mapped[0] = 5
    release(mapped)
    assert (mapped[0] == 5).all()


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32])
def test_values_are_those_of_all_voxels(kind):
    assert values_of(ARRAY.astype(kind)) == np.unique(ARRAY).tolist()


def test_a_temporary_folder_that_cannot_be_used_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(arrays, "LARGE", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(CaseError, match=r"temporary folder .*gone: .*; TMPDIR names another"):
        Planes(ARRAY.shape, np.int16)
