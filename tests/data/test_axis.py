"""The third axis is time where the header or the request says so, and, with a note, where nobody knows better."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from usframe.config.schema import Paired
from usframe.data.axis import is_per_frame, voxel_ml
from usframe.data.case import Case
from usframe.data.reading import read_case, read_volume
from usframe.plugins.load import load_plugins
from usframe.types import Volume

PLUGINS = load_plugins()
DATA = Path(__file__).parents[2] / "../shared/data"


def nifti(path: Path, affine: np.ndarray, shape: tuple[int, ...] = (6, 5, 4)) -> Path:
    nib.save(nib.Nifti1Image(np.ones(shape, np.uint8), affine), path)
    return path


def placed(*spacing: float, origin: tuple[float, float, float] = (0, 0, 0), signs: tuple[int, ...] = (1, 1, 1)):
    affine = np.diag([*(size * sign for size, sign in zip(spacing, signs, strict=True)), 1.0])
    affine[:3, 3] = origin
    return affine


@pytest.mark.parametrize(
    ("affine", "expected"),
    [
        pytest.param(placed(0.308, 0.308, 1), True, id="as CAMUS has it"),
        pytest.param(placed(1, 1, 1), True, id="nothing known, as the carotid has it"),
        pytest.param(placed(0.3, 0.4, 1, signs=(-1, -1, 1)), True, id="the identity of ITK"),
        pytest.param(placed(0.3, 0.3, 0.9), False, id="a spacing of its own"),
        pytest.param(placed(0.5, 0.5, 1, origin=(-80, -90, 20)), False, id="1 mm slices with a position"),
        pytest.param(placed(1, 1, 1, origin=(-80, -90, 20)), False, id="1 mm voxels with a position"),
        pytest.param(placed(0.5, 0.5, 1, signs=(-1, 1, 1)), False, id="1 mm slices with an orientation"),
        pytest.param(placed(0.5, 0.5, 1)[:, [0, 2, 1, 3]], False, id="1 mm slices across another axis"),
        pytest.param(placed(2, 2, 1), False, id="pixels larger than the slices are apart"),
    ],
)
def test_a_third_spacing_of_1_is_a_placeholder_only_where_the_header_says_nothing_more(tmp_path, affine, expected):
    per_frame, note = is_per_frame(read_volume(nifti(tmp_path / "a.nii", affine)))
    assert per_frame == expected
    assert ("axis=space" in note) == expected


def test_an_unknown_spacing_is_taken_for_time(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((4, 5, 6)))
    per_frame, note = is_per_frame(read_volume(tmp_path / "a.npy"))
    assert per_frame
    assert note.startswith("the voxel size is unknown")


def test_a_header_that_says_time_needs_no_assumption(tmp_path):
    clip = read_volume(nifti(tmp_path / "a.nii", placed(0.3, 0.3, 0.9), (6, 5, 1, 4)))
    assert clip.time
    assert is_per_frame(clip) == (True, "")
    image = sitk.GetImageFromArray(np.ones((4, 1, 5, 6), np.uint8), isVector=False)
    sitk.WriteImage(image, str(tmp_path / "a.nrrd"))
    assert is_per_frame(read_volume(tmp_path / "a.nrrd")) == (True, "")


def test_what_the_request_says_counts(tmp_path):
    clip = read_volume(nifti(tmp_path / "a.nii", np.eye(4)))
    assert is_per_frame(clip, "space") == (False, "")
    assert is_per_frame(clip, "time") == (True, "")
    assert is_per_frame(read_volume(nifti(tmp_path / "b.nii", placed(0.3, 0.3, 0.9))), "time") == (True, "")


def test_a_single_slice_is_no_clip():
    for axis in ("auto", "time"):
        assert is_per_frame(Volume(np.ones((1, 5, 6))), axis) == (False, "")


def test_a_case_says_what_was_assumed_where_distances_are_measured(tmp_path):
    source = nifti(tmp_path / "a.nii", placed(0.3, 0.3, 1))
    alone = read_case(Case("a", source), Paired(), PLUGINS)
    labelled = read_case(Case("a", source, source), Paired(), PLUGINS)
    assert alone.per_frame
    assert labelled.per_frame
    assert not any("axis=space" in note for note in alone.notes)
    assert any("axis=space" in note for note in labelled.notes)
    assert not read_case(Case("a", source, source), Paired(axis="space"), PLUGINS).per_frame


def test_only_a_volume_has_millilitres(tmp_path):
    assert voxel_ml(read_volume(nifti(tmp_path / "a.nii", placed(0.5, 0.5, 4)))) == pytest.approx(0.001)
    assert voxel_ml(read_volume(nifti(tmp_path / "b.nii", placed(0.5, 0.5, 4), (6, 5, 1, 4)))) is None
    assert voxel_ml(read_volume(nifti(tmp_path / "c.nii", placed(0.5, 0.5, 4), (6, 5)))) is None
    assert voxel_ml(Volume(np.ones((2, 3, 4)))) is None
    assert voxel_ml(Volume(np.ones((2, 3, 4)), (4, 0.5, 0.5))) == pytest.approx(0.001)
    sheared = placed(0.5, 0.5, 4)
    sheared[0, 1] = 0.5
    read = read_volume(nifti(tmp_path / "d.nii", sheared))
    assert read.spacing_mm == pytest.approx((4, np.sqrt(0.5), 0.5))
    assert voxel_ml(read) == pytest.approx(0.001)
    assert any("right angles" in note for note in read.notes)


@pytest.mark.skipif(not DATA.is_dir(), reason="the real recordings are not here")
@pytest.mark.parametrize(("name", "clips"), [("camus", True), ("carotid", True), ("nerve", False)])
def test_real_recordings_are_what_they_are(name, clips):
    for path in sorted((DATA / name / "volumes").iterdir())[:3]:
        assert is_per_frame(read_volume(path, plugins=PLUGINS))[0] == clips
