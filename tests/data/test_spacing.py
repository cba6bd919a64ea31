"""spacing=[x, y, z] tells the voxel size of files that do not, and says what became of it."""

from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from usframe import Volume
from usframe.cli import main
from usframe.config.schema import Paired, Score
from usframe.data.axis import measured, voxel_ml
from usframe.data.case import Case
from usframe.data.masks import read_masks
from usframe.data.reading import read_case
from usframe.plugins.load import load_plugins

PLUGINS = load_plugins()
DATA = np.random.default_rng(0).integers(0, 255, (4, 5, 6)).astype(np.uint8)
GIVEN = [0.2, 0.3, 0.5]


def nifti(path: Path, array: np.ndarray, spacing: tuple[float, ...], origin: float = 0) -> Path:
    affine = np.diag([*spacing, 1.0])
    affine[0, 3] = origin
    nib.save(nib.Nifti1Image(array.transpose(2, 1, 0), affine), path)
    return path


def test_a_file_that_tells_none_gets_what_is_given(tmp_path):
    np.save(tmp_path / "a.npy", DATA)
    reading = read_case(Case("a", tmp_path / "a.npy"), Paired(spacing=GIVEN), PLUGINS)
    assert reading.volume.spacing_mm == (0.5, 0.3, 0.2)
    assert reading.volume.grid.spacing_mm == (0.5, 0.3, 0.2)
    assert not reading.per_frame
    assert reading.notes == ("the file tells no voxel size: spacing=[0.2, 0.3, 0.5] was taken, in mm",)
    assert voxel_ml(reading.volume) == pytest.approx(0.5 * 0.3 * 0.2 / 1000)
    assert read_case(Case("a", tmp_path / "a.npy"), Paired(spacing=GIVEN, axis="time"), PLUGINS).per_frame


def test_frames_stay_frames():
    sized, per_frame, _, _ = measured(Volume(DATA, time=True), "auto", GIVEN)
    assert sized.spacing_mm == (0.5, 0.3, 0.2)
    assert per_frame
    assert voxel_ml(sized) is None


def test_a_file_that_tells_its_own_keeps_it(tmp_path):
    case = Case("a", nifti(tmp_path / "a.nii", DATA, (0.4, 0.4, 0.9), origin=3))
    reading = read_case(case, Paired(spacing=GIVEN), PLUGINS)
    assert reading.volume.spacing_mm == pytest.approx((0.9, 0.4, 0.4))
    assert any("0.4 x 0.4 x 0.9 mm, which was kept" in note for note in reading.notes)
    assert not any("kept" in note for note in read_case(case, Paired(spacing=[0.4, 0.4, 0.9]), PLUGINS).notes)
    clip = Volume(DATA, (1, 0.3, 0.2), time=True)
    assert measured(clip, "auto", GIVEN)[3] == ()


def test_a_placeholder_is_replaced(tmp_path):
    case = Case("a", nifti(tmp_path / "a.nii", DATA, (1, 1, 1)))
    reading = read_case(case, Paired(spacing=GIVEN), PLUGINS)
    assert reading.volume.spacing_mm == (0.5, 0.3, 0.2)
    assert voxel_ml(reading.volume) == pytest.approx(0.5 * 0.3 * 0.2 / 1000)
    assert any("has a placeholder for its voxel size" in note for note in reading.notes)


def test_labels_whose_header_was_made_up_still_lie_on_a_picture(tmp_path):
    assert cv2.imwritemulti(str(tmp_path / "a.tif"), list(DATA))
    labels = nifti(tmp_path / "labels.nii", (DATA > 99).astype(np.uint8), (1, 1, 1))
    reading = read_case(Case("a", tmp_path / "a.tif", labels), Paired(spacing=GIVEN), PLUGINS)
    assert reading.volume.spacing_mm == (0.5, 0.3, 0.2)
    np.testing.assert_array_equal(reading.labels, DATA > 99)


def test_masks_are_scored_in_it(tmp_path):
    for name in ("labels", "mask"):
        np.save(tmp_path / f"{name}.npy", (DATA > 99).astype(np.uint8))
    pair = read_masks(tmp_path / "labels.npy", tmp_path / "mask.npy", Score(spacing=GIVEN), PLUGINS)
    assert pair.labels.spacing_mm == pair.mask.spacing_mm == (0.5, 0.3, 0.2)
    assert not pair.per_frame
    assert pair.notes == ("the file tells no voxel size: spacing=[0.2, 0.3, 0.5] was taken, in mm",)


@pytest.mark.parametrize("command", [["run", "-i"], ["prepare", "-i"], ["report", "--masks"]], ids=" ".join)
@pytest.mark.parametrize("value", ["[0.2,0.2]", "[0.2,0.2,0]", "0.2", "[a,b,c]"])
def test_anything_but_three_sizes_is_one_line(tmp_path, command, value):
    np.save(tmp_path / "a.npy", DATA)
    words = [*command, str(tmp_path), "-l", str(tmp_path), "-o", str(tmp_path / "out"), f"spacing={value}"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    lines = [line for line in result.output.splitlines() if "spacing" in line]
    assert len(lines) == 1, result.output
    assert not (tmp_path / "out").exists()
