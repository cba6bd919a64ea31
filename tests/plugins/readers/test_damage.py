"""A damaged compressed file is an error, and a header is not believed before its file was looked at."""

import gzip
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from usframe import ReadError, read_volume
from usframe.plugins.load import load_plugins

PLUGINS = load_plugins()
NOISE = np.random.default_rng(0).integers(0, 255, (12, 20, 20)).astype(np.uint8)
COMPRESSED = [".nii.gz", ".nrrd", ".mha", ".mhd"]


def save(path: Path) -> Path:
    """A compressed file, and the one that holds its voxels."""
    if path.name.endswith(".nii.gz"):
        nib.save(nib.Nifti1Image(NOISE.transpose(2, 1, 0), np.diag([0.3, 0.4, 0.9, 1])), path)
    else:
        sitk.WriteImage(sitk.GetImageFromArray(NOISE), str(path), True)
    return path.with_suffix(".zraw") if path.suffix == ".mhd" else path


def refused(path: Path) -> str:
    with pytest.raises(ReadError) as error:
        read_volume(path, plugins=PLUGINS)
    assert str(path.parent) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("suffix", COMPRESSED)
def test_what_is_whole_is_read(tmp_path, suffix):
    save(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read_volume(tmp_path / f"a{suffix}", plugins=PLUGINS).data, NOISE)


@pytest.mark.parametrize("suffix", COMPRESSED)
def test_no_flipped_bit_in_the_voxels_is_read_as_truth(tmp_path, suffix, capfd):
    voxels = save(tmp_path / f"a{suffix}")
    whole = voxels.read_bytes()
    start = 20 if suffix in (".nii.gz", ".mhd") else len(whole) - 4000
    for at in np.random.default_rng(1).integers(start, len(whole), 40):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << int(at % 8)
        voxels.write_bytes(flipped)
        refused(tmp_path / f"a{suffix}")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", COMPRESSED)
@pytest.mark.parametrize("left", [0.3, 0.9, 0.9999])
def test_no_truncated_stream_is_read(tmp_path, suffix, left, capfd):
    voxels = save(tmp_path / f"a{suffix}")
    whole = voxels.read_bytes()
    voxels.write_bytes(whole[: int(len(whole) * left)])
    assert "damaged" in refused(tmp_path / f"a{suffix}")
    assert capfd.readouterr().err == ""


def test_a_checksum_at_the_end_of_a_gzip_stream_counts(tmp_path):
    path = save(tmp_path / "a.nii.gz")
    whole = bytearray(path.read_bytes())
    whole[-6] ^= 1
    path.write_bytes(whole)
    assert "CRC" in refused(path)


def nifti_header(*shape: int) -> bytes:
    header = nib.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(shape)
    header["vox_offset"] = 352
    return header.binaryblock + bytes(4)


def test_a_header_that_promises_more_than_the_file_can_hold_is_refused_at_once(tmp_path):
    shape = (30000, 30000, 30000)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(nifti_header(*shape)))
    (tmp_path / "b.nii").write_bytes(nifti_header(*shape))
    nrrd = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 30000 30000 30000\nencoding: {}\n\n"
    (tmp_path / "c.nrrd").write_bytes(nrrd.format("raw").encode() + bytes(99))
    (tmp_path / "d.nrrd").write_bytes(nrrd.format("gzip").encode() + gzip.compress(bytes(99)))
    meta = "ObjectType = Image\nNDims = 3\nDimSize = 30000 30000 30000\n{}ElementType = MET_UCHAR\n"
    local = "ElementDataFile = LOCAL\n"
    (tmp_path / "e.mha").write_bytes((meta.format("") + local).encode() + bytes(99))
    compressed = (meta.format("CompressedData = True\n") + local).encode()
    (tmp_path / "f.mha").write_bytes(compressed + zlib.compress(bytes(99)))
    for path in sorted(tmp_path.iterdir()):
        assert "shorter than its header says (27 TB of voxels)" in refused(path)


def test_a_sparse_file_beyond_the_memory_of_the_machine_is_refused_from_its_header(tmp_path):
    path = tmp_path / "a.nii"
    with path.open("wb") as file:
        file.write(nifti_header(30000, 30000, 1000))
        file.truncate(352 + 30000 * 30000 * 1000)
    assert "more than this machine's" in refused(path)


@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha", ".npy"])
def test_a_file_that_is_longer_than_its_header_says_is_refused_but_for_a_little_padding(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(NOISE), str(path)) if suffix != ".npy" else np.save(path, NOISE)
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(500))
    np.testing.assert_array_equal(read_volume(path, plugins=PLUGINS).data, NOISE)
    path.write_bytes(whole + bytes(2000))
    assert "longer than its header says" in refused(path)


def with_field(folder: Path, name: str, value: float) -> Path:
    """A NIfTI file whose header has another value."""
    header = nib.Nifti1Header(nifti_header(20, 20, 12)[:348])
    header[name] = value
    (folder / "a.nii").write_bytes(header.binaryblock + bytes(4) + NOISE.tobytes())
    return folder / "a.nii"


def test_a_header_whose_type_and_bits_differ_is_refused(tmp_path):
    assert "its datatype has 8 bits and its bitpix 16" in refused(with_field(tmp_path, "bitpix", 16))


def test_a_slope_that_is_no_number_is_none_and_a_note(tmp_path):
    volume = read_volume(with_field(tmp_path, "scl_slope", np.inf), plugins=PLUGINS)
    np.testing.assert_array_equal(volume.data.ravel(), NOISE.ravel())
    assert "slope inf" in volume.notes[0]


def test_more_axes_than_lengths_never_reach_the_library(tmp_path):
    """MetaIO writes beyond its memory then."""
    header = (
        "ObjectType = Image\nNDims = 99\nDimSize = 20 20 12\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    )
    (tmp_path / "a.mha").write_bytes(header.encode() + NOISE.tobytes())
    assert "99 axes of the lengths 20 20 12" in refused(tmp_path / "a.mha")


def test_a_picture_with_a_wrong_checksum_is_refused_without_a_word_of_the_library(tmp_path, capfd):
    path = tmp_path / "a.png"
    sitk.WriteImage(sitk.GetImageFromArray(NOISE[0]), str(path))
    content = bytearray(path.read_bytes())
    content[-14] ^= 1
    path.write_bytes(content)
    assert "CRC error" in refused(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("mm", [1e-9, 1e30, np.nan])
def test_a_voxel_size_out_of_this_world_is_unknown(tmp_path, mm):
    np.savez(tmp_path / "a.npz", imgs=NOISE, spacing=[mm, 1, 1])
    volume = read_volume(tmp_path / "a.npz", plugins=PLUGINS)
    assert volume.spacing_mm is None
    assert "no usable voxel size" in volume.notes[0]
