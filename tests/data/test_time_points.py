"""4D files hold several volumes: one is read where it is named, and none where it is not."""

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from conftest import AFFINE, DataSet, usframe_, write_case

from usframe import ReadError, read_volume, write_mask

DATA = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 6)).astype(np.uint8)  # time, D, H, W


def nifti(folder: Path) -> Path:
    nib.save(nib.Nifti1Image(DATA.T, np.diag([0.2, 0.3, 0.5, 1])), folder / "a.nii.gz")
    return folder / "a.nii.gz"


def itk(folder: Path, suffix: str) -> Path:
    image = sitk.JoinSeries([sitk.GetImageFromArray(volume) for volume in DATA])
    image.SetSpacing((0.2, 0.3, 0.5, 40))
    sitk.WriteImage(image, str(folder / f"a{suffix}"))
    return folder / f"a{suffix}"


FILES = [nifti, lambda folder: itk(folder, ".nrrd"), lambda folder: itk(folder, ".mha")]


@pytest.mark.parametrize("make", FILES, ids=["nifti", "nrrd", "mha"])
def test_the_volume_that_is_named_is_read_and_its_mask_is_one_volume(tmp_path: Path, make) -> None:
    path = make(tmp_path)
    volume = read_volume(path, time_point=1)
    np.testing.assert_array_equal(volume.data, DATA[1])
    assert volume.spacing_mm == pytest.approx((0.5, 0.3, 0.2))
    assert not volume.time
    assert "of 3 time points in one file number 1 was read (counted from 0)" in volume.notes
    target = tmp_path / f"mask{''.join(path.suffixes)}"
    write_mask(target, DATA[1] > 99, volume)
    mask = read_volume(target, onto=volume, role="mask")
    np.testing.assert_array_equal(mask.data, DATA[1] > 99)
    np.testing.assert_allclose(mask.grid.affine, volume.grid.affine)


@pytest.mark.parametrize("make", FILES, ids=["nifti", "nrrd", "mha"])
def test_without_a_time_point_and_for_one_that_is_not_there_the_answer_says_how_many_there_are(
    tmp_path: Path, make
) -> None:
    path = make(tmp_path)
    with pytest.raises(ReadError, match=r"several volumes in one file; time_point=N reads one of its 3 \(0 to 2\)"):
        read_volume(path)
    with pytest.raises(ReadError, match="time_point=3 is not there; the file holds 3 time points, 0 to 2"):
        read_volume(path, time_point=3)


def test_a_file_of_one_volume_has_time_point_0_and_the_frames_of_a_clip_are_none(tmp_path: Path) -> None:
    one, clip = tmp_path / "one.nii", tmp_path / "clip.nii"
    nib.save(nib.Nifti1Image(DATA[0].T, np.eye(4)), one)
    nib.save(nib.Nifti1Image(DATA[0].T[:, :, None], np.eye(4)), clip)
    np.testing.assert_array_equal(read_volume(one, time_point=0).data, DATA[0])
    with pytest.raises(ReadError, match="time_point=1 is not there; the file holds a single volume"):
        read_volume(one, time_point=1)
    with pytest.raises(ReadError, match="are the frames of one clip; leave it out"):
        read_volume(clip, time_point=0)
    np.save(tmp_path / "a.npy", DATA[0])
    with pytest.raises(ReadError, match="reader numpy reads one volume per file"):
        read_volume(tmp_path / "a.npy", time_point=1)


@pytest.mark.parametrize("several", [True, False], ids=["4D labels", "3D labels"])
def test_a_run_takes_labels_of_that_time_point_or_of_one_volume(data: DataSet, several: bool) -> None:
    write_case(data, "a")
    for folder in (data.volumes, data.labels) if several else (data.volumes,):
        file = folder / "a.nii.gz"
        voxels = np.asarray(nib.load(file).dataobj)
        nib.save(nib.Nifti1Image(np.stack([voxels * 0, voxels], -1), AFFINE), file)
    without = usframe_(*data.request("cases=[a]", "baselines=false", "-p", "mask"))
    assert without.exit_code == 1
    assert "time_point=N reads one of its 2 (0 to 1)" in without.output
    done = usframe_(
        *data.request("-p", "mask", "baselines=false", "time_point=1", "cases=[a]", "-o", f"{data.out}1")
    )
    assert done.exit_code == 0, done.output
    assert "time points in one file number 1 was read" in done.output
    assert nib.load(f"{data.out}1/masks/mask/a.nii.gz").shape == (48, 36, 5)
    words = ("-i", data.volumes, "-l", data.labels, "--masks", f"{data.out}1/masks/mask", "-o", f"{data.out}2")
    scored = usframe_("report", *words, "time_point=1")
    assert scored.exit_code == 0, scored.output
    assert dice(Path(f"{data.out}2")) == dice(Path(f"{data.out}1"))


def dice(out: Path) -> dict[str, str]:
    """Object -> its Dice over all slices."""
    with (out / "metrics.csv").open(encoding="utf-8", newline="") as file:
        found = {row["object"]: row["dice"] for row in csv.DictReader(file) if row["slices"] == "all"}
    assert {"1", "2"} <= {*found}
    return found
