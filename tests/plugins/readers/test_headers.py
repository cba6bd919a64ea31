"""The header itself is asked: units of length, spacing that nobody stated, axes of time, files of two axes."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from usframe_plugins.readers.itk import SimpleITKReader
from usframe_plugins.readers.nifti import NiftiReader

from usframe import Volume
from usframe.data.axis import voxel_ml

READER = SimpleITKReader()
ARRAY = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)


def nrrd(path: Path, *lines: str, sizes: str = "6 5 4") -> Volume:
    dimension = len(sizes.split())
    header = ["NRRD0005", "type: uint8", f"dimension: {dimension}", f"sizes: {sizes}", "encoding: raw", *lines]
    path.write_bytes("\n".join(header).encode() + b"\n\n" + ARRAY.tobytes()[: np.prod([*map(int, sizes.split())])])
    return READER.read(path)


DIRECTIONS = "space directions: (30,0,0) (0,40,0) (0,0,90)"


@pytest.mark.parametrize(
    ("unit", "mm"),
    [
        ("um", 1e-3),
        ("microns", 1e-3),
        ("µm", 1e-3),
        ("mm", 1),
        ("cm", 10),
        ("m", 1000),
        ("meters", 1000),
        ("nm", 1e-6),
        ("", 1),
    ],
)
def test_lengths_are_in_the_unit_that_the_header_names(tmp_path, unit, mm):
    units = " ".join(f'"{unit}"' for _ in range(3))
    volume = nrrd(tmp_path / "a.nrrd", "space: right-anterior-superior", DIRECTIONS, f"space units: {units}")
    assert volume.spacing_mm == pytest.approx((90 * mm, 40 * mm, 30 * mm))
    assert voxel_ml(volume) == pytest.approx(90 * 40 * 30 * mm**3 / 1000)
    READER.write(tmp_path / "mask.nrrd", ARRAY, volume.grid)
    again = READER.read(tmp_path / "mask.nrrd")
    assert again.spacing_mm == pytest.approx(volume.spacing_mm)
    np.testing.assert_allclose(again.grid.affine, volume.grid.affine, rtol=1e-9)


@pytest.mark.parametrize("units", ['"pixel" "pixel" "pixel"', '"mm" "mm" "um"'])
def test_units_that_are_not_one_known_length_leave_the_spacing_unknown(tmp_path, units):
    volume = nrrd(tmp_path / "a.nrrd", "space: right-anterior-superior", DIRECTIONS, f"space units: {units}")
    assert volume.spacing_mm is voxel_ml(volume) is volume.grid.affine is None
    assert "unit that is not known" in volume.notes[0]


def test_a_nrrd_whose_header_has_no_spacing_has_none(tmp_path):
    for lines in ([], ["spacings: nan nan nan"], ["spacings: 0.3 0.4 nan"]):
        volume = nrrd(tmp_path / "a.nrrd", *lines)
        np.testing.assert_array_equal(volume.data, ARRAY)
        assert volume.spacing_mm is voxel_ml(volume) is volume.grid.affine is None
        assert volume.notes == ("the header gives no usable voxel size",)
    assert nrrd(tmp_path / "a.nrrd", "spacings: 1 1 1").spacing_mm == (1, 1, 1)


@pytest.mark.parametrize("suffix", [".mha", ".mhd"])
def test_a_metaimage_whose_header_has_no_spacing_has_none(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    local = "LOCAL" if suffix == ".mha" else "a.raw"
    (tmp_path / "a.raw").write_bytes(ARRAY.tobytes())

    def read(*lines: str) -> Volume:
        fields = ["ObjectType = Image", "NDims = 3", "DimSize = 6 5 4", *lines, "ElementType = MET_UCHAR"]
        text = "\n".join([*fields, f"ElementDataFile = {local}"]) + "\n"
        path.write_bytes(text.encode() + (ARRAY.tobytes() if suffix == ".mha" else b""))
        return READER.read(path)

    assert read().spacing_mm is None
    assert read("ElementSpacing = 0.3 0.4 0.9").spacing_mm == pytest.approx((0.9, 0.4, 0.3))
    assert read("ElementSize = 0.3 0.4 0.9").spacing_mm == pytest.approx((0.9, 0.4, 0.3))


def test_an_axis_of_time_is_no_length(tmp_path):
    volume = nrrd(tmp_path / "a.nrrd", "spacings: 0.3 0.4 40", "kinds: domain domain time")
    assert volume.time
    assert volume.spacing_mm == pytest.approx((1, 0.4, 0.3))
    assert voxel_ml(volume) is volume.grid.affine is None
    assert "time" in volume.notes[0]


@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha"])
def test_a_file_of_two_axes_has_no_thickness(tmp_path, suffix):
    image = sitk.GetImageFromArray(ARRAY[0])
    image.SetSpacing((0.3, 0.4))
    sitk.WriteImage(image, str(tmp_path / f"a{suffix}"))
    volume = (NiftiReader() if suffix == ".nii" else READER).read(tmp_path / f"a{suffix}")
    assert volume.flat
    assert volume.spacing_mm[1:] == pytest.approx((0.4, 0.3))
    assert voxel_ml(volume) is None


def test_pixdim_that_disagrees_with_the_affine_is_told_with_both(tmp_path):
    image = nib.Nifti1Image(ARRAY.transpose(2, 1, 0), np.diag([0.3, 0.4, 0.8, 1]))
    image.header["pixdim"][3] = 0.6
    raw = tmp_path / "a.nii"
    nib.save(image, raw)
    stored = bytearray(raw.read_bytes())
    stored[76 + 12 : 76 + 16] = np.float32(0.6).tobytes()
    raw.write_bytes(stored)
    volume = NiftiReader().read(raw)
    assert volume.spacing_mm == pytest.approx((0.8, 0.4, 0.3))
    [note] = volume.notes
    assert "0.6 and 0.8 mm along stored axis 3" in note
    assert "the affine was used" in note


def test_a_nifti_whose_codes_say_nothing_has_a_spacing_and_no_place(tmp_path):
    image = nib.Nifti1Image(ARRAY.transpose(2, 1, 0), None)
    image.header.set_zooms((0.3, 0.4, 0.9))
    nib.save(image, tmp_path / "a.nii")
    volume = NiftiReader().read(tmp_path / "a.nii")
    assert volume.spacing_mm == pytest.approx((0.9, 0.4, 0.3))
    assert volume.grid.affine is None
