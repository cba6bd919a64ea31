"""A mask appears on its volume's grid when it is complete, or not at all."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from usframe import ReadError, Volume, WriteError, read_volume, write_mask
from usframe.data.writers import mask_suffix
from usframe.plugins.load import load_plugins

PLUGINS = load_plugins()
MASK = np.random.default_rng(0).integers(0, 3, (4, 5, 6)).astype(np.uint8)
VOLUME = Volume(np.zeros((4, 5, 6), np.float32), spacing_mm=(0.9, 0.4, 0.3))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


@pytest.mark.parametrize(
    ("suffix", "files"),
    [
        (".nii.gz", {"m.nii.gz"}),
        (".nrrd", {"m.nrrd"}),
        (".mhd", {"m.mhd", "m.zraw"}),
        (".hdr", {"m.hdr", "m.img"}),
        (".npy", {"m.npy"}),
        (".npz", {"m.npz"}),
        (".tif", {"m.tif"}),
    ],
)
def test_a_mask_of_a_volume_made_in_memory_keeps_its_spacing(tmp_path, suffix, files):
    path = tmp_path / "new" / "folder" / f"m{suffix}"
    write_mask(path, MASK, VOLUME)
    assert names(path.parent) == files
    read = read_volume(path, onto=VOLUME)
    np.testing.assert_array_equal(read.data, MASK)
    if suffix not in (".npy", ".tif"):
        assert read.spacing_mm == pytest.approx((0.9, 0.4, 0.3))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mhd"])
def test_a_viewer_finds_every_voxel_of_the_mask_on_its_volume(tmp_path, suffix):
    """ITK-SNAP and 3D Slicer compare what ITK reads: size, origin, spacing and direction."""
    image = sitk.GetImageFromArray(np.zeros((4, 5, 6), np.int16))
    image.SetSpacing((0.3, 0.4, 0.9))
    image.SetOrigin((10, -20, 30))
    image.SetDirection((0, -1, 0, 1, 0, 0, 0, 0, 1))
    source, target = tmp_path / f"v{suffix}", tmp_path / f"m{suffix}"
    sitk.WriteImage(image, str(source))
    write_mask(target, MASK, read_volume(source, plugins=PLUGINS), plugins=PLUGINS)
    before, after = sitk.ReadImage(str(source)), sitk.ReadImage(str(target))
    for what in ("GetSize", "GetOrigin", "GetSpacing", "GetDirection"):
        assert getattr(after, what)() == getattr(before, what)()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(after), MASK)


@pytest.mark.parametrize("dtype", [bool, np.int64, np.uint16])
def test_whole_numbers_become_uint8(tmp_path, dtype):
    write_mask(tmp_path / "m.nii", MASK.astype(dtype), VOLUME, plugins=PLUGINS)
    written = nib.load(tmp_path / "m.nii")
    assert written.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(written.get_fdata().T, MASK.astype(dtype))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (MASK[:3], r"\(3, 5, 6\).*\(4, 5, 6\)"),
        (MASK.astype(np.float32), "float32"),
        (MASK.astype(np.int16) - 1, "0 to 255"),
        (MASK.astype(np.int16) + 255, "0 to 255"),
    ],
)
def test_what_is_no_mask_of_the_volume_is_refused(tmp_path, mask, message):
    with pytest.raises(WriteError, match=message):
        write_mask(tmp_path / "m.nii", mask, VOLUME, plugins=PLUGINS)
    assert names(tmp_path) == set()


@pytest.mark.parametrize(("name", "message"), [("m.jpg", r"as \.png"), ("m.png", r"as \.tif")])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, name, message):
    path = tmp_path / name
    path.write_text("old")
    with pytest.raises(WriteError, match=message) as error:
        write_mask(path, MASK, VOLUME, plugins=PLUGINS)
    assert str(error.value).startswith(f"{path}: ")
    assert path.read_text() == "old"
    assert names(tmp_path) == {name}


def test_a_place_that_cannot_be_written_to_is_one_line(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    path = tmp_path / "file" / "m.nii"
    with pytest.raises(WriteError, match="cannot be written") as error:
        write_mask(path, MASK, VOLUME, plugins=PLUGINS)
    assert "\n" not in str(error.value)


def test_a_mask_replaces_an_older_one_with_its_data_file(tmp_path):
    for mask in (MASK, MASK * 0 + 7):
        write_mask(tmp_path / "m.mhd", mask, VOLUME, plugins=PLUGINS)
        np.testing.assert_array_equal(read_volume(tmp_path / "m.mhd", plugins=PLUGINS).data, mask)


def test_an_unknown_suffix_lists_the_known_ones(tmp_path):
    with pytest.raises(ReadError, match=r"\.nii\.gz"):
        write_mask(tmp_path / "m.doc", MASK, VOLUME, plugins=PLUGINS)


@pytest.mark.parametrize(
    ("source", "mask"),
    [(".jpg", ".png"), (".JPEG", ".png"), (".seg.nrrd", ".nrrd"), (".nii.gz", ".nii.gz"), (".tif", ".tif")],
)
def test_a_mask_has_the_suffix_of_its_source_unless_that_would_change_it(source, mask):
    assert mask_suffix(source) == mask
