"""A mask and its labels are read onto one grid, whatever each of their files holds."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from usframe.config.schema import Score
from usframe.data.axis import voxel_ml
from usframe.data.masks import MaskPair, read_masks
from usframe.errors import ReadError
from usframe.plugins.load import load_plugins

PLUGINS = load_plugins()
SHAPE = (8, 20, 24)


def pair(labels: Path, mask: Path, image: Path | None = None, **settings: str) -> MaskPair:
    return read_masks(labels, mask, Score(**settings), PLUGINS, image=image)


def dice(found: MaskPair) -> float:
    mine, other = found.labels.data > 0, found.mask.data > 0
    return float(2 * (mine & other).sum() / (mine.sum() + other.sum()))


def cube(*sides: slice) -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[sides] = 1
    return labels


def recording(array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.3, 0.4, 0.9))
    image.SetOrigin((5, 6, 7))
    image.SetDirection((0, -1, 0, 1, 0, 0, 0, 0, 1))
    return image


def save(path: Path, array: np.ndarray, *, cropped: bool = False) -> Path:
    """As 3D Slicer does: a .seg.nrrd is cropped to its segment."""
    path.parent.mkdir(exist_ok=True)
    image = recording(array)
    if cropped:
        where = np.argwhere(array)
        low, high = where.min(0), where.max(0) + 1
        image = sitk.RegionOfInterest(image, (high - low)[::-1].tolist(), low[::-1].tolist())
    if path.name.endswith(".seg.nrrd"):
        for key, text in (("ID", "Segment_1"), ("LabelValue", "1"), ("Layer", "0")):
            image.SetMetaData(f"Segment0_{key}", text)
    sitk.WriteImage(image, str(path))
    return path


FIRST = cube(slice(1, 5), slice(3, 12), slice(4, 14))
SECOND = cube(slice(2, 8), slice(1, 12), slice(8, 24))
TRUE = 2 * (FIRST & SECOND).sum() / (FIRST.sum() + SECOND.sum())


@pytest.mark.parametrize("cropped", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("turned", [False, True])
def test_two_raters_of_3d_slicer_have_the_dice_of_the_whole_volume(tmp_path, cropped, turned):
    arrays = (SECOND, FIRST) if turned else (FIRST, SECOND)
    labels = save(tmp_path / "l" / "a.seg.nrrd", arrays[0], cropped=cropped[0])
    mask = save(tmp_path / "m" / "a.seg.nrrd", arrays[1], cropped=cropped[1])
    found = pair(labels, mask)
    assert dice(found) == pytest.approx(TRUE)
    assert found.labels.data.sum() == arrays[0].sum()
    assert found.mask.data.sum() == arrays[1].sum()
    assert found.labels.spacing_mm == pytest.approx((0.9, 0.4, 0.3))
    assert any("grid that covers both" in note for note in found.notes) == any(cropped)


def test_the_image_gives_the_grid_where_there_is_one(tmp_path):
    labels = save(tmp_path / "l" / "a.seg.nrrd", FIRST, cropped=True)
    mask = save(tmp_path / "m" / "a.seg.nrrd", SECOND, cropped=True)
    found = pair(labels, mask, save(tmp_path / "a.nrrd", FIRST * 9))
    np.testing.assert_array_equal(found.labels.data, FIRST)
    np.testing.assert_array_equal(found.mask.data, SECOND)
    assert found.notes == ()


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_cropped_file_is_put_on_the_grid_of_the_whole_one(tmp_path, suffix):
    labels = save(tmp_path / "l" / f"a{suffix}", FIRST)
    mask = save(tmp_path / "m" / "a.seg.nrrd", SECOND, cropped=True)
    for found in (pair(labels, mask), pair(mask, labels)):
        assert dice(found) == pytest.approx(TRUE)
        assert found.labels.data.shape == SHAPE


def test_segmentations_of_different_recordings_are_refused(tmp_path):
    labels = save(tmp_path / "l" / "a.seg.nrrd", FIRST, cropped=True)
    image = sitk.ReadImage(str(save(tmp_path / "m" / "a.seg.nrrd", SECOND, cropped=True)))
    image.SetOrigin((90000, 90000, 90000))
    sitk.WriteImage(image, str(tmp_path / "m" / "a.seg.nrrd"))
    with pytest.raises(ReadError, match="far from its labels"):
        pair(labels, tmp_path / "m" / "a.seg.nrrd")


def test_whole_files_on_other_grids_are_refused_as_everywhere(tmp_path):
    labels, mask = save(tmp_path / "l.nrrd", FIRST), tmp_path / "m.nrrd"
    image = recording(SECOND)
    image.SetSpacing((0.3, 0.5, 0.9))
    sitk.WriteImage(image, str(mask))
    with pytest.raises(ReadError, match=r"spacing 0\.5 instead of 0\.4 along H"):
        pair(labels, mask)
    assert dice(pair(labels, mask, geometry="ignore")) == pytest.approx(TRUE)


def test_predictions_are_scored_by_their_segs_and_references_by_their_gts(tmp_path):
    np.savez(tmp_path / "l.npz", imgs=FIRST, gts=FIRST)
    np.savez(tmp_path / "m.npz", segs=SECOND, gts=FIRST, boxes=np.zeros(4), spacing=(0.3, 0.4, 0.9))
    assert dice(pair(tmp_path / "l.npz", tmp_path / "m.npz")) == pytest.approx(TRUE)


def test_another_raters_segs_can_be_the_labels(tmp_path):
    np.savez(tmp_path / "l.npz", segs=FIRST)
    np.savez(tmp_path / "m.npz", segs=SECOND)
    np.savez(tmp_path / "g.npz", imgs=FIRST, gts=SECOND)
    assert dice(pair(tmp_path / "l.npz", tmp_path / "m.npz")) == pytest.approx(TRUE)
    assert dice(pair(tmp_path / "l.npz", tmp_path / "g.npz")) == pytest.approx(TRUE)


def test_a_pair_knows_whether_it_is_a_clip(tmp_path):
    np.savez(tmp_path / "l.npz", gts=FIRST)
    np.savez(tmp_path / "m.npz", segs=SECOND)
    found = pair(tmp_path / "l.npz", tmp_path / "m.npz")
    assert found.per_frame
    assert any("axis=space" in note for note in found.notes)
    assert not pair(tmp_path / "l.npz", tmp_path / "m.npz", axis="space").per_frame
    assert not pair(save(tmp_path / "l.nrrd", FIRST), save(tmp_path / "m.nrrd", SECOND)).per_frame


def test_labels_of_a_clip_or_a_picture_have_no_millilitres_either(tmp_path):
    for stored in (FIRST[0].T, FIRST.T[:, :, None]):
        nib.save(nib.Nifti1Image(stored, np.diag([0.3, 0.4, 0.9, 1])), tmp_path / "l.nii")
        found = pair(tmp_path / "l.nii", tmp_path / "l.nii")
        assert voxel_ml(found.labels) is voxel_ml(found.mask) is None
        assert found.per_frame == (stored.ndim == 4)


def test_an_empty_mask_is_not_blamed_on_the_labels(tmp_path):
    found = pair(save(tmp_path / "l.nrrd", FIRST), save(tmp_path / "m.nrrd", FIRST * 0))
    assert found.notes == ("the mask holds no object",)
