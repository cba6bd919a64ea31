"""Arrays are (D, H, W); an .npz is MedSAM2's, or holds one array."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from usframe_plugins.readers.numpy_arrays import NumpyReader

from usframe import ReadError, Volume
from usframe.data.volumes import PlainGrid

READER = NumpyReader()
VOLUME = np.random.default_rng(0).integers(0, 255, (5, 6, 7)).astype(np.uint8)
LABELS = (VOLUME > 128).astype(np.uint8)
ONTO = Volume(VOLUME)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    dtype=st.sampled_from(["?", "u1", "i1", ">i2", "<u2", ">i4", "u8", "f2", ">f4", "f8"]),
    layout=st.sampled_from(["auto", "whd", "hwd", "dhw", "dwh", "hdw", "wdh"]),
    shape=st.sampled_from([(5, 6, 7), (6, 7), (1, 5, 6, 7), (5, 6, 7, 1), (5, 1, 6, 7), (1, 6, 7, 1)]),
    fortran=st.booleans(),
)
def test_a_mask_comes_back_with_the_stored_shape(tmp_path_factory, dtype, layout, shape, fortran):
    folder = tmp_path_factory.mktemp("numpy")
    stored = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    np.save(folder / "volume.npy", np.asfortranarray(stored) if fortran else stored)
    volume = READER.read(folder / "volume.npy", layout=layout)
    assert volume.spacing_mm is None
    assert volume.data.dtype.isnative
    assert READER.shape(folder / "volume.npy", layout=layout) == volume.data.shape
    READER.write(folder / "mask.npy", volume.data.astype(np.uint8), volume.grid)
    mask = np.load(folder / "mask.npy")
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, stored)


@pytest.mark.parametrize("layout", ["whd", "hwd", "dhw", "dwh", "hdw", "wdh"])
def test_every_layout_finds_rows_columns_and_slices(tmp_path, layout):
    np.save(tmp_path / "case.npy", VOLUME.transpose(["dhw".index(axis) for axis in layout]))
    np.testing.assert_array_equal(READER.read(tmp_path / "case.npy", layout=layout).data, VOLUME)


def test_the_files_of_medsam2_hold_volume_labels_and_spacing(tmp_path):
    path = tmp_path / "case.npz"
    np.savez_compressed(path, imgs=VOLUME, gts=LABELS, spacing=(0.3, 0.4, 0.9))
    volume, labels = READER.read(path), READER.read(path, onto=ONTO)
    np.testing.assert_array_equal(volume.data, VOLUME)
    np.testing.assert_array_equal(labels.data, LABELS)
    assert volume.spacing_mm == (0.9, 0.4, 0.3)
    assert READER.read(path, layout="hwd").spacing_mm == (0.3, 0.9, 0.4)
    READER.write(tmp_path / "mask.npz", LABELS, volume.grid)
    with np.load(tmp_path / "mask.npz") as mask:
        np.testing.assert_array_equal(mask["segs"], LABELS)
        np.testing.assert_allclose(mask["spacing"], (0.3, 0.4, 0.9))
    np.testing.assert_array_equal(READER.read(tmp_path / "mask.npz", onto=ONTO).data, LABELS)


def test_an_npz_with_one_array_needs_no_particular_name(tmp_path):
    np.savez(tmp_path / "case.npz", scan=VOLUME)
    volume = READER.read(tmp_path / "case.npz")
    np.testing.assert_array_equal(volume.data, VOLUME)
    assert volume.spacing_mm is None


@pytest.mark.parametrize("spacing", [(1, 2), (0, 1, 1), (np.nan, 1, 1), (-1, 1, 1)])
def test_a_spacing_that_is_none_is_not_used(tmp_path, spacing):
    np.savez(tmp_path / "case.npz", imgs=VOLUME, spacing=spacing)
    assert READER.read(tmp_path / "case.npz").spacing_mm is None


def test_an_axis_of_length_one_is_dropped_with_a_note(tmp_path):
    np.save(tmp_path / "case.npy", VOLUME[None])
    volume = READER.read(tmp_path / "case.npy")
    np.testing.assert_array_equal(volume.data, VOLUME)
    assert "(1, 5, 6, 7) was read as (5, 6, 7)" in volume.notes[0]


def test_arrays_made_in_memory_are_written_as_they_are(tmp_path):
    READER.write(tmp_path / "mask.npy", LABELS, PlainGrid(None))
    np.testing.assert_array_equal(np.load(tmp_path / "mask.npy"), LABELS)
    READER.write(tmp_path / "mask.npz", LABELS, PlainGrid((0.9, 0.4, 0.3)))
    assert READER.read(tmp_path / "mask.npz", onto=ONTO).spacing_mm == pytest.approx((0.9, 0.4, 0.3))


def test_no_spacing_is_made_up_for_a_volume_without_one(tmp_path):
    READER.write(tmp_path / "mask.npz", LABELS, PlainGrid(None))
    assert np.load(tmp_path / "mask.npz").files == ["segs"]
    np.save(tmp_path / "case.npy", VOLUME)
    READER.write(tmp_path / "own.npz", LABELS, READER.read(tmp_path / "case.npy").grid)
    assert np.load(tmp_path / "own.npz").files == ["segs"]


@pytest.mark.parametrize(
    ("make", "labels", "message"),
    [
        (lambda path: None, False, "no such file"),
        (lambda path: path.mkdir(), False, "is a folder"),
        (lambda path: path.write_bytes(b""), False, "empty"),
        (lambda path: path.write_bytes(b"not an array" * 99), False, "not a readable NumPy file"),
        (lambda path: np.savez(path, imgs=VOLUME), True, "expected 'gts' or 'segs'"),
        (lambda path: np.savez(path, gts=LABELS), False, "expected 'imgs'"),
        (lambda path: np.savez(path, a=VOLUME, b=VOLUME), False, "holds the arrays a, b"),
        (lambda path: np.savez(path), False, "holds the arrays none"),
        (lambda path: np.savez(path, imgs=np.zeros((5, 6, 7, 3))), False, r"\(5, 6, 7, 3\)"),
        (lambda path: np.savez(path, imgs=np.zeros(5)), False, r"\(5,\)"),
        (lambda path: np.savez(path, imgs=np.zeros((5, 0, 7))), False, "no voxels"),
        (lambda path: np.savez(path, imgs=np.zeros((5, 6, 7), "c8")), False, "complex64"),
        (lambda path: np.savez(path, imgs=np.full((5, 6), "a")), False, "real numbers"),
        (lambda path: np.savez(path, imgs=np.array([{}])), False, "not a readable NumPy file"),
    ],
)
def test_what_is_no_volume_is_refused_in_one_line(tmp_path, make, labels, message):
    path = tmp_path / "case.npz"
    make(path)
    with pytest.raises(ReadError, match=message) as error:
        READER.read(path, onto=ONTO if labels else None)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("part", [0.05, 0.5, 0.95])
def test_a_truncated_file_is_refused(tmp_path, suffix, part):
    path = tmp_path / f"case{suffix}"
    np.save(path, VOLUME) if suffix == ".npy" else np.savez_compressed(path, imgs=VOLUME)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(ReadError, match="not a readable NumPy file"):
        READER.read(path)


def test_lengths_below_0_are_no_array(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, VOLUME)
    path.write_bytes(path.read_bytes().replace(b"(5, 6, 7)", b"(5,-6, 7)"))
    with pytest.raises(ReadError, match="not a readable NumPy file"):
        READER.read(path)
