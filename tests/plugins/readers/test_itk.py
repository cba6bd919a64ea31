"""NRRD, MetaImage and NIfTI pairs: same axes as NIfTI, masks on the same direction, origin and spacing."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from usframe_plugins.readers.itk import SimpleITKReader
from usframe_plugins.readers.nifti import NiftiReader

from usframe import ReadError, WriteError
from usframe.data.volumes import PlainGrid

READER = SimpleITKReader()
SUFFIXES = [".nrrd", ".nhdr", ".mha", ".mhd", ".hdr"]
few = settings(max_examples=25, deadline=None, derandomize=True)
sizes = st.floats(0.05, 5)
angles = st.floats(-3, 3)


def save(path: Path, array: np.ndarray, **header: object) -> Path:
    """``array`` is indexed [z, y, x], as SimpleITK has it."""
    image = sitk.GetImageFromArray(array)
    for name, value in header.items():
        getattr(image, f"Set{name}")(value)
    sitk.WriteImage(image, str(path))
    return path


def geometry(path: Path) -> np.ndarray:
    image = sitk.ReadImage(str(path))
    return np.concatenate([image.GetSize(), image.GetOrigin(), image.GetSpacing(), image.GetDirection()])


@few
@given(
    suffix=st.sampled_from(SUFFIXES),
    dtype=st.sampled_from(["u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8"]),
    spacing=st.tuples(sizes, sizes, sizes),
    origin=st.tuples(*[st.floats(-200, 200)] * 3),
    turn=st.tuples(angles, angles, angles),
    mirrored=st.booleans(),
    layout=st.sampled_from(["auto", "whd", "hwd", "dhw", "dwh", "hdw", "wdh"]),
)
def test_a_mask_comes_back_on_the_grid_it_came_from(
    tmp_path_factory, suffix, dtype, spacing, origin, turn, mirrored, layout
):
    folder = tmp_path_factory.mktemp("itk")
    array = np.random.default_rng(0).integers(0, 100, (5, 6, 7)).astype(dtype)
    direction = Rotation.from_euler("xyz", turn).as_matrix() @ np.diag([1, 1, -1 if mirrored else 1])
    source, target = folder / f"volume{suffix}", folder / f"mask{suffix}"
    save(source, array, Spacing=spacing, Origin=origin, Direction=direction.ravel().tolist())

    volume = READER.read(source, layout=layout)
    named = "whd" if layout == "auto" else layout
    np.testing.assert_array_equal(volume.data, array.T.transpose([named.index(axis) for axis in "dhw"]))
    assert READER.shape(source, layout=layout) == volume.data.shape
    np.testing.assert_allclose(volume.spacing_mm, [spacing[named.index(axis)] for axis in "dhw"], rtol=1e-5)

    mask = np.random.default_rng(1).integers(0, 4, volume.data.shape).astype(np.uint8)
    READER.write(target, mask, volume.grid)
    np.testing.assert_array_equal(READER.read(target, layout=layout).data, mask)
    tolerance = 1e-4 if suffix == ".hdr" else 1e-12  # a NIfTI pair stores float32 quaternions
    np.testing.assert_allclose(geometry(target), geometry(source), rtol=tolerance, atol=tolerance)
    assert sitk.ReadImage(str(target)).GetPixelID() == sitk.sitkUInt8


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_its_affine_is_the_one_that_nibabel_has_for_the_same_recording(tmp_path, suffix):
    array = np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7)
    turn = Rotation.from_euler("xyz", [0.3, -0.2, 0.5]).as_matrix().ravel().tolist()
    header = {"Spacing": (0.3, 0.4, 0.9), "Origin": (10, -20, 30), "Direction": turn}
    ours = READER.read(save(tmp_path / f"volume{suffix}", array, **header))
    theirs = NiftiReader().read(save(tmp_path / "volume.nii.gz", array, **header))
    np.testing.assert_array_equal(ours.data, theirs.data)
    np.testing.assert_allclose(ours.grid.affine, theirs.grid.affine, atol=1e-4)
    np.testing.assert_allclose(ours.spacing_mm, theirs.spacing_mm, rtol=1e-5)


def test_nibabel_sees_a_mask_written_from_a_nifti_grid_in_its_place(tmp_path):
    affine = np.array([[-0.3, 0, 0.1, 5], [0, 0.4, 0, 6], [0.1, 0, 0.9, 7], [0, 0, 0, 1]])
    affine[:3, 0] = np.cross(affine[:3, 1], affine[:3, 2])
    nib.save(nib.Nifti1Image(np.zeros((4, 5, 6), np.uint8), affine), tmp_path / "volume.nii")
    volume = NiftiReader().read(tmp_path / "volume.nii")
    mask = np.random.default_rng(0).integers(0, 3, volume.data.shape).astype(np.uint8)
    READER.write(tmp_path / "mask.nrrd", mask, volume.grid)
    again = READER.read(tmp_path / "mask.nrrd")
    np.testing.assert_array_equal(again.data, mask)
    np.testing.assert_allclose(again.grid.affine, volume.grid.affine, atol=1e-6)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize(
    ("size", "read"),
    [((4, 5), (1, 5, 4)), ((4, 5, 6, 1), (6, 5, 4)), ((4, 5, 1, 6), (6, 5, 4))],
)
def test_pictures_clips_and_padded_volumes_keep_their_stored_shape(tmp_path, suffix, size, read):
    array = np.arange(np.prod(size), dtype=np.uint8).reshape(size[::-1])
    image = sitk.GetImageFromArray(array, isVector=False)
    image.SetSpacing((0.3, 0.4, 0.9, 2.0)[: len(size)])
    source, target = tmp_path / f"volume{suffix}", tmp_path / f"mask{suffix}"
    sitk.WriteImage(image, str(source))
    volume = READER.read(source)
    assert volume.data.shape == read == READER.shape(source)
    np.testing.assert_array_equal(volume.data, array.reshape(read))
    np.testing.assert_allclose(volume.spacing_mm[1:], (0.4, 0.3))
    READER.write(target, volume.data, volume.grid)
    np.testing.assert_allclose(geometry(target), geometry(source))


def colour(path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((5, 6, 7, 3), np.uint8), isVector=True), str(path))


def several(path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((2, 5, 6, 7), np.uint8), isVector=False), str(path))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(b"not an image" * 99), "cannot be decoded"),
        (colour, "3 values per voxel"),
        (several, "several volumes"),
        (lambda path: save(path, np.zeros((5, 6, 7), np.complex64)), "complex64"),
    ],
)
def test_what_is_no_volume_is_refused_in_one_line(tmp_path, make, message):
    path = tmp_path / "case.nrrd"
    make(path)
    with pytest.raises(ReadError, match=message) as error:
        READER.read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("suffix", "voxels"), [(".nrrd", ".nrrd"), (".mha", ".mha"), (".mhd", ".raw"), (".hdr", ".img")]
)
def test_truncated_voxels_are_refused(tmp_path, suffix, voxels):
    path = save(tmp_path / f"case{suffix}", np.random.default_rng(0).integers(0, 255, (9, 9, 9)).astype("u1"))
    data = path.with_suffix(voxels)
    data.write_bytes(data.read_bytes()[:-200])
    with pytest.raises(ReadError, match="damaged"):
        READER.read(path)
    if voxels != suffix:
        data.unlink()
        with pytest.raises(ReadError):
            READER.read(path)


def test_a_folder_that_is_not_there_cannot_be_written_to(tmp_path):
    with pytest.raises(WriteError, match="cannot be written"):
        READER.write(tmp_path / "nowhere" / "mask.nrrd", np.zeros((2, 3, 4), np.uint8), PlainGrid(None))
