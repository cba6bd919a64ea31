"""Masks of DICOM volumes as DICOM segmentations: highdicom reads them back equal, in place and by their names."""

from __future__ import annotations

from pathlib import Path

import highdicom
import numpy as np
import pytest
from conftest import DataSet, usframe_, write_case
from dicom_files import save, save_series
from pydicom import dcmread

from usframe import Volume, WriteError, read_volume, write_mask

PICTURES = np.random.default_rng(0).integers(0, 255, (4, 33, 41)).astype(np.uint8)
MASK = np.zeros(PICTURES.shape, np.uint8)
MASK[1, 8:20, 6:18], MASK[2, 8:20, 20:33] = 2, 7
SPACE = {"FrameOfReferenceUID": "1.2.3"}


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """A series whose files are in another order than its slices."""
    save_series(tmp_path / "volumes" / "a", PICTURES, [3, 1, 4, 2], **SPACE)
    return read_volume(tmp_path / "volumes" / "a")


@pytest.mark.parametrize("layout", ["dhw", "hwd"])
def test_a_mask_is_read_back_by_highdicom_on_the_images_that_it_was_drawn_on(
    volume: Volume, tmp_path: Path, layout: str
) -> None:
    turned = read_volume(tmp_path / "volumes" / "a", layout=layout)
    axes = [layout.index(axis) for axis in "dhw"]
    path = tmp_path / "mask.dcm"
    write_mask(path, MASK.transpose(axes), turned, names={7: "wall"})
    written = highdicom.seg.segread(path)
    segments = [written.get_segment_description(number) for number in written.segment_numbers]
    tracked = [(one.segment_number, one.segment_label, one.tracking_id) for one in segments]
    assert tracked == [(1, "object 2", "usframe object 2"), (2, "wall", "usframe object 7")]
    files = sorted((tmp_path / "volumes" / "a").iterdir(), key=lambda file: dcmread(file).ImagePositionPatient[2])
    uids = [dcmread(file).SOPInstanceUID for file in files]
    pixels = written.get_pixels_by_source_instance(uids, combine_segments=True)
    np.testing.assert_array_equal(pixels, np.select([MASK == 2, MASK == 7], [1, 2]))
    labels = read_volume(path, onto=turned, layout=layout, role="mask")
    np.testing.assert_array_equal(labels.data, MASK.transpose(axes))
    assert labels.names == {7: "wall"}
    first = path.read_bytes()
    write_mask(path, MASK.transpose(axes), turned, names={7: "wall"})
    assert dcmread(path).SOPInstanceUID.encode() in first


def test_a_mask_without_an_object_is_one(volume: Volume, tmp_path: Path) -> None:
    write_mask(tmp_path / "mask.dcm", MASK * 0, volume)
    assert not read_volume(tmp_path / "mask.dcm", onto=volume, role="mask").data.any()


def test_frames_without_a_place_and_other_volumes_are_one_line_that_names_nifti(tmp_path: Path) -> None:
    clip = read_volume(save(tmp_path / "clip.dcm", PICTURES))
    with pytest.raises(WriteError, match=r"without a Frame of Reference UID .*mask_format=auto"):
        write_mask(tmp_path / "mask.dcm", MASK, clip)
    save_series(tmp_path / "flat", PICTURES, [1, 2, 3, 4], ImagePositionPatient=None, ImageOrientationPatient=None)
    with pytest.raises(WriteError, match=r"highdicom refuses its images .*mask_format=auto"):
        write_mask(tmp_path / "mask.dcm", MASK, read_volume(tmp_path / "flat"))
    with pytest.raises(WriteError, match=r"its volume is no DICOM image"):
        write_mask(tmp_path / "mask.dcm", MASK, Volume(PICTURES))
    assert not (tmp_path / "mask.dcm").exists()


CPU = ("--backbone", "demo", "--checkpoint", "random", "--device", "cpu", "-p", "mask", "baselines=false")


def test_a_run_writes_them_and_only_they_tell_about_the_patient(volume: Volume, tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    write_mask(tmp_path / "labels" / "a.dcm", MASK, volume, names={2: "lumen", 7: "wall"})
    out = tmp_path / "out"
    words = ("-i", tmp_path / "volumes", "-l", tmp_path / "labels")
    done = usframe_("run", *words, "-o", out, *CPU, "mask_format=dicom")
    assert done.exit_code == 0, done.output
    mask = read_volume(out / "masks" / "mask" / "a.dcm", onto=volume, role="mask")
    assert set(mask.names.values()) <= {"lumen", "wall"}
    assert {*np.unique(mask.data)} <= {0, 2, 7}
    assert b"SECRET-4711" in (out / "masks" / "mask" / "a.dcm").read_bytes()
    others = [file for file in out.rglob("*") if file.is_file() and file.suffix != ".dcm"]
    assert others
    uids = [dcmread(file).SOPInstanceUID for file in (tmp_path / "volumes" / "a").iterdir()]
    for file in others:
        assert not [word for word in ("SECRET", "Doe", *uids) if word.encode() in file.read_bytes()], file
    scored = usframe_("report", *words, "--masks", out / "masks" / "mask", "-o", tmp_path / "scored")
    assert scored.exit_code == 0, scored.output


def test_volumes_that_are_no_dicom_are_one_line_before_any_case(data: DataSet) -> None:
    write_case(data, "a")
    done = usframe_(*data.request("mask_format=dicom"))
    assert done.exit_code == 2
    assert "mask_format=dicom is for DICOM volumes, and " in done.output
    assert not (data.out / "masks").exists()
